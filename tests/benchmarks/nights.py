"""A year of nights on one home: size, memory and seconds, first and last.

Versions are registered, indexed, sealed, promoted and cleaned away by the real code, in a real registry and index, with
real files. Only the training is left out: the towers are exported ones.
"""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from unittest.mock import patch

import psutil

from orchestration import cli
from orchestration.cleaning import clean, plan_cleaning
from orchestration.doctor import examine
from serving.registry import Registry
from serving.release.promotion import promote_challenger, rollback
from serving.settings import Settings
from tests.integration.release_world import (
    DATASET,
    empty_database,
    fresh_home,
    register,
    schema,
    seal_as,
    write_artifacts,
)

KEEP, METRICS = 10, 190
"""Versions that a cleaning keeps, and metrics of a version, as those of the default dataset."""


COLUMNS = ("night", "home", "MLflow's database", "memory", "`releases`", "doctor", "findings")


@dataclass(frozen=True, kw_only=True)
class Night:
    """What was measured after a night."""

    number: int
    megabytes: float
    """Of the home on disk."""
    database: float
    """Of MLflow's database in it."""
    memory: float
    """Of this process."""
    releases: float
    """CPU seconds of `gatehouse releases`, without its imports."""
    doctor: float
    """CPU seconds of the doctor."""
    findings: int

    def cells(self) -> tuple[str, ...]:
        """Cells of a table with COLUMNS."""
        sizes = (f"{self.megabytes:.1f} MB", f"{self.database:.1f} MB", f"{self.memory:.0f} MB")
        return (str(self.number), *sizes, f"{self.releases:.2f} s", f"{self.doctor:.2f} s", str(self.findings))


def nights(number: int, every: int) -> Iterator[Night]:
    """Live through nights, and measure after some.

    Each part has a process of its own, as nights have: its memory on a young home is compared with that on an old one.

    Args:
        number: number of nights.
        every: nights from one measurement to the next.
    """
    with tempfile.TemporaryDirectory(prefix="nights-") as folder, _processes() as pool:
        pool.submit(_prepare, Path(folder)).result()
        for last in range(every, number + 1, every):
            yield pool.submit(_part, Path(folder), range(last - every + 1, last + 1)).result()


def _processes() -> ProcessPoolExecutor:
    """Processes of which each lives for one call."""
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1)


def _prepare(root: Path) -> None:
    fresh_home(root / "home", empty_database(root / "empty"))
    (root / "home" / "data" / DATASET).mkdir(parents=True)
    write_artifacts(root / "artifacts", schema())


def _part(root: Path, part: Sequence[int]) -> Night:
    """Live through some nights, and measure."""
    settings = Settings.from_environment({"GATEHOUSE_HOME": str(root / "home")})
    for night in part:
        _live(settings, root / "artifacts", night)
    return _measured(settings, part[-1])


def _live(settings: Settings, artifacts: Path, night: int) -> None:
    """One night; every tenth version fails, and every thirtieth is rolled back."""
    registry = Registry(settings, DATASET)
    version = register(settings, artifacts, input_key=str(night))
    registry.log_results(version, {f"all/metric{n}@20": n / METRICS for n in range(METRICS)}, {})
    derived = settings.home / "data" / DATASET / f"input{night}" / f"v{version}"
    derived.mkdir(parents=True)
    (derived / "item_embeddings").write_bytes(bytes(100_000))
    seal_as(settings, version, "failed" if night % 10 == 9 else "passed", against=registry.champion())
    if night % 10 != 9:
        promote_challenger(settings, DATASET, version)
    if night % 30 == 0:
        rollback(settings, DATASET)
    clean(settings, plan_cleaning(settings, DATASET, KEEP))


def _measured(settings: Settings, night: int) -> Night:
    before = time.process_time()
    with (
        patch.dict("os.environ", GATEHOUSE_HOME=str(settings.home)),
        patch.object(sys, "argv", ["gatehouse", "releases", "--dataset", DATASET]),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.suppress(SystemExit),
    ):
        cli.main()
    listed = time.process_time()
    findings = examine(settings)
    return Night(
        number=night,
        megabytes=_size(settings.home) / 1e6,
        database=_size(settings.home / "mlflow" / "mlflow.db") / 1e6,
        memory=psutil.Process().memory_info().rss / 1e6,
        releases=listed - before,
        doctor=time.process_time() - listed,
        findings=len(findings),
    )


def _size(path: Path) -> int:
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return sum(each.stat().st_size for each in files)
