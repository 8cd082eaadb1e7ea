"""The choice of a recipe as a part of a fit: timed, resumable, blind to what comes after the cut."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.unit.training.fit_world import CONFIG, CUT, VALIDATION, frames
from training.artifacts.choice import asked_recipe, read_choice, stored_recipe, write_choice
from training.calibration import PRIOR
from training.fit import fit
from training.recipes import SALES
from training.recipes.choice import BASE, Tried, choice_lines, choose
from training.recipes.serialization import to_json
from training.trials import Trials
from training.untrained import Fitted

SHORT = replace(CONFIG, leave_out=SALES, optimisation=replace(CONFIG.optimisation, epochs=1))
"""One epoch a trial: two readings of the clock, and one second by `ticking`."""


def ticking() -> Callable[[], float]:
    """A clock that is a second later each time it is read."""
    seconds = count()
    return lambda: float(next(seconds))


def chosen(seconds: float, events: pl.DataFrame | None = None, **options: Any) -> Fitted:
    tables, queries, items, positives = frames()
    given = {"on_epoch": lambda epoch, metrics: None} | options
    return fit(
        schema=tables.schema, queries=queries, item_snapshots=items, positives=positives,
        events=tables.events if events is None else events, validation_start=VALIDATION, cut=CUT, config=SHORT, seed=0,
        choice_seconds=seconds, clock=ticking(), **given,
    )  # fmt: skip


def test_a_choice_ends_at_its_budget_and_resumes_where_it_was(tmp_path: Path) -> None:
    """The clock starts anew in the second process: what the first one spent counts all the same."""

    def interrupted(epoch: int, metrics: dict[str, float]) -> None:
        if "no history/score" in metrics:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        chosen(5.0, checkpoints=tmp_path, on_epoch=interrupted)
    told: list[dict[str, float]] = []
    result = chosen(5.0, checkpoints=tmp_path, on_epoch=lambda epoch, metrics: told.append(metrics))
    assert [(each.name, each.seconds) for each in result.tried] == [
        (BASE, 1.0), ("statistics", 1.0), ("no history", 1.0), ("user id", 0.0), ("whole corpus", 0.0),
        ("item prior", 1.0),
    ]  # fmt: skip
    assert [each.score is None for each in result.tried] == [False] * 3 + [True] * 2 + [False]
    assert "validation" not in told[0] and [set(each) for each in told[1:3]] == [
        {"statistics/score"}, {"no history/score"},
    ]  # fmt: skip


def test_a_trial_ends_where_it_is_behind_or_out_of_time() -> None:
    """Behind: not above the best trial so far at the same epoch, from the third on."""
    curves = {
        BASE: [0.1, 0.3, 0.4, 0.5, 0.2], "late": [0.5, 0.2, 0.1, 0.6], "slow": [0.2, 0.3, 0.5, 0.9],
        "leads": [0.1, 0.2, 0.7, 0.1],
    }  # fmt: skip
    files = []

    def run(data: Any, name: Any, *, config: Any, validate: Any, on_epoch: Any, checkpoint: Any) -> None:
        files.append(checkpoint)
        for epoch, score in enumerate(curves[config], 1):
            on_epoch(epoch, validate(None) | {"score": score})

    start: Any = lambda config: (None, None, lambda towers: {})  # noqa: E731
    trials = Trials(start, run, on_epoch=lambda *_: None, folder=Path("kept"), clock=ticking())  # type: ignore[arg-type]

    def tried(name: Any, seconds: float = 99.0) -> tuple[float, int, float]:
        found = trials(name, name, seconds)
        return found.score, found.epochs, found.seconds

    assert tried(BASE, math.inf) == (0.5, 5, 5.0)
    assert tried("late") == (0.6, 4, 4.0)  # ahead at the third epoch by its first
    assert tried("slow") == (0.5, 3, 3.0)  # level with `late` there, and never seen to overtake it
    assert tried("leads") == (0.7, 4, 4.0)
    assert tried("leads", 2.0) == (0.2, 2, 2.0)
    assert files[:2] == [Path("kept/trial.safetensors"), Path("kept/trial_late.safetensors")]


def test_the_choice_reads_nothing_after_the_cut_and_decides_the_recipe() -> None:
    events = frames()[0].events
    first, blind = (chosen(4.0, each) for each in (events, events.filter(pl.col("timestamp") < CUT)))
    assert blind.tried == first.tried and blind.epochs == first.epochs
    taken = [each.name for each in first.tried if each.taken and each.name != PRIOR]
    assert (replace(first.config, prior=False) == SHORT) == (taken == [BASE])
    assert first.epochs[0]["score"] == max(each.score for each in first.tried if each.name == taken[-1])


def test_a_release_keeps_what_was_asked_beside_what_was_chosen(tmp_path: Path) -> None:
    result = chosen(1.0)
    (tmp_path / "recipe.json").write_text(to_json(CONFIG))
    assert asked_recipe(tmp_path) == CONFIG and read_choice(tmp_path) == ()
    write_choice(tmp_path, SHORT, result.tried)
    assert (asked_recipe(tmp_path), stored_recipe(tmp_path)) == (SHORT, CONFIG)
    assert read_choice(tmp_path) == result.tried


def test_a_trial_that_diverges_is_left_out_and_the_choice_goes_on() -> None:
    def run(data: Any, name: Any, *, config: Any, on_epoch: Any, **given: Any) -> None:
        on_epoch(1, given["validate"](None) | {"score": 0.5})
        if config.tower.user_id or config is BROKEN:
            raise FloatingPointError("the loss is inf: lower the learning rates")

    def tried(base: Any) -> tuple[Tried, ...]:
        start: Any = lambda config: (None, config, lambda towers: {})  # noqa: E731
        trials = Trials(start, run, on_epoch=lambda *_: None, folder=None, clock=ticking())  # type: ignore[arg-type]
        return choose(base, trials, items=10_000, seconds=99.0)[1]

    BROKEN = replace(SHORT, dim=3)
    told = {each.name: each for each in tried(SHORT)}
    assert list(told) == [BASE, "statistics", "no history", "user id"]
    assert told["user id"].problem and (told["user id"].taken, told["user id"].seconds) == (False, 2.0)
    assert "user id: left out, the trial failed: the loss is inf" in "\n".join(choice_lines(tuple(told.values())))
    with pytest.raises(FloatingPointError, match="the loss is inf"):
        tried(BROKEN)
