"""SIGKILL before each write of each command: the champion answers, the doctor names the rest, a second call ends it.

The kills run in a process of their own, which forks: `python -m tests.benchmarks.bench_crashes` prints them all.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest


def trials(*arguments: str, seconds: int) -> list[dict[str, Any]]:
    command = (sys.executable, "-m", "tests.benchmarks.bench_crashes", "--json", *arguments)
    ended = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    assert ended.stdout, ended.stderr[-3000:]
    return [json.loads(line) for line in ended.stdout.splitlines()]


def faults(tried: list[dict[str, Any]]) -> list[str]:
    return [f"{each['scenario']} {each['point']} {each['place']}: {each['faults']}" for each in tried if each["faults"]]


@pytest.mark.timeout(600)
def test_a_promotion_survives_a_kill_before_each_of_its_writes() -> None:
    tried = trials("promote", seconds=600)
    assert faults(tried) == []
    # The lock, the history, the commit, the mirror, the tag, the lock again: and the doctor names most of what is left.
    assert len(tried) >= 6
    assert sum(each["named"] > 0 for each in tried) >= len(tried) - 1


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("scenario", ["override", "rollback", "rollback-load", "by-hand", "clean", "release"])
def test_every_command_survives_a_kill_before_each_of_its_writes(scenario: str) -> None:
    tried = trials(scenario, seconds=3_600)
    assert faults(tried) == []
    assert len(tried) >= 6


@pytest.mark.slow
@pytest.mark.timeout(7_200)
def test_a_night_survives_a_kill_at_each_of_its_places() -> None:
    """New data, features, training, index, seal, online load, promotion."""
    tried = trials("night", "--only", "first", seconds=7_200)
    assert faults(tried) == []
    assert len(tried) >= 30
