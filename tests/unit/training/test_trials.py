"""The choice of a recipe as a part of a fit: timed, resumable, blind to what comes after the cut."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.unit.training.fit_world import CONFIG, CUT, VALIDATION, frames
from training.artifacts.choice import asked_recipe, read_choice, stored_recipe, write_choice
from training.fit import Fitted, fit
from training.recipes import SALES
from training.recipes.choice import BASE
from training.recipes.serialization import to_json

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
        chosen(3.0, checkpoints=tmp_path, on_epoch=interrupted)
    told: list[dict[str, float]] = []
    result = chosen(3.0, checkpoints=tmp_path, on_epoch=lambda epoch, metrics: told.append(metrics))
    assert [(each.name, each.seconds) for each in result.tried] == [
        (BASE, 1.0), ("statistics", 1.0), ("no history", 1.0), ("user id", 0.0), ("whole corpus", 0.0),
    ]  # fmt: skip
    assert [each.score is None for each in result.tried] == [False] * 3 + [True] * 2
    assert "validation" not in told[0] and [set(each) for each in told[1:3]] == [
        {"statistics/score"}, {"no history/score"},
    ]  # fmt: skip


def test_the_choice_reads_nothing_after_the_cut_and_decides_the_recipe() -> None:
    events = frames()[0].events
    first, blind = (chosen(2.0, each) for each in (events, events.filter(pl.col("timestamp") < CUT)))
    assert blind.tried == first.tried and blind.epochs == first.epochs
    taken = [each.name for each in first.tried if each.taken]
    assert (first.config == SHORT) == (taken == [BASE])
    assert first.epochs[0]["score"] == max(each.score for each in first.tried if each.name == taken[-1])


def test_a_release_keeps_what_was_asked_beside_what_was_chosen(tmp_path: Path) -> None:
    result = chosen(1.0)
    (tmp_path / "recipe.json").write_text(to_json(CONFIG))
    assert asked_recipe(tmp_path) == CONFIG and read_choice(tmp_path) == ()
    write_choice(tmp_path, SHORT, result.tried)
    assert (asked_recipe(tmp_path), stored_recipe(tmp_path)) == (SHORT, CONFIG)
    assert read_choice(tmp_path) == result.tried
