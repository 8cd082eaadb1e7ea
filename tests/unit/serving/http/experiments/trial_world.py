"""A service with an experiment, over engines that are not processes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from serving.experiments.definition import CHAMPION, Experiment, Variant
from serving.experiments.exploration import Exploration
from serving.experiments.exposure import Exposure
from serving.experiments.exposure_log import ExposureLog, read_lines
from serving.http.experiments.definitions import Definitions
from serving.http.experiments.experiments import Experiments
from serving.http.experiments.exposures import ExposureWriter
from serving.http.lanes import Lanes
from tests.unit.serving.http.service_world import FakeEngine, World, items_of

START = datetime(2026, 6, 1)
EXPERIMENT = Experiment(
    name="newer",
    salt="salt",
    start=START,
    end=START + timedelta(days=28),
    variants=(Variant(name="now", serves=CHAMPION, weight=1.0), Variant(name="seven", serves=7, weight=1.0)),
)
SHADOW = Variant(name="eight", serves=8, weight=0.0)
WITH_SHADOW = replace(EXPERIMENT, shadows=(SHADOW,))


class Planned(Definitions):
    """Definitions of a test."""

    def __init__(self, experiment: Experiment | None) -> None:
        self.experiment, self.problem = experiment, None
        self.exploration: Exploration | None = None

    def running(self, moment: datetime) -> Experiment | None:
        return self.experiment if self.experiment and self.experiment.runs_at(moment) else None

    def refresh(self) -> None:
        pass


class Trial(World):
    """A supervised service with an experiment. Make it in a running event loop."""

    def __init__(self, experiment: Experiment | None, folder: Path, **settings: Any) -> None:
        super().__init__(**{"variant_seconds": 30.0, **settings})  # no test waits for a busy machine
        self.path = folder / "exposures.db"
        self.definitions = Planned(experiment)
        self.lanes = Lanes(self._start, self.settings, self.metrics, self.said.append)  # type: ignore[arg-type]
        self.writer = ExposureWriter(lambda: ExposureLog(self.path), self.metrics)
        self.now = START + timedelta(days=1)
        self.experiments = Experiments(self.service, self.definitions, self.lanes, self.writer, now=lambda: self.now)

    def engine(self, version: int) -> FakeEngine:
        """Newest engine of a version."""
        return [each for each in self.engines if each.version == version][-1]

    async def ask(self, *users: str, request_id: str = "r", k: int = 3, **options: Any) -> list[dict[str, Any]]:
        """Answers to users in one request."""
        plain = {"op": "recommend", "k": k, "where": None, "exclude": (), "exclude_seen": False, "session": ()}
        answered = await self.experiments.answer([plain | options | {"user_id": user} for user in users], request_id)
        return answered.answers

    async def ready(self, *versions: int) -> None:
        """Wait until the champion and some versions have engines."""
        await self.serves(1)
        await self.until(lambda: self.lanes.versions == versions)

    def exposures(self) -> list[Exposure]:
        """Exposures on the disk."""
        return [Exposure.from_json(line) for line in read_lines(self.path, "newer")]

    async def kept(self, number: int) -> list[Exposure]:
        """Wait for a number of exposures on the disk."""
        await self.until(lambda: len(self.exposures()) >= number)
        return self.exposures()

    def count(self, metric: str, *labels: str) -> float:
        """Value of a counter."""
        return float(getattr(self.metrics, metric).labels(*labels)._value.get())


def ids_of(version: int, k: int = 3) -> list[str]:
    """Items of a version."""
    return [item["item_id"] for item in items_of(version)][:k]


def ids(answer: dict[str, Any]) -> list[str]:
    """Items of an answer."""
    return [item["item_id"] for item in answer["items"]]


def in_trial(
    story: Callable[[Trial], Awaitable[None]], experiment: Experiment | None, folder: Path, **settings: Any
) -> Trial:
    """Tell a story while supervisor and experiments run; return what is left at the end."""
    trials = []

    async def told() -> None:
        trial = Trial(experiment, folder, **settings)
        trials.append(trial)
        running = [asyncio.create_task(work) for work in (trial.supervisor.run(), trial.experiments.run())]
        try:
            await asyncio.wait_for(story(trial), 20)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            for engine in trial.engines:
                engine.release()
            await asyncio.wait_for(trial.experiments.close(), 5)
            await asyncio.wait_for(trial.supervisor.close(), 5)
            trial.events.close()

    asyncio.run(told())
    return trials[0]
