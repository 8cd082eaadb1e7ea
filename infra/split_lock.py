"""Split of `pip freeze` into requirements of a run and of development.

    pip freeze | python infra/split_lock.py

It writes requirements.lock, for `make run`, and requirements-dev.lock, the rest, for
`make test`.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Write both files."""
    needed = closure(dependencies("dependencies", "build"))
    lines = [line for line in sys.stdin.read().splitlines() if "==" in line]
    run = [line for line in lines if canonicalize_name(line.partition("==")[0]) in needed]
    ROOT.joinpath("requirements.lock").write_text("".join(f"{line}\n" for line in run))
    ROOT.joinpath("requirements-dev.lock").write_text("".join(f"{line}\n" for line in lines if line not in run))


def dependencies(*kinds: str) -> list[Requirement]:
    """Requirements of pyproject.toml, by kind: `dependencies` or `build`."""
    project = tomllib.loads(ROOT.joinpath("pyproject.toml").read_text())
    named = {"dependencies": project["project"]["dependencies"], "build": project["build-system"]["requires"]}
    return [Requirement(each) for kind in kinds for each in named[kind]]


def closure(requirements: Iterable[Requirement]) -> Mapping[str, Distribution]:
    """Installed distributions that some requirements lead to, by name."""
    found: dict[str, Distribution] = {}
    queue = [(canonicalize_name(each.name), frozenset(each.extras)) for each in requirements]
    seen = set(queue)
    while queue:
        name, extras = queue.pop()
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            # A dependency of another platform is not installed here.
            continue
        for each in map(Requirement, found[name].requires or ()):
            wanted = any(each.marker is None or each.marker.evaluate({"extra": extra}) for extra in (*extras, ""))
            entry = (canonicalize_name(each.name), frozenset(each.extras))
            if wanted and entry not in seen:
                seen.add(entry)
                queue.append(entry)
    return found


if __name__ == "__main__":
    main()
