"""Production without containers: two workers follow a release, and a backup brings everything back."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from orchestration.cli.application import NOT_PROMOTED
from tests.integration.online_servers import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]

ROOT = Path(__file__).parents[2]
CLI = "orchestration.cli"
SCRIPT = ROOT / "infra" / "local-production.sh"
START_SECONDS, FOLLOW_SECONDS = 1200, 180
WORKERS = ("SERVE_PORT", "SECOND_SERVE_PORT")
NEEDED = ("redis-server", "redis-cli", "setpriv", "curl", "ps")
PACKAGES = ("moto", "boto3", "psycopg", "dagster_postgres", "redis")


@pytest.fixture
def production() -> Iterator[Mapping[str, str]]:
    """Environment of the script, with a folder and ports of its own."""
    missing = [name for name in NEEDED if not shutil.which(name)]
    missing += [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    missing += [] if list(Path("/usr/lib/postgresql").glob("*/bin/initdb")) else ["postgresql"]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GATEHOUSE_")}
    ports = {name: str(free_port()) for name in (*WORKERS, "POSTGRES_PORT", "REDIS_PORT", "S3_PORT")}
    # Another user, who does not see pytest's folders, starts Postgres in there.
    with tempfile.TemporaryDirectory() as root:
        Path(root).chmod(0o755)
        own = {"FOLDER": f"{root}/production", "PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}
        yield {**kept, **ports, **own, "OMP_NUM_THREADS": "1"}


@contextmanager
def up(production: Mapping[str, str], *arguments: str) -> Iterator[None]:
    """Run `up`, wait until all work, and end it with `down`; nothing that it started is left."""
    log = Path(production["FOLDER"]).with_name(f"{'-'.join(('up', *arguments))}.log")
    with log.open("wb") as file:
        process = subprocess.Popen(
            [SCRIPT, "up", *arguments], env=production, stdout=file, stderr=subprocess.STDOUT, cwd="/"
        )
    pids: dict[str, int] = {}
    try:
        end = time.monotonic() + START_SECONDS
        while "all work" not in log.read_text():
            assert process.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.5)
        pids = {path.name: int(path.read_text().split()[0]) for path in pid_files(production)}
        assert all(map(psutil.pid_exists, pids.values()))
        yield
    finally:
        subprocess.run([SCRIPT, "down"], env=production, check=True, capture_output=True)
        process.wait(60)
    left = [name for name, pid in pids.items() if psutil.pid_exists(pid)]
    assert (left, list(pid_files(production))) == ([], [])
    assert process.returncode == 130, log.read_text()


def pid_files(production: Mapping[str, str]) -> list[Path]:
    return sorted(Path(production["FOLDER"], "pids").iterdir())


def variables(production: Mapping[str, str]) -> dict[str, str]:
    """Variables of a process that uses the services, as `eval` of the script's `env` sets them."""
    command = f'eval "$({SCRIPT} env)"; env -0'
    shown = subprocess.run(["bash", "-c", command], env=production, check=True, capture_output=True, text=True).stdout
    return dict(line.split("=", 1) for line in shown.split("\0") if line)


def ran(production: Mapping[str, str], *arguments: str, codes: Container[int] = (0,)) -> str:
    """Output of `python -m ARGUMENTS` with the variables of production."""
    command = [sys.executable, "-m", *arguments]
    ended = subprocess.run(command, env=variables(production), cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode in codes, ended.stderr
    return ended.stdout


def answer(production: Mapping[str, str], worker: str = WORKERS[0]) -> dict[str, Any]:
    """Answer of a worker to a user. One read of the store may be too slow for its half second on a busy machine."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    uri, end = f"http://127.0.0.1:{production[worker]}/v1/recommendations/u1?k=5", time.monotonic() + 60
    while True:
        with opener.open(uri, timeout=60) as response:
            found: dict[str, Any] = json.loads(response.read())
        if "degraded" not in found["flags"] or time.monotonic() > end:
            break
        time.sleep(1)
    assert found["source"] == "two_tower", found["flags"]
    return {name: found[name] for name in ("version", "items", "features_as_of")}


def releases(production: Mapping[str, str]) -> Any:
    return json.loads(ran(production, CLI, "releases", "--dataset", "tiny", "--json"))


def wait_for_version(production: Mapping[str, str], version: int) -> None:
    """Wait until every worker answers by a version."""
    end = time.monotonic() + FOLLOW_SECONDS
    while {answer(production, worker)["version"] for worker in WORKERS} != {version}:
        assert time.monotonic() < end, f"not all workers serve version {version}"
        time.sleep(1)


def test_both_workers_follow_a_promotion_and_a_rollback(production: Mapping[str, str]) -> None:
    with up(production):
        assert answer(production, WORKERS[0]) == answer(production, WORKERS[1])
        ran(production, CLI, "run", "--dataset", "tiny", "--seed", "1", codes=(0, NOT_PROMOTED))
        # Of two seeds neither is better by more than chance.
        ran(production, CLI, "promote", "2", "--dataset", "tiny", "--override", "both workers are to follow")
        wait_for_version(production, 2)
        ran(production, CLI, "rollback", "--dataset", "tiny")
        wait_for_version(production, 1)


def test_what_was_lost_is_restored(production: Mapping[str, str], tmp_path: Path) -> None:
    folder, backup = Path(production["FOLDER"]), tmp_path / "backup"
    with up(production):
        first, listed = answer(production), releases(production)
        assert (first["version"], len(first["items"])) == (1, 5)
        ran(production, "infra.backup", "save", str(backup))
    assert {path.name for path in backup.glob("*.dump")} == {"mlflow.dump", "features.dump", "dagster.dump"}
    shutil.rmtree(folder)
    with up(production, "services"):
        ran(production, "infra.backup", "restore", str(backup))
        assert releases(production) == listed
    with up(production):
        assert answer(production) == first
        assert releases(production) == listed  # the run has made no second version
