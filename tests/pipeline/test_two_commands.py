"""Two commands at once: as if one had come after the other, or one refuses in a line, and the home stays whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from serving.registry import Registry
from tests.pipeline.conftest import Released
from tests.pipeline.planted import Home, write_world
from tests.pipeline.two_commands import COMMANDS, DATASET
from tests.pipeline.two_commands_check import faults
from tests.worlds import taste_groups

ROOT = Path(__file__).parents[2]
DAYS = range(40, 100)


def prepare(root: Path) -> None:
    """The folder of a shop, and its exports of many days."""
    log = taste_groups(users=60, items=40, days=DAYS[-1], per_day=40, dataset=DATASET)
    write_world(root / DATASET, log)
    (root / "exports").mkdir()
    for day in DAYS:
        until = pl.col("timestamp") < log.events["timestamp"].min() + timedelta(days=day)
        replace(log, events=log.events.filter(until)).events.write_csv(root / "exports" / f"{day:03}.csv")


def pairs(root: Path, artifacts: Path, seed: int, number: int) -> list[dict[str, Any]]:
    """What came of pairs of commands on a new home."""
    prepare(root)
    command = (sys.executable, "-m", "tests.pipeline.two_commands", root, artifacts, seed, number)
    threads = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS")} | {"POLARS_MAX_THREADS": "1"}
    environment = {**os.environ, **threads}
    done = subprocess.run(list(map(str, command)), cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    first, *found = map(json.loads, done.stdout.splitlines())
    assert [each["code"] for each in (*first["first"], first["look"])] == [0, 0], first
    return found


def check(found: list[dict[str, Any]], number: int) -> None:
    wrong = {f"{each['index']} {each['pair']}": problems for each in found if (problems := faults(each))}
    assert wrong == {}, json.dumps(wrong, indent=1)
    assert len(found) == number


def test_a_dozen_pairs_leave_a_whole_home(home: Home, released: Released, tmp_path: Path) -> None:
    check(pairs(tmp_path, Registry(home.settings, "world").download(1), 0, 12), 12)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_two_hundred_pairs_leave_a_whole_home(home: Home, released: Released, tmp_path: Path) -> None:
    found = pairs(tmp_path, Registry(home.settings, "world").download(1), 1, 200)
    check(found, 200)
    assert len({tuple(each["pair"]) for each in found}) == len(COMMANDS) ** 2
