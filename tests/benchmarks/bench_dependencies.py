"""Cost of each direct dependency: seconds of its import, and megabytes on disk.

    python -m tests.benchmarks.bench_dependencies

Megabytes are also those of the packages that no other dependency needs. Seconds are CPU
seconds of a new process beyond those of an empty one, the least of three.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable
from importlib.metadata import Distribution, packages_distributions
from pathlib import Path

from packaging.utils import canonicalize_name

from infra.split_lock import closure, dependencies

REPEATS = 3
# Import names where a distribution has several.
MODULES = {"great-expectations": "great_expectations", "pymilvus": "pymilvus", "pyyaml": "yaml"}


def main() -> None:
    """Print a Markdown table, the costliest dependency first."""
    direct = dependencies("dependencies")
    whole = closure(direct)
    empty = cpu_seconds("pass")
    rows = []
    for requirement in direct:
        others = closure(each for each in direct if each is not requirement)
        alone = whole.keys() - others.keys()
        own = whole[canonicalize_name(requirement.name)]
        module = module_of(requirement.name)
        seconds = max(0.0, min(cpu_seconds(f"import {module}") for _ in range(REPEATS)) - empty)
        rows.append((requirement.name, seconds, megabytes([own]), megabytes(whole[name] for name in alone), len(alone)))
    print("| dependency | import, CPU s | MB on disk | MB with what only it needs | packages only it needs |")
    print("|---|---|---|---|---|")
    for name, seconds, own_mb, all_mb, count in sorted(rows, key=lambda row: -row[3]):
        print(f"| {name} | {seconds:.1f} | {own_mb:,.0f} | {all_mb:,.0f} | {count} |")
    print(f"\n{len(whole)} packages, {megabytes(whole.values()):,.0f} MB, on Python {sys.version.split()[0]}.")


def module_of(name: str) -> str:
    """Import name of a distribution."""
    if name in MODULES:
        return MODULES[name]
    wanted = canonicalize_name(name)
    modules = [
        module for module, owners in packages_distributions().items() if wanted in map(canonicalize_name, owners)
    ]
    public = sorted((module for module in modules if module.isidentifier() and module[0] != "_"), key=len)
    alike = [module for module in public if canonicalize_name(module) == wanted]
    return (alike or public)[0]


def megabytes(distributions: Iterable[Distribution]) -> float:
    """Size of the files of some distributions, bytecode left out."""
    files = [Path(str(each.locate_file(file))) for each in distributions for file in each.files or ()]
    return sum(path.stat().st_size for path in files if path.suffix != ".pyc" and path.is_file()) / 1e6


def cpu_seconds(code: str) -> float:
    """CPU seconds of a new Python process that runs some code."""
    before = os.times()
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = os.times()
    spent = after.children_user - before.children_user + after.children_system - before.children_system
    return spent or time.monotonic() - started  # Windows does not count its children


if __name__ == "__main__":
    main()
