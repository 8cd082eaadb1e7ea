"""The way of exposures to the disk: bounded, tried again, and nothing lost at an orderly end."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from serving.experiments.exposure import Exposure
from serving.experiments.exposure_log import ExposureLog, ExposureLogError, read_lines
from serving.http.experiments import exposures
from serving.http.experiments.exposures import ExposureWriter
from serving.http.metrics import Metrics
from tests.unit.serving.experiments.test_exposure import EXPOSURE

MANY = [replace(EXPOSURE, request_id=f"r{n}") for n in range(50)]


def kept(path: Path) -> list[Exposure]:
    return [Exposure.from_json(line) for line in read_lines(path, "test")]


def count(metrics: Metrics, outcome: str) -> float:
    return float(metrics.exposures.labels(outcome)._value.get())


def test_what_waits_at_the_end_is_kept_once(tmp_path: Path) -> None:
    async def run() -> None:
        metrics = Metrics()
        writer = ExposureWriter(lambda: ExposureLog(tmp_path / "log.db"), metrics)
        for each in MANY[:20]:
            writer.put(each)
        running = asyncio.create_task(writer.run())
        while count(metrics, "kept") < 20:
            await asyncio.sleep(0.01)
        for each in MANY:
            writer.put(each)
        await asyncio.sleep(0)  # the write has begun
        running.cancel()
        writer.close()
        assert count(metrics, "lost") == 0

    asyncio.run(run())
    assert kept(tmp_path / "log.db") == MANY


def test_a_log_that_cannot_be_written_is_tried_again_within_the_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exposures, "RETRY_SECONDS", 0.01)
    full = True

    def open_log() -> ExposureLog:
        if full:
            raise ExposureLogError("the disk is full")
        return ExposureLog(tmp_path / "log.db")

    async def run() -> None:
        nonlocal full
        metrics = Metrics()
        writer = ExposureWriter(open_log, metrics, most_items=30)  # of three for each: two items and itself
        running = asyncio.create_task(writer.run())
        for each in MANY:
            writer.put(each)
        while writer.problem is None:
            await asyncio.sleep(0.01)
        assert writer.problem == "exposures cannot be kept: the disk is full"
        assert count(metrics, "lost") == 40
        full = False
        while count(metrics, "kept") < 10:
            await asyncio.sleep(0.01)
        assert writer.problem is None
        writer.put(MANY[20])
        while count(metrics, "kept") < 11:
            await asyncio.sleep(0.01)
        running.cancel()
        writer.close()

    asyncio.run(asyncio.wait_for(run(), 10))
    assert kept(tmp_path / "log.db") == [*MANY[:10], MANY[20]]


def test_what_cannot_be_kept_at_the_end_is_counted() -> None:
    def open_log() -> ExposureLog:
        raise ExposureLogError("the disk is full")

    async def run() -> None:
        metrics = Metrics()
        writer = ExposureWriter(open_log, metrics)
        for each in MANY[:7]:
            writer.put(each)
        writer.close()
        assert count(metrics, "lost") == 7

    asyncio.run(run())
