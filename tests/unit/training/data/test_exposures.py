"""Impressions without an interaction: their users, their order, their time."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
import torch

from tests.unit.training.fit_world import CONFIG as FITTED
from tests.unit.training.fit_world import CUT, VALIDATION, frames
from tests.unit.training.trainer.candidates_world import built
from tests.unit.training.trainer.trainer_world import CONFIG, small_data, small_model
from training.data.exposures import impressions_not_taken
from training.data.interactions import interactions
from training.fit import fit
from training.losses import LOSSES
from training.recipes import SALES, HardNegatives, Impressions, Negatives, TrainConfig
from training.trainer import train
from training.trainer.candidates import CandidateBuilder
from training.untrained import Fitted, start_trial

UNTIL = datetime(2024, 2, 1)
SHOWN = Impressions(number=2, newest=5)
FITTED_SHOWN = replace(FITTED, negatives=Negatives(hard=Impressions(number=4, newest=20)), leave_out=SALES)


def log(rows: int, users: int, seed: int) -> pl.DataFrame:
    """Random rows around UNTIL, some known only days later."""
    rng = np.random.default_rng(seed)
    hours = pl.duration(hours=pl.Series(rng.integers(-500, 200, rows)))
    frame = pl.DataFrame(
        {
            "user_id": [f"u{n:02}" for n in rng.integers(0, users, rows)],
            "item_id": [f"i{n:02}" for n in rng.integers(0, 15, rows)],
        }
    ).with_columns(timestamp=pl.lit(UNTIL) + hours)
    late = pl.duration(days=pl.Series(rng.integers(0, 4, rows)))
    return frame.with_columns(created=pl.col("timestamp") + late).sort("timestamp", "user_id", "item_id")


def by_hand(impressions: pl.DataFrame, positives: pl.DataFrame, newest: int) -> list[list[str]]:
    """Newest distinct items of each user of the positives, row by row."""
    taken, last = set(positives.select("user_id", "item_id").rows()), defaultdict(dict)
    for user, item, timestamp, created in impressions.rows():
        if timestamp < UNTIL and created < UNTIL and (user, item) not in taken:
            last[user][item] = max(timestamp, last[user].get(item, timestamp))
    users = sorted(set(positives.drop_nulls("weight")["user_id"]))
    return [sorted(last[user], key=lambda item: (-last[user][item].timestamp(), item))[:newest] for user in users]


@pytest.mark.parametrize("seed", range(5))
def test_each_user_has_the_newest_items_shown_and_never_taken_in_the_training_part(seed: int) -> None:
    """Positives without a weight are none of retrieval, whose users count; but they were taken."""
    positives = interactions(log(60, users=12, seed=seed), UNTIL)
    out = np.random.default_rng(seed).random(positives.height) < 0.7
    positives = positives.with_columns(weight=pl.when(~pl.Series(out)).then("weight"))
    impressions = log(300, users=20, seed=100 + seed)
    corpus = pl.Series("item_id", [f"i{n:02}" for n in range(15)])
    found_UM = impressions_not_taken(impressions, positives, corpus, UNTIL, SHOWN)
    assert found_UM.shape == (positives.drop_nulls("weight")["user_id"].n_unique(), 5)
    assert [corpus[row[row >= 0]].to_list() for row in found_UM] == by_hand(impressions, positives, newest=5)
    assert ((found_UM >= 0)[:, :-1] >= (found_UM >= 0)[:, 1:]).all()


def test_answers_and_surroundings_change_no_negative() -> None:
    positives, impressions = interactions(log(60, users=12, seed=0), UNTIL), log(300, users=20, seed=1)
    corpus = pl.Series("item_id", [f"i{n:02}" for n in range(15)])
    number = pl.int_range(pl.len())
    more = impressions.with_columns(request_id=pl.format("r{}", number), position=number % 5 + 1, click=number % 2 == 0)
    more = more.with_columns(device=pl.lit("phone"), click_known="timestamp")
    found = [impressions_not_taken(each, positives, corpus, UNTIL, SHOWN) for each in (impressions, more)]
    assert np.array_equal(*found)


def test_training_without_an_impression_left_is_refused() -> None:
    positives = interactions(log(60, users=12, seed=0), UNTIL)
    corpus, late = pl.Series("item_id", [f"i{n:02}" for n in range(15)]), pl.col("timestamp") >= UNTIL
    with pytest.raises(ValueError, match=r"impressions none before 2024-02-01 .* leave hard=Impressions"):
        impressions_not_taken(log(300, users=20, seed=1).filter(late), positives, corpus, UNTIL, SHOWN)


def test_impressions_are_each_row_s_own_negatives_from_the_first_batch_on_and_never_mined() -> None:
    """A user with fewer than `number` has all of them.

    A user with none gets no gradient from them.
    """
    config = replace(CONFIG, negatives=Negatives(hard=SHOWN), strata=False)
    data = small_data(items=6)
    impression_UM = np.full((8, 5), -1)
    impression_UM[0, :3], impression_UM[1, :1] = (3, 4, 5), 2
    data = replace(data, impression_UM=impression_UM)
    model = small_model(config)
    builder = CandidateBuilder(data, config, model, seed=0)
    batch = data.batch(np.arange(6))
    assert batch.user_R.tolist() == [0, 1, 2]
    drawn = set()
    for _ in range(30):
        columns = builder.columns(batch)
        assert columns.hard_RH is not None
        own = [columns.item_C[row[row >= 0]].tolist() for row in columns.hard_RH]
        assert (len(set(own[0])), own[1], own[2]) == (2, [2], [])
        drawn |= set(own[0])
    assert drawn == {3, 4, 5}
    _, candidates = built(builder, model, batch)
    assert candidates.number == len(batch.item_C)
    LOSSES["softmax"](candidates).backward()
    assert all(torch.isfinite(weight.grad.to_dense()).all() for weight in model.parameters() if weight.grad is not None)
    train(data, model, config, seed=0, epochs=3)


def test_a_training_set_that_does_not_say_what_was_shown_is_refused() -> None:
    config = replace(CONFIG, negatives=Negatives(hard=SHOWN))
    with pytest.raises(ValueError, match="this training set has none"):
        CandidateBuilder(small_data(), config, small_model(config), seed=0)


def shown_to_all(start: datetime, days: int) -> pl.DataFrame:
    """Impressions of items of all groups to every user, once an hour, known at once."""
    tables, rng = frames()[0], np.random.default_rng(0)
    moments = [start + timedelta(hours=hour) for hour in range(24 * days)]
    times = pl.DataFrame({"timestamp": moments}, schema={"timestamp": pl.Datetime("us")})
    items = tables.items["item_id"].to_list()
    frame = tables.users.select("user_id").join(times.gather_every(12), how="cross")
    frame = frame.with_columns(pl.Series("item_id", rng.choice(items, frame.height)), created="timestamp")
    return frame.select("user_id", "item_id", "timestamp", "created")


def fitted(impressions: pl.DataFrame | None, config: TrainConfig = FITTED_SHOWN) -> Fitted:
    tables, queries, items, positives = frames()
    return fit(
        schema=tables.schema, queries=queries, item_snapshots=items, positives=positives, events=tables.events,
        validation_start=VALIDATION, cut=CUT, config=config, seed=0, on_epoch=lambda epoch, metrics: None,
        impressions=impressions,
    )  # fmt: skip


def test_the_trial_sees_no_impression_of_the_validation_window_and_the_refit_none_of_the_hold_out() -> None:
    before = shown_to_all(VALIDATION - timedelta(days=9), 9)
    window, after = shown_to_all(VALIDATION, 7), shown_to_all(CUT, 7)
    unknown = before.with_columns(created=pl.lit(CUT + timedelta(days=1), pl.Datetime("us")), item_id=pl.lit("i000"))
    alone = fitted(before)
    with_window, with_all = fitted(pl.concat([before, window])), fitted(pl.concat([before, window, after, unknown]))
    assert alone.epochs == with_window.epochs == with_all.epochs
    same = [equal(one, with_window) for one in (alone, with_all)]
    assert same == [False, True]  # the refit learns from the window, and from nothing later


def equal(one: Fitted, other: Fitted) -> bool:
    weights = other.model.state_dict()
    return all(torch.equal(weight, weights[name]) for name, weight in one.model.state_dict().items())


def test_rows_are_those_of_the_training_set_s_users_and_items() -> None:
    """A user who was shown one item only has its row and no other."""
    tables, queries, items, _ = frames()
    one = shown_to_all(VALIDATION - timedelta(days=1), 1).filter(user_id="u007").head(1)
    one = one.with_columns(item_id=pl.lit("i000"))  # of another group, so never taken
    given = tables.schema, queries, items, tables.events, VALIDATION, CUT, FITTED_SHOWN
    trial, data, _ = start_trial(*given, seed=0, impressions=one)
    assert data.impression_UM is not None
    assert len(data.impression_UM) == data.user_Q.max() + 1
    ((user, place),) = np.argwhere(data.impression_UM >= 0)
    own = trial.user_encoder.encode(queries.filter(user_id="u007"))["history_items"]
    seen = data.users(np.flatnonzero(data.user_Q == user))["history_items"]
    assert {tuple(row) for row in seen} <= {tuple(row) for row in own}
    corpus = trial.item_encoder.encode(items.filter(item_id="i000").head(1))
    assert data.corpus["item_id"][data.impression_UM[user, place]] == corpus["item_id"][0]


def test_a_recipe_without_them_does_not_read_them_and_one_with_them_needs_them() -> None:
    config = replace(FITTED, leave_out=SALES, optimisation=replace(FITTED.optimisation, epochs=1))
    assert equal(fitted(shown_to_all(VALIDATION, 7), config), fitted(None, config))
    with pytest.raises(ValueError, match="but the data have no impressions: bring a table"):
        fitted(None)
    with pytest.raises(ValueError, match="features that change with time"):
        fitted(shown_to_all(VALIDATION, 7), replace(FITTED_SHOWN, leave_out=()))


def test_mined_items_and_impressions_are_told_apart() -> None:
    """Mining leaves the first epoch without hard negatives; impressions do not."""
    data = replace(small_data(items=6), impression_UM=np.full((8, 5), 5))
    for hard, changes in ((SHOWN, False), (HardNegatives(number=1, first=1, last=2), True)):
        config = replace(CONFIG, negatives=Negatives(hard=hard))
        builder = CandidateBuilder(data, config, small_model(config), seed=0)
        assert (builder.mined_UM is None) == changes
