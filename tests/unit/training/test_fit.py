"""Training on a planted world: users retrieve the items of their group."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from feature_repo.encode import UNKNOWN
from feature_repo.schema import ENTITY_TIME
from tests.unit.training.fit_world import CONFIG, CUT, VALIDATION, fitted, frames, retrieved, shown_frames
from tests.worlds import group_of
from training.artifacts.export import export
from training.data.interactions import at
from training.fit import fit
from training.recipes import (
    RECIPES,
    SALES,
    HardNegatives,
    Mixed,
    Negatives,
    RepeatTerm,
    recipe,
)
from training.retrieval.exact import MakeSearch
from training.retrieval.rescored import rescored_search
from training.towers import embed
from training.trainer import SCORE
from training.untrained import Fitted, start_trial
from training.validation_window import with_score

HALF_LIFE = 30 * 86_400_000_000
"""Microseconds."""

REPEATING = replace(CONFIG, repeat=RepeatTerm(), leave_out=SALES)


def test_users_retrieve_the_items_of_their_group() -> None:
    users = at(frames()[1], CUT)
    hits = [
        np.mean([group_of(item) == group_of(user) for item in items])
        for user, items in zip(users["user_id"], retrieved(fitted(), users), strict=True)
    ]
    assert np.mean(hits) > 0.9  # by chance 0.25


def test_an_unknown_user_is_served_from_the_history_alone() -> None:
    known = at(frames()[1], CUT).head(20)
    stranger = known.with_columns(pl.lit("nobody").alias("user_id"))
    assert retrieved(fitted(), stranger) == retrieved(fitted(), known)


def test_an_unknown_item_is_placed_by_its_features() -> None:
    """An item without interactions lies nearer to the users of its group."""
    users, corpus = at(frames()[1], CUT), at(frames()[2], CUT, week=True)
    result = fitted()
    new = corpus.head(4).with_columns(pl.Series("item_id", [f"new{n}" for n in range(4)]))
    assert (result.item_encoder.encode(new)["item_id"] == UNKNOWN).all()
    scores = (
        embed(result.model.user, result.user_encoder.encode(users))
        @ embed(result.model.item, result.item_encoder.encode(new)).T
    )
    groups = np.array([group_of(user) for user in users["user_id"]])
    for column, kind in enumerate(new["kind"]):
        own = groups == int(kind[1:])
        # The share of (own, other) pairs of users in the right order; 0.5 by chance.
        assert (scores[own, column][:, None] > scores[~own, column]).mean() > 0.8


def test_a_seed_gives_the_same_towers_and_another_seed_others() -> None:
    again = fit_again(0)
    for name, weight in fitted().model.state_dict().items():
        assert torch.equal(weight, again.model.state_dict()[name]), name
    assert not torch.equal(fit_again(1).model.item.vectors.ids.weight, again.model.item.vectors.ids.weight)


def fit_again(seed: int) -> Fitted:
    return fitted.__wrapped__(
        seed, replace(CONFIG, optimisation=replace(CONFIG.optimisation, epochs=1)) if seed else CONFIG
    )


class CutOffError(Exception):
    pass


def test_a_fit_that_was_cut_off_goes_on_to_the_same_towers(tmp_path: Path) -> None:
    """Once in the trial, then in the training that follows it; the third call ends."""
    tables, queries, items, positives = frames()
    wanted, told = fitted(), []

    def call(*, ends_after: tuple[str, int]) -> Fitted:
        def on_epoch(epoch: int, metrics: dict[str, float]) -> None:
            told.append((epoch, metrics))
            if ends_after == ("refit" if "refit" in metrics else "trial", epoch):
                raise CutOffError

        return fit(
            schema=tables.schema, queries=queries, item_snapshots=items, positives=positives, events=tables.events,
            validation_start=VALIDATION, cut=CUT, config=CONFIG, seed=0, on_epoch=on_epoch,
            checkpoints=tmp_path / "kept",
        )  # fmt: skip

    for ends_after in (("trial", 1), ("refit", 1)):
        with pytest.raises(CutOffError):
            call(ends_after=ends_after)
        torch.rand(9)  # somebody else draws in between
        told.clear()
    result = call(ends_after=("never", 0))
    assert result.epochs == wanted.epochs
    for name, weight in wanted.model.state_dict().items():
        assert torch.equal(weight, result.model.state_dict()[name]), name
    trial = [metrics for _, metrics in told if "refit" not in metrics]
    assert trial == wanted.epochs  # who listens hears of all epochs, whoever trained them
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["refit.safetensors", "trial.safetensors"]


def test_early_stopping_weighs_discoveries_as_the_loss_does() -> None:
    metrics = {"all/recall@20": 0.3, "repeat/recall@20": 0.4, "discovery/recall@20": 0.01, "all/ndcg@20": 0.2}
    assert with_score(metrics, 1.0, 1.0)[SCORE] == pytest.approx((0.4 * 0.01) ** (1 / 2))
    assert with_score(metrics, 1.0, 3.0)[SCORE] == pytest.approx((0.4 * 0.01**3) ** (1 / 4))
    assert with_score(metrics | {"discovery/cold_users/recall@20": 1.0}, 1.0, 1.0).keys() == {SCORE, *metrics}
    assert with_score({"all/recall@20": 0.3, "all/ndcg@20": 0.2}, 0.0, 2.0)[SCORE] == pytest.approx(0.3)
    assert with_score(metrics, 0.0, 4.5)[SCORE] == pytest.approx(0.01)  # a repeat head comes after the towers


def test_nothing_after_the_validation_window_matters() -> None:
    tables, queries, items, positives = frames()
    rng = np.random.default_rng(0)
    late = pl.col("timestamp") >= CUT
    shuffled = tables.events.filter(late)["item_id"].shuffle(seed=int(rng.integers(99)))
    changed = pl.concat([tables.events.filter(~late), tables.events.filter(late).with_columns(item_id=shuffled)])
    other = fit(
        schema=tables.schema, queries=queries, item_snapshots=items, positives=positives, events=changed,
        validation_start=VALIDATION, cut=CUT, config=CONFIG, seed=0, on_epoch=lambda epoch, metrics: None,
    )  # fmt: skip
    assert other.epochs == fitted().epochs


def test_a_positive_without_its_snapshot_is_refused() -> None:
    tables, queries, items, positives = frames()
    kept = pl.col(ENTITY_TIME).is_in([VALIDATION, CUT]) | (pl.col("user_id") != "u007")
    with pytest.raises(ValueError, match="positives have no snapshot"):
        fit(
            schema=tables.schema, queries=queries.filter(kept), item_snapshots=items, positives=positives,
            events=tables.events, validation_start=VALIDATION, cut=CUT, config=CONFIG, seed=0,
            on_epoch=lambda epoch, metrics: None,
        )  # fmt: skip


def test_exported_programs_give_the_towers_embeddings_for_any_batch(tmp_path: Path) -> None:
    result, tables = fitted(), frames()[0]
    export(
        tmp_path, result.model, user_encoder=result.user_encoder, item_encoder=result.item_encoder,
        schema=tables.schema, config=CONFIG, popular=[("i001", 3)], examples=result.examples,
    )  # fmt: skip
    users = at(frames()[1], CUT)
    program = torch.export.load(tmp_path / "user_tower.pt2").module()
    for size in (1, 7, len(users)):
        arrays = result.user_encoder.encode(users.head(size))
        got = program({name: torch.from_numpy(np.array(array)) for name, array in arrays.items()})
        assert np.allclose(got.detach().numpy(), embed(result.model.user, arrays), atol=1e-5)
        assert np.allclose(np.linalg.norm(got.detach().numpy(), axis=1), 1.0, atol=1e-5)


def test_early_stopping_ranks_by_what_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a repeat head, the trial measures sums with terms for every history."""
    added = []

    def noted(*scores: Any) -> MakeSearch:
        added.append(scores[2])
        return rescored_search(*scores)

    monkeypatch.setattr("training.retrieval.model_search.rescored_search", noted)
    result = fitted(0, REPEATING)
    assert result.model.repeat is not None
    assert len(added) == len(result.epochs)  # scored once, with and without what was seen
    assert all(((each != 0).sum(axis=1) > 5).mean() > 0.9 for each in added)


def test_a_repeat_term_is_refused_where_seen_items_never_return() -> None:
    tables, queries, items, positives = frames()
    with pytest.raises(ValueError, match="seen items never return in world"):
        fit(
            schema=replace(tables.schema, seen_items_may_return=False), queries=queries, item_snapshots=items,
            positives=positives, events=tables.events, validation_start=VALIDATION, cut=CUT,
            config=REPEATING, seed=0, on_epoch=lambda epoch, metrics: None,
        )  # fmt: skip


@pytest.mark.parametrize(
    "changed",
    [
        {"repeat": RepeatTerm()},
        {"negatives": Negatives(sampler=Mixed())},
        {"negatives": Negatives(hard=HardNegatives())},
    ],
)
def test_items_as_they_are_today_are_refused_beside_items_as_they_were(changed: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="features that change with time: first_sale, popularity_28d"):
        fitted(0, replace(CONFIG, **changed))


@pytest.mark.parametrize("name", RECIPES)
def test_every_named_recipe_can_start(name: str) -> None:
    tables, queries, items, _ = shown_frames() if recipe(name).impressions else frames()
    events = tables.events if "value" in tables.events.columns else tables.events.with_columns(value=pl.lit(1.0))
    given = tables.schema, queries, items, events, VALIDATION, CUT, recipe(name)
    start_trial(*given, seed=0, impressions=tables.impressions)


def test_the_counts_of_a_history_leave_out_the_event_that_is_to_be_found() -> None:
    """A snapshot is the start of a day: counts and times are of earlier days."""
    tables, queries, _, positives = frames()
    lists = [f"history_{part}" for part in ("items", "times", "counts", "decayed")]
    stored = queries.explode(lists).drop_nulls("history_items")
    facts = positives.join(
        stored, left_on=["user_id", "query_time", "item_id"], right_on=["user_id", ENTITY_TIME, "history_items"]
    )
    events = tables.events.select("user_id", "item_id", moment="timestamp")
    before = facts.join(events, on=["user_id", "item_id"]).filter(pl.col("moment") < pl.col("query_time"))
    counts = before.group_by("user_id", "query_time", "item_id").agg(
        pl.len().alias("events"),
        pl.col("moment").max(),
        pl.first("history_counts", "history_times", "history_decayed"),
        weight=(0.5 ** ((pl.col("query_time") - pl.col("moment")).dt.total_microseconds() / HALF_LIFE)).sum(),
    )
    assert len(counts) == len(facts) > 500
    assert (counts["events"] == counts["history_counts"]).all()
    assert (counts["moment"].dt.epoch("us") == counts["history_times"]).all()
    half_lives = (counts["history_decayed"] - counts["query_time"].dt.epoch("us")) / HALF_LIFE
    assert np.allclose(2.0 ** half_lives.to_numpy(), counts["weight"], rtol=1e-6)


def test_a_diverging_run_stops_with_advice() -> None:
    with pytest.raises(FloatingPointError, match="lower the learning rates"):
        fitted(0, replace(CONFIG, optimisation=replace(CONFIG.optimisation, learning_rate=1e30)))


def test_without_patience_the_named_epochs_are_trained_without_a_trial() -> None:
    """On everything before the cut: the towers are those that a trial with the same best epoch leads to."""
    best = 1 + int(np.argmax([epoch[SCORE] for epoch in fitted().epochs]))
    config = replace(CONFIG, optimisation=replace(CONFIG.optimisation, epochs=best, patience=None))
    found = fitted(config=config)
    for name, weight in fitted().model.state_dict().items():
        assert torch.equal(found.model.state_dict()[name], weight), name
    assert [set(each) for each in found.epochs] == [{"loss", "temperature"}] * best
