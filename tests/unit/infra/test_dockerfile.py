"""The image comes from the lock files, in stages, and runs as a user without rights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra import backup, bucket
from orchestration.local.home import QUIET

ROOT = Path(__file__).parents[3]
DOCKERFILE = ROOT / "infra" / "Dockerfile"


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    module = pytest.importorskip("dockerfile_parse", reason="requirements-dev.lock")
    path = tmp_path_factory.mktemp("image") / "Dockerfile"
    path.write_text(DOCKERFILE.read_text(encoding="utf-8"))  # the parser opens its file for writing
    yield module.DockerfileParser(str(path))


def values(parsed: Any, instruction: str) -> list[str]:
    return [each["value"] for each in parsed.structure if each["instruction"] == instruction]


def test_the_last_of_two_stages_has_no_build_tools(parsed: Any) -> None:
    assert values(parsed, "FROM") == ["${PYTHON_IMAGE} AS packages", "${PYTHON_IMAGE}"]
    last = [each["instruction"] for each in parsed.structure]
    last = last[len(last) - last[::-1].index("FROM") :]
    runs = [each for each in values(parsed, "RUN")[-last.count("RUN") :] if "pip" in each]
    assert runs == []


def test_every_version_is_locked(parsed: Any) -> None:
    installs = [each for each in values(parsed, "RUN") if "pip install" in each]
    assert len(installs) == 2
    assert "--requirement requirements.lock" in installs[0]
    assert {"--constraint requirements.lock", "--constraint requirements-dev.lock"} <= {
        " ".join(pair) for pair in zip(installs[1].split(), installs[1].split()[1:], strict=False)
    }


def test_it_runs_as_a_user_without_rights(parsed: Any) -> None:
    assert values(parsed, "USER") == ["10001:10001"]
    order = [each["instruction"] for each in parsed.structure]
    assert order.index("USER") > max(n for n, each in enumerate(order) if each in ("RUN", "COPY"))


def test_nothing_phones_home(parsed: Any) -> None:
    assert QUIET.items() <= parsed.envs.items()
    assert parsed.envs["DAGSTER_HOME"] == f"{parsed.envs['GATEHOUSE_HOME']}/dagster"


def test_all_that_is_copied_is_in_the_context(parsed: Any) -> None:
    lines = DOCKERFILE.with_name("Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "*"
    for value in values(parsed, "COPY"):
        if not value.startswith("--from"):
            for source in value.split()[:-1]:
                assert f"!{source}" in lines, source
                assert (ROOT / source).exists()


def test_a_backup_can_be_taken_from_it(parsed: Any) -> None:
    (copied,) = (each.split() for each in values(parsed, "COPY") if each.startswith("infra/"))
    assert {ROOT / source for source in copied[:-1]} == {Path(module.__file__) for module in (backup, bucket)}
    # What the image finds as `infra.backup`, `python -m infra.backup` finds anywhere.
    assert copied[-1] == f"{parsed.envs['PYTHONPATH']}/infra/"
    assert any("postgresql-client" in each for each in values(parsed, "RUN"))
    owned = next(each for each in values(parsed, "RUN") if "install --directory" in each)
    assert owned.split()[-2:] == [parsed.envs["GATEHOUSE_HOME"], "/backups"]
