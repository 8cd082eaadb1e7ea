"""Windows of a log, checked before anything is computed: is there something to learn, and to measure?"""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from feature_repo.errors import InputError, bad_input
from feature_repo.schema import ITEM_ID, USER_ID
from feature_repo.tables.snapshots import known_before
from training.data.clicks import WITHIN
from training.data.split import Split


def check_windows(events: pl.DataFrame, split: Split, *, seen_may_return: bool, trial: bool) -> None:
    """Refuse a log that would fail after its features or its training.

    Args:
        events: canonical events.
        split: windows of the log.
        seen_may_return: whether an item that a user had counts as relevant.
        trial: whether the training is measured on the validation window.

    Raises:
        InputError: no event is known when the training begins, or a window has no item
            that counts.
    """
    start = split.validation_start if trial else split.cut
    if known_before(events, start).is_empty():
        problem = f"no event was known before {start}, so that nothing can be learned: each became known later"
        todo = "leave `created` out if it is the time of the export"
        raise bad_input("events", "created", f"{problem}; {todo}", events.height, events["created"].unique())
    windows = {"hold-out": (split.cut, split.end)} | (
        {"validation window": (split.validation_start, split.cut)} if trial else {}
    )
    for name, (first, end) in windows.items():
        _check_relevant(events, first, end, f"the {name} from {first} to {end}", seen_may_return)


def check_shown(impressions: pl.DataFrame, split: Split, *, trial: bool) -> None:
    """Refuse impressions of which a training knows none yet, as after the first days of a log.

    Where the data do not say whether an impression was clicked, it is known a day later.

    Args:
        impressions: canonical impressions.
        split: windows of the log.
        trial: whether the training is measured on the validation window.

    Raises:
        InputError: there is none, or none was known when the shortest training ends.
    """
    if impressions.is_empty():
        raise InputError(
            "the recipe learns from impressions, and their table has no row: bring impressions, or choose a recipe "
            "without them"
        )
    end = split.validation_start if trial else split.cut
    said = pl.col("click").is_not_null() if "click" in impressions.columns else pl.lit(False)
    known = impressions.with_columns(
        known=pl.max_horizontal(pl.when(said).then("timestamp").otherwise(pl.col("timestamp") + WITHIN), "created")
    )
    first = known.select("known").min().item()
    if first < end:
        return
    days = -((end - split.end) // timedelta(days=1))
    before = "validation window" if trial else "hold-out"
    keys = "`validation` or `holdout`" if trial else "`holdout`"
    raise InputError(
        f"the recipe learns from impressions, and none of {impressions.height:,} was known before the {before}, which "
        f"begins at {end}: the first became known at {first}. Run again when the events reach {days} days beyond it, "
        f"write a shorter {keys} into gatehouse.yaml, or choose a recipe without impressions until then"
    )


def _check_relevant(events: pl.DataFrame, start: datetime, end: datetime, where: str, seen_may_return: bool) -> None:
    """Refuse a window in which no user takes an item that counts.

    Args:
        events: canonical events.
        start: start of the window.
        end: its end.
        where: the window in words.
        seen_may_return: whether an item that a user had counts.

    Raises:
        InputError: there is none.
    """
    inside = events.filter((pl.col("timestamp") >= start) & (pl.col("timestamp") < end))
    if inside.is_empty():
        todo = "a longer `holdout:` or `validation:`, or a log with events on more days, is needed"
        problem = f"{where} has no event, so that nothing can be measured; {todo}"
        raise bad_input("events", "timestamp", problem, events.height, events["timestamp"].tail(1))
    if seen_may_return:
        return
    had = known_before(events, start).select(USER_ID, ITEM_ID)
    if inside.join(had, on=[USER_ID, ITEM_ID], how="anti").is_empty():
        problem = f"in {where}, users take only items that they had before, and seen items never return"
        todo = "write seen_items_may_return: true or a longer `holdout:`, or bring a log with new items"
        raise bad_input("events", ITEM_ID, f"{problem}; {todo}", inside.height, inside[ITEM_ID].unique())
