"""Kills of commands, in a process of its own, which forks: `python -m tests.benchmarks.bench_crashes` prints them."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any


def trials(*arguments: str, seconds: int) -> list[dict[str, Any]]:
    command = (sys.executable, "-m", "tests.benchmarks.bench_crashes", "--json", *arguments)
    ended = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    assert ended.stdout, ended.stderr[-3000:]
    return [json.loads(line) for line in ended.stdout.splitlines()]


def faults(tried: list[dict[str, Any]]) -> list[str]:
    return [f"{each['scenario']} {each['point']} {each['place']}: {each['faults']}" for each in tried if each["faults"]]
