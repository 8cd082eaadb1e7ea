"""Which data a replay reads: never those of another one, or of an earlier day."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import serving
from feature_repo.errors import InputError
from orchestration.cli.replay import replay
from orchestration.replay import walk as walking
from orchestration.replay.history import read_history
from orchestration.replay.plan import ReplayPlan, keep_plan
from orchestration.replay.record import FULL, Night, Records
from orchestration.workspace import Workspace
from tests.pipeline.drift_world import shop_world
from tests.pipeline.planted import write_world
from tests.worlds import START

DAYS = 5
END = START + timedelta(days=DAYS)


def write(folder: Path, days: int) -> Workspace:
    """Write the shop of some days, in place of what is there."""
    shutil.rmtree(folder, ignore_errors=True)
    write_world(folder, shop_world(drifts=False, days=days))
    return Workspace(dataset="own", data=str(folder))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("GATEHOUSE_HOME", str(tmp_path / "home"))
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield tmp_path / "home"
    # The command logs into its home, which is gone when later tests log.
    for handler in set(root.handlers) - set(handlers):
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_later_end_is_refused_where_newer_events_have_landed(tmp_path: Path) -> None:
    files, folder = tmp_path / "files", tmp_path / "history"
    workspace = write(files, DAYS)
    history = read_history(workspace, folder, END + timedelta(days=2))  # beyond all events, which is no error
    assert read_history(workspace, folder, END + timedelta(days=2)).events.equals(history.events)
    write(files, DAYS + 2)
    with pytest.raises(InputError, match=r"newest event was of .* now there are some until .* another --name"):
        read_history(workspace, folder, END + timedelta(days=2))


@pytest.mark.parametrize("until", [None, END - timedelta(days=1)])
def test_newer_events_that_no_night_needs_change_nothing(tmp_path: Path, until: datetime | None) -> None:
    files, folder = tmp_path / "files", tmp_path / "history"
    history = read_history(write(files, DAYS), folder, until)
    assert read_history(write(files, DAYS + 2), folder, until).events.equals(history.events)


def test_a_walk_asks_for_what_its_last_open_night_needs(tmp_path: Path) -> None:
    """Over, it says what it found, whatever has landed since."""
    folder = tmp_path / "replay"
    read_history(write(tmp_path / "files", DAYS), folder / "history", None)
    workspace, end = write(tmp_path / "files", DAYS + 2), END + timedelta(days=1)
    plan = ReplayPlan(start=END - timedelta(days=1), end=end, every=1, full=1, workspace={"seed": 0}, code="")
    nights = [Night(moment=moment, kind=FULL) for moment in plan.nights]
    Records(folder).write(nights[0])
    with pytest.raises(InputError, match="another --name"):
        walking.replay(plan, workspace, folder, echo=lambda _: None)
    Records(folder).write(nights[1])
    assert walking.replay(plan, workspace, folder, echo=lambda _: None) == nights


@pytest.mark.parametrize(
    ("start", "told"),
    [
        (START - timedelta(days=400), "--from is .*, and the first event is of .*: wanted a later day"),
        (END + timedelta(days=400), "--to asks for a night on .*, and the newest event is of .*: wanted an earlier"),
        (END - timedelta(days=1), "--to asks for a night on"),
    ],
)
def test_nights_outside_the_log_are_refused_before_any_training(tmp_path: Path, start: datetime, told: str) -> None:
    """And the corrected command takes the name."""
    folder, workspace = tmp_path / "replay", write(tmp_path / "files", DAYS)
    plan = ReplayPlan(start=start, end=start + timedelta(days=3), every=1, full=1, workspace={"seed": 0}, code="")
    with pytest.raises(InputError, match=told.replace(": wanted an earlier", ".*wanted an earlier")):
        walking.replay(plan, workspace, folder, echo=lambda _: None)
    assert not folder.exists()


def test_a_replay_that_went_on_beyond_the_log_keeps_what_it_has(tmp_path: Path) -> None:
    folder, workspace = tmp_path / "replay", write(tmp_path / "files", DAYS)
    read_history(workspace, folder / "history", None)
    start = END - timedelta(days=1)
    plan = ReplayPlan(start=start, end=start + timedelta(days=3), every=1, full=1, workspace={"seed": 0}, code="")
    night = Night(moment=start, kind=FULL)
    Records(folder).write(night)
    with pytest.raises(InputError, match="--to asks for a night on"):
        walking.replay(plan, workspace, folder, echo=lambda _: None)
    assert Records(folder).read(start) == night


class Walked(Exception):  # noqa: N818
    """The plan was kept."""


@pytest.fixture
def days(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Days of a command that keeps its plan alone."""

    def kept(plan: ReplayPlan, _: Workspace, folder: Path, **__: Any) -> None:
        keep_plan(plan, folder)
        raise Walked

    monkeypatch.setattr(walking, "replay", kept)
    return {"start": f"{START:%Y-%m-%d}", "end": f"{END:%Y-%m-%d}"}


def test_another_policy_is_another_replay(
    tmp_path: Path, days: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a", DAYS)
    text = (Path(serving.__file__).parent / "gate.yaml").read_text()
    policy = tmp_path / "gate.yaml"
    monkeypatch.setenv("GATEHOUSE_POLICY", str(policy))
    policy.write_text(text)
    with pytest.raises(Walked):
        replay(**days, data=tmp_path / "a")
    policy.write_text(f"{text}# another\n")
    with pytest.raises(InputError, match=r"another replay \(policy: "):
        replay(**days, data=tmp_path / "a")
    policy.write_text(text)
    monkeypatch.setenv("GATEHOUSE_FEATURES_BEHIND_DAYS", "3")
    with pytest.raises(InputError, match=r"another replay \(variables: .*FEATURES_BEHIND_DAYS"):
        replay(**days, data=tmp_path / "a")


def test_files_of_another_folder_are_another_replay(tmp_path: Path, days: dict[str, str]) -> None:
    for name in ("a", "b"):
        write(tmp_path / name, DAYS)
    for _ in range(2):
        with pytest.raises(Walked):
            replay(**days, data=tmp_path / "a")
    with pytest.raises(InputError, match=r"another replay \(data: .*a, now .*b\): give this one another --name"):
        replay(**days, data=tmp_path / "b")
