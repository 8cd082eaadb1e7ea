"""Windows of a hold-out, beside plain loops over its events."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from training.evaluation.evaluate import evaluate_systems
from training.evaluation.holdout import temporal_holdout
from training.evaluation.slices import FieldSlices
from training.evaluation.windows import windows_of
from training.retrieval.exact import score_search

START, DAYS = datetime(2024, 3, 1), 9
END = START + timedelta(days=DAYS)
USERS, ITEMS = pl.Series([f"u{n}" for n in range(40)]), pl.Series([f"i{n}" for n in range(30)])


def drawn() -> pl.DataFrame:
    """Events from before to after the hold-out, one at its start and one at its end."""
    rng = np.random.default_rng(0)
    minutes = np.append(rng.integers(-5 * 1440, (DAYS + 2) * 1440, 900), [0, DAYS * 1440])
    return pl.DataFrame(
        {
            "user_id": USERS.gather(rng.integers(0, 30, 902)),
            "item_id": ITEMS.gather(rng.integers(0, 30, 902)),
            "timestamp": pl.Series([START + timedelta(minutes=int(n)) for n in minutes]).cast(pl.Datetime("us")),
        }
    ).with_columns(created=pl.col("timestamp"))


@pytest.mark.parametrize("may_return", [True, False])
def test_a_window_is_judged_by_what_was_taken_in_it(may_return: bool) -> None:
    events = drawn()
    holdout = temporal_holdout(events, USERS, ITEMS, START, END, may_return)
    asked = USERS.gather(holdout.users_Q)
    windows = windows_of(events, asked, ITEMS, START, END, 3)
    scores = np.random.default_rng(1).random((len(asked), len(ITEMS))).astype(np.float32)
    search = score_search(lambda rows: scores[rows].copy())
    systems = evaluate_systems(
        [("own", search), ("other", search)],
        holdout,
        corpora={"w": None},
        ks=(5,),
        seed=0,
        reference="own",
        slices=FieldSlices(windows=windows),
    )["w"]
    lists = search(exclude=None if may_return else holdout.seen)(np.arange(len(asked)), 5)
    seen = holdout.seen.toarray().astype(bool)
    for n in range(3):
        first, last = (START + timedelta(days=3 * each) for each in (n, n + 1))
        part = events.filter((pl.col("timestamp") >= first) & (pl.col("timestamp") < last))
        recalls = []
        for row, user in enumerate(asked):
            items = {int(each[1:]) for each in part.filter(user_id=user)["item_id"]}
            items -= set() if may_return else set(np.flatnonzero(seen[row]).tolist())
            recalls += [len(items & set(lists[row].tolist())) / len(items)] if items else []
        each = systems["other"].comparisons[f"all/window_{n + 1}_of_3/recall@5"]
        assert (each.users, each.value) == (len(recalls), pytest.approx(np.mean(recalls)))
        assert f"all/window_{n + 1}_of_3/recall@5" not in systems["own"].metrics
    whole = sum(each.toarray().astype(int) for each in windows) > 0
    assert (whole == holdout.relevant.toarray().astype(bool)).all()


def test_without_windows_there_are_none() -> None:
    assert windows_of(drawn(), USERS, ITEMS, START, END, 0) == ()
