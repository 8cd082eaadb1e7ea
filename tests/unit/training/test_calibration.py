"""The item prior in planted worlds: fashion alone, taste alone, and what is served of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from feature_repo.datasets.canonical import Tables
from feature_repo.encode import UNKNOWN
from feature_repo.schema import Entity
from serving.model.bundle import ModelBundle
from tests.unit.training.fit_world import CONFIG, CUT, VALIDATION, joined
from tests.worlds import START, taste_groups
from training.artifacts.export import export
from training.artifacts.load import read_release
from training.baselines.log import Log
from training.baselines.popular import recent_popularity
from training.calibration import PRIOR
from training.data.interactions import at, interactions, item_rows, query_rows
from training.data.popularity import popular_items
from training.evaluation.evaluate import evaluate
from training.evaluation.holdout import Holdout, temporal_holdout
from training.fit import fit
from training.recipes import SALES, RepeatTerm, TrainConfig
from training.retrieval.exact import exact_search, score_search
from training.strangers import items_for_strangers
from training.towers import embed
from training.untrained import Fitted
from training.update import extended, fit_update, grown

pytestmark = pytest.mark.usefixtures("one_thread")
SHORT = replace(CONFIG, leave_out=SALES, optimisation=replace(CONFIG.optimisation, epochs=2))
LATER = CUT + timedelta(days=6)


def fashion(seed: int = 0) -> Tables:
    """Item n appears on day n - 5 and is taken less from day to day; nobody has a taste."""
    world = taste_groups(seed=seed, informative=False)
    rng = np.random.default_rng(seed)
    day = ((world.events["timestamp"] - START) / timedelta(days=1)).to_numpy()
    age = rng.exponential(4.0, len(day))
    item = np.clip(np.floor(day - age) + 5, 0, 79).astype(int)
    events = world.events.with_columns(item_id=pl.Series([f"i{n:03}" for n in item])).unique(
        ["user_id", "item_id"], keep="first", maintain_order=True
    )
    return replace(world, events=events, schema=replace(world.schema, seen_items_may_return=False))


def frames(tables: Tables) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    positives = interactions(tables.events, CUT)
    queries = joined(tables, Entity.USER, query_rows(positives, tables.users["user_id"], (VALIDATION, CUT)))
    items = joined(tables, Entity.ITEM, item_rows(positives, tables.items["item_id"], (VALIDATION, CUT)))
    return queries, items, positives


def trained(tables: Tables, config: TrainConfig = SHORT, *, choice_seconds: float = 1e-9) -> Fitted:
    """A budget that is over after the base: of all switches the prior alone is tried."""
    queries, items, positives = frames(tables)
    return fit(
        schema=tables.schema, queries=queries, item_snapshots=items, positives=positives, events=tables.events,
        validation_start=VALIDATION, cut=CUT, config=config, seed=0, on_epoch=lambda epoch, metrics: None,
        choice_seconds=choice_seconds,
    )  # fmt: skip


@cache
def fashionable() -> tuple[Tables, Fitted]:
    tables = fashion()
    return tables, trained(tables)


def window(tables: Tables, queries: pl.DataFrame, corpus: pl.DataFrame) -> Holdout:
    users = at(queries, CUT)["user_id"]
    returning = tables.schema.seen_items_may_return
    return temporal_holdout(tables.events, users, corpus["item_id"], CUT, LATER, returning)


def test_where_fashion_is_all_the_prior_reaches_recent_popularity() -> None:
    tables, result = fashionable()
    assert result.config.prior and result.tried[-1].name == PRIOR and result.tried[-1].taken
    queries, items, _ = frames(tables)
    users, corpus = at(queries, CUT), at(items, CUT, week=True)
    holdout = window(tables, queries, corpus)
    asked = result.user_encoder.encode(users[holdout.users_Q])
    item_ND = embed(result.model.item, result.item_encoder.encode(corpus))
    search = exact_search(embed(result.model.user, asked), item_ND)
    log = Log.before(tables.events, users["user_id"], corpus["item_id"], CUT)
    # The window that is best here, as nobody knows it beforehand; the usual 28 days are worse.
    recent = {days: score_search(recent_popularity(log, days=days)) for days in (3.0, 5.0, 7.0, 28.0)}
    recall = {
        name: evaluate(each, holdout, ks=(10,), seed=0).metrics["all/recall@10"]
        for name, each in ({0.0: search} | recent).items()
    }
    assert recall.pop(0.0) >= max(recall.values()) > 0.3, recall


def test_where_taste_is_all_the_prior_is_left_out() -> None:
    result = trained(taste_groups())
    assert (result.tried[-1].name, result.tried[-1].taken, result.config.prior) == (PRIOR, False, False)
    assert result.tried[-1].gain == pytest.approx(0.0, abs=0.02)
    forced = trained(taste_groups(), replace(SHORT, prior=True), choice_seconds=0.0)
    _, items, _ = frames(taste_groups())
    item_ND = embed(forced.model.item, forced.item_encoder.encode(at(items, CUT, week=True)))
    # The towers' scores range over 2: what the prior adds hardly moves an item.
    assert item_ND[:, -1].std() < 0.05


def test_what_is_served_is_the_towers_score_and_the_term(tmp_path: Path) -> None:
    tables, result = fashionable()
    queries, items, _ = frames(tables)
    users, corpus = at(queries, CUT).head(20), at(items, CUT, week=True)
    arrays = result.user_encoder.encode(users), result.item_encoder.encode(corpus)
    user_QD, item_ND = embed(result.model.user, arrays[0]), embed(result.model.item, arrays[1])
    dim = result.config.dim
    assert (user_QD[:, dim] == 1).all() and user_QD.shape[1] == item_ND.shape[1] == dim + 1
    np.testing.assert_allclose(np.linalg.norm(item_ND[:, :dim], axis=1), 1, atol=1e-5)
    export(
        tmp_path, result.model, user_encoder=result.user_encoder, item_encoder=result.item_encoder,
        schema=tables.schema, config=result.config, popular=[], examples=result.examples,
    )  # fmt: skip
    served = ModelBundle.from_folder(tmp_path)
    scores_QN = served.user.embed(users) @ served.item.embed(corpus).T
    wanted_QN = user_QD[:, :dim] @ item_ND[:, :dim].T + item_ND[:, dim]
    np.testing.assert_allclose(scores_QN, wanted_QN, atol=1e-5)
    again = read_release(tmp_path).model
    np.testing.assert_array_equal(embed(again.item, arrays[1]), item_ND)


def test_strangers_get_the_items_by_their_term_and_new_ones_as_unknown_ones() -> None:
    """In this world the term is all there is to know: strangers are served as well as anybody."""
    tables, result = fashionable()
    corpus = at(frames(tables)[1], CUT, week=True)
    item_ND = embed(result.model.item, result.item_encoder.encode(corpus))
    term = dict(zip(corpus["item_id"], item_ND[:, -1].tolist(), strict=True))
    ids = pl.Series([*corpus["item_id"].sample(fraction=1.0, shuffle=True, seed=1), "never seen"])
    listed = items_for_strangers(result.model, result.item_encoder, ids, tables.events)
    assert {item: score for item, score in listed if item in term} == pytest.approx(term)
    scores = [score for _, score in listed]
    assert scores == sorted(scores, reverse=True) and len(listed) == len(ids)
    unknown = float(result.model.item.prior.get_buffer("term_V1")[UNKNOWN])
    assert dict(listed)["never seen"] == pytest.approx(unknown)
    assert items_for_strangers(result.model, result.item_encoder, ids, tables.events, number=3) == listed[:3]


def test_without_a_prior_strangers_get_popular_items() -> None:
    tables, result = fashionable()
    plain = trained(tables, replace(SHORT, prior=False), choice_seconds=0.0)
    ids = pl.Series(result.item_encoder.vocabularies["item_id"])
    listed = items_for_strangers(plain.model, plain.item_encoder, ids, tables.events, number=7)
    assert listed == popular_items(tables.events, ids, number=7)


def test_an_update_trains_new_items_beside_the_term_of_an_unknown_one(tmp_path: Path) -> None:
    tables, result = fashionable()
    export(
        tmp_path, result.model, user_encoder=result.user_encoder, item_encoder=result.item_encoder,
        schema=tables.schema, config=result.config, popular=[], examples=result.examples,
    )  # fmt: skip
    released = read_release(tmp_path)
    encoders = extended(released, items=["new"])
    corpus = encoders[1].encode(at(frames(tables)[1], CUT, week=True))
    term_V1 = grown(released, corpus, *encoders).item.prior.get_buffer("term_V1")
    assert term_V1[-1] == term_V1[UNKNOWN] != 0


def test_an_update_brings_the_prior_to_its_own_moment_without_training_it(tmp_path: Path) -> None:
    tables, result = fashionable()
    export(
        tmp_path, result.model, user_encoder=result.user_encoder, item_encoder=result.item_encoder,
        schema=tables.schema, config=result.config, popular=[], examples=result.examples,
    )  # fmt: skip
    moments = VALIDATION, CUT, LATER
    positives = interactions(tables.events, LATER)
    queries, items = (
        joined_at(tables, entity, rows(positives, ids, moments), moments)
        for entity, rows, ids in (
            (Entity.USER, query_rows, tables.users["user_id"]), (Entity.ITEM, item_rows, tables.items["item_id"]),
        )
    )  # fmt: skip
    updated = fit_update(
        tmp_path, queries=queries, item_snapshots=items, positives=positives, events=tables.events, since=CUT,
        cut=LATER, seed=0, on_epoch=lambda epoch, metrics: None, granularity="day",
    )  # fmt: skip
    weights = [each.model.item.prior.get_buffer("weight_F") for each in (result, updated)]
    assert (weights[0] == weights[1]).all() and weights[0].any()
    corpus = at(items, LATER, week=True)
    now = embed(updated.model.item, updated.item_encoder.encode(corpus))[:, -1]
    newest = [f"i{n:03}" for n in range(60, 68)]  # day 63 is the moment
    mask = corpus["item_id"].is_in(newest).to_numpy()
    assert now[mask].min() > np.quantile(now[~mask], 0.8)


def joined_at(tables: Tables, entity: Entity, rows: pl.DataFrame, moments: tuple) -> pl.DataFrame:
    from feature_repo.schema import ENTITY_TIME
    from feature_repo.tables.build import feature_tables
    from feature_repo.tables.join import join_as_of

    return join_as_of(rows, feature_tables(tables, entity, moments), entity).sort(entity.key, ENTITY_TIME)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"repeat": RepeatTerm()}, "repeat"),
        ({"prefixes": (8,)}, "prefixes"),
        ({"optimisation": replace(SHORT.optimisation, patience=None)}, "patience"),
    ],
)
def test_a_prior_refuses_what_it_cannot_stand_beside(options: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        replace(SHORT, prior=True, **options)  # type: ignore[arg-type]
