"""Runs that are cut off in the middle, and the one that goes on from there."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orchestration.asset_values import Judged
from orchestration.defs import release
from serving.registry import Registry, Run
from serving.release.manifest import read
from tests.pipeline.conftest import Released
from tests.pipeline.planted import Home, world, write_world

DATASET = "cut_off"
CHECKPOINT = "checkpoint.safetensors"
INTERRUPTED = 130
"""What shells expect of a process that Ctrl-C ended."""


@dataclass(frozen=True, kw_only=True)
class Left:
    """What a run left behind."""

    error: BaseException | None
    versions: list[int]
    champion: int | None
    leftovers: list[Path]
    runs: list[str]


def left(home: Home, error: BaseException | None) -> Left:
    return Left(
        error=error,
        versions=home.versions(DATASET),
        champion=home.champion(DATASET),
        leftovers=home.leftovers(),
        runs=mlflow_runs(home, DATASET),
    )


def mlflow_runs(home: Home, dataset: str) -> list[str]:
    """Status of the dataset's MLflow runs, oldest first."""
    query = "select r.status from runs r join experiments e using (experiment_id) where e.name = ? order by start_time"
    with sqlite3.connect(home.settings.home / "mlflow" / "mlflow.db") as database:
        return [status for (status,) in database.execute(query, [dataset])]


@pytest.fixture(scope="module")
def home(home: Home) -> Home:
    return home.light()


@pytest.fixture(scope="module")
def folder(home: Home, released: Released) -> Path:
    return write_world(home.root / DATASET, world(DATASET))


def cut_off(home: Home, folder: Path, owner: Any, name: str, instead: Callable[..., Any]) -> Left:
    """A run in which one function does something else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, instead)
        with pytest.raises((KeyboardInterrupt, OSError)) as raised:
            home.run(folder)
    return left(home, raised.value)


@pytest.fixture(scope="module")
def in_towers(home: Home, folder: Path) -> Left:
    """Ctrl-C at the worst moment: the version is registered, its run not yet finished."""
    register = Run.register

    def interrupted(run: Run, *arguments: Any, **options: Any) -> int:
        register(run, *arguments, **options)
        raise KeyboardInterrupt

    return cut_off(home, folder, Run, "register", interrupted)


@pytest.fixture(scope="module")
def before_evaluation(home: Home, folder: Path, in_towers: Left) -> Left:
    """The disk is full between index and evaluation."""

    def full(*arguments: Any, **more: Any) -> None:
        raise OSError(28, "No space left on device")

    return cut_off(home, folder, release, "evaluate_version", full)


@pytest.fixture(scope="module")
def completed(home: Home, folder: Path, before_evaluation: Left) -> Judged:
    return home.run(folder)


def test_a_version_whose_run_was_cut_off_is_seen_by_nobody(in_towers: Left) -> None:
    assert isinstance(in_towers.error, KeyboardInterrupt)
    assert (in_towers.versions, in_towers.champion) == ([], None)
    assert in_towers.runs == ["KILLED"]


def test_a_version_that_is_not_judged_is_listed_but_serves_nobody(home: Home, before_evaluation: Left) -> None:
    assert str(before_evaluation.error) == "[Errno 28] No space left on device"
    assert (before_evaluation.versions, before_evaluation.champion) == ([2], None)
    assert before_evaluation.runs == ["KILLED", "FINISHED"]


def test_no_half_written_folder_stays(in_towers: Left, before_evaluation: Left) -> None:
    assert in_towers.leftovers == before_evaluation.leftovers == []


def test_the_next_run_completes_what_was_begun(home: Home, completed: Judged) -> None:
    assert (completed.version.version, completed.version.reused) == (2, True)
    after = left(home, None)
    assert (after.versions, after.champion, after.leftovers) == ([2], 2, [])
    assert after.runs == ["KILLED", "FINISHED"]


def test_its_result_is_that_of_an_uninterrupted_run(home: Home, released: Released, completed: Judged) -> None:
    whole, pieced = (
        read(Registry(home.settings, dataset), judged.version.version)
        for dataset, judged in ((released.dataset, released.judged), (DATASET, completed))
    )
    assert pieced.files[CHECKPOINT] == whole.files[CHECKPOINT]
    assert pieced.metrics == whole.metrics
    assert pieced.verdict == whole.verdict
    assert pieced.items_fingerprint == whole.items_fingerprint
    evaluations = [json.loads(judged.path.read_text()) for judged in (completed, released.judged)]
    assert all(each.pop("latency") for each in evaluations)  # times of this machine
    assert evaluations[0] == evaluations[1]


def test_a_cut_off_promotion_is_refused(home: Home, completed: Judged) -> None:
    ended = home.command("promote", "1", "--dataset", DATASET)
    assert ended.code == 1
    assert "version 1 is not sealed" in ended.err


def test_ctrl_c_ends_the_command_with_one_line(home: Home, folder: Path, completed: Judged) -> None:
    before = home.champion(DATASET), home.versions(DATASET)
    script = "from orchestration.cli import main; main()"
    command = (sys.executable, "-c", script, "run", "--data", str(folder), "--seed", "5")
    with home.entered(), subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stderr is not None
        said = [line := process.stderr.readline()]
        while line and b"epoch 1" not in line:
            said.append(line := process.stderr.readline())
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (INTERRUPTED, b"")
    assert err.decode().splitlines()[-1].startswith("gatehouse: interrupted; the same command resumes")
    assert b"Traceback" not in b"".join(said) + err
    assert (home.champion(DATASET), home.versions(DATASET)) == before
    assert mlflow_runs(home, DATASET)[-1] == "KILLED"
    assert home.leftovers() == []
