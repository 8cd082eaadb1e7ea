"""A run whose process is killed in the middle of a training; the next one goes on from the last finished epoch."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orchestration.asset_values import Judged
from serving.registry import Registry, Run
from serving.release.manifest import read
from tests.pipeline.conftest import Released
from tests.pipeline.planted import Home, world, write_world
from training.trainer.state import TrainState

DATASET = "killed"
SCRIPT = """
import os, signal
import torch
from orchestration import cli
from serving.registry import Run
from tests.pipeline.planted import quick
from training.recipes import RECIPES

RECIPES["quick"] = quick
noted = Run.log_epoch

def killed(run, metrics, epoch):
    noted(run, metrics, epoch)
    if epoch == 2:
        os.kill(os.getpid(), signal.SIGKILL)

Run.log_epoch = killed
torch.set_num_threads(1)
cli.main()
"""


@dataclass(frozen=True, kw_only=True)
class Resumed:
    """before: files that other killed runs of the home left. checkpoints: what this one left. trained: numbers of the
    epochs that were trained afterwards; told: of those that the record heard of, and whether they belong to the
    training after the trial."""

    before: set[Path]
    checkpoints: list[str]
    trained: list[int]
    told: list[tuple[int, bool]]
    judged: Judged


def checkpoints(home: Home) -> set[Path]:
    return set(home.settings.home.rglob("checkpoints_*/*"))


@pytest.fixture(scope="module")
def home(home: Home) -> Home:
    return home.light()


@pytest.fixture(scope="module")
def resumed(home: Home, released: Released) -> Resumed:
    folder, before = write_world(home.root / DATASET, world(DATASET)), checkpoints(home)
    command = (sys.executable, "-c", SCRIPT, "run", "--data", str(folder), "--recipe", "quick")
    with home.entered():
        done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == -signal.SIGKILL, done.stderr
    left = sorted(path.name for path in checkpoints(home) - before)
    with pytest.MonkeyPatch.context() as patch:
        trained, told = noted_epochs(patch)
        judged = home.run(folder)
    return Resumed(before=before, checkpoints=left, trained=trained, told=told, judged=judged)


def noted_epochs(patch: pytest.MonkeyPatch) -> tuple[list[int], list[tuple[int, bool]]]:
    trained: list[int] = []
    told: list[tuple[int, bool]] = []
    epoch, log_epoch = TrainState.epoch, Run.log_epoch

    def train(run: TrainState) -> float:
        trained.append(len(run.history) + 1)
        return epoch(run)

    def tell(run: Run, metrics: dict[str, Any], number: int) -> None:
        told.append((number, "validation/refit" in metrics))
        log_epoch(run, metrics, number)

    patch.setattr(TrainState, "epoch", train)
    patch.setattr(Run, "log_epoch", tell)
    return trained, told


def test_no_epoch_is_trained_twice_and_none_is_missing_in_the_record(resumed: Resumed) -> None:
    assert resumed.checkpoints == ["trial.safetensors"]
    assert resumed.trained[0] == 3
    assert [epoch for epoch, refit in resumed.told if not refit] == [1, 2, 3]


def test_its_version_is_that_of_a_run_that_nobody_killed(home: Home, released: Released, resumed: Resumed) -> None:
    whole, pieced = (
        read(Registry(home.settings, dataset), judged.version.version)
        for dataset, judged in ((released.dataset, released.judged), (DATASET, resumed.judged))
    )
    assert pieced.files["checkpoint.safetensors"] == whole.files["checkpoint.safetensors"]
    assert pieced.metrics == whole.metrics
    assert home.versions(DATASET) == [pieced.version]


def test_the_checkpoints_are_gone_when_the_version_is_there(home: Home, resumed: Resumed) -> None:
    assert checkpoints(home) == resumed.before
    folders = set(home.settings.home.rglob("checkpoints_*"))
    assert folders == {path.parent for path in resumed.before}
    assert home.leftovers() == []
