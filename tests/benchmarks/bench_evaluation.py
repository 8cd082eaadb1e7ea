"""Evaluation of a sample of users: processor time and memory as the users of the hold-out grow.

python -m tests.benchmarks.bench_evaluation [--users N ...] [--sample N]

Each size has a process of its own. Peaks are those of Linux, above what the events take.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from orchestration.evaluation import MAX_USERS
from orchestration.memory import Memory
from training.evaluation.evaluate import evaluate_systems
from training.evaluation.holdout import temporal_holdout
from training.retrieval.exact import exact_search

USERS = (50_000, 200_000, 800_000)
ITEMS, DIM, PER_USER = 2_000, 32, 6
CUT = datetime(2024, 3, 1)
DAYS = timedelta(days=14)
MIB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Cost of one size."""

    users: int
    holdout_seconds: float
    """Processor time of the hold-out and of its sample."""
    holdout_mib: float
    evaluation_seconds: float
    """Processor time of the evaluation of two systems, with intervals."""
    evaluation_mib: float
    evaluated: int
    """Users that were evaluated."""


def log_of(users: int) -> pl.DataFrame:
    """Events of users, of each at least one on either side of the cut."""
    rng, count = np.random.default_rng(users), users * PER_USER
    offset = rng.uniform(-10 * DAYS.total_seconds(), DAYS.total_seconds(), count)
    offset[:users], offset[users : 2 * users] = -np.abs(offset[:users]) - 1, DAYS.total_seconds() * rng.random(users)
    times = pl.Series(np.datetime64(CUT, "us") + (1e6 * offset).astype("timedelta64[us]"))
    user_E, item_E = np.arange(count) % users, (ITEMS * rng.random(count) ** 3).astype(np.int64)
    ids = {"user_id": _ids("u", users)[user_E], "item_id": _ids("i", ITEMS)[item_E]}
    return pl.DataFrame({**ids, "timestamp": times, "created": times})


class Meter:
    """Processor time and growth of the peak since it was made."""

    def __init__(self) -> None:
        Memory().give_back()  # what was freed before is no memory of the next step
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        self._start, self._cpu = _status("VmRSS"), time.process_time()

    def read(self) -> tuple[float, float]:
        """Seconds, and MiB."""
        return time.process_time() - self._cpu, (_status("VmHWM") - self._start) / MIB


def _status(name: str) -> int:
    """Number of bytes that Linux tells of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) << 10


def cost_of(users: int, sample: int) -> Cost:
    """Evaluate two systems on a sample of the users.

    Args:
        users: users of the hold-out.
        sample: users that are evaluated at most.
    """
    events = log_of(users)
    ids = _ids("u", users), _ids("i", ITEMS)
    first = Meter()
    holdout = temporal_holdout(events, *ids, CUT, CUT + DAYS, True).sampled(sample, seed=0)
    holdout_seconds, holdout_mib = first.read()
    rng, evaluated = np.random.default_rng(0), len(holdout.users_Q)
    systems = []
    for name in ("own", "other"):
        vectors = rng.normal(size=(evaluated + ITEMS, DIM)).astype(np.float32)
        systems.append((name, exact_search(vectors[:evaluated], vectors[evaluated:])))
    second = Meter()
    evaluate_systems(systems, holdout, corpora={"whole": None}, seed=0, reference="own")
    evaluation_seconds, evaluation_mib = second.read()
    return Cost(
        users=users,
        holdout_seconds=holdout_seconds,
        holdout_mib=holdout_mib,
        evaluation_seconds=evaluation_seconds,
        evaluation_mib=evaluation_mib,
        evaluated=evaluated,
    )


def _ids(letter: str, count: int) -> pl.Series:
    return pl.select(pl.format(f"{letter}{{}}", pl.int_range(count))).to_series()


def line(cost: Cost) -> str:
    """Row of the table."""
    cells = (
        f"{cost.users:,}", f"{cost.evaluated:,}", f"{cost.holdout_seconds:.1f}", f"{cost.holdout_mib:,.0f}",
        f"{cost.evaluation_seconds:.1f}", f"{cost.evaluation_mib:,.0f}",
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print a row for each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, nargs="+", default=list(USERS))
    parser.add_argument("--sample", type=int, default=MAX_USERS)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(asdict(cost_of(asked.one, asked.sample))))
        return
    print("| users | evaluated | hold-out: CPU s | MiB | evaluation: CPU s | MiB |\n|---:|---:|---:|---:|---:|---:|")
    for users in asked.users:
        command = [sys.executable, "-m", __spec__.name, "--one", str(users), "--sample", str(asked.sample)]
        found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        print(line(Cost(**json.loads(found))), flush=True)


if __name__ == "__main__":
    main()
