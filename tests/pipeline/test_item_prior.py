"""A version with an item prior on its whole way: trained, stored, judged, promoted, served, verified, and updated."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file

from feature_repo.schema import Entity
from orchestration.asset_files import read_tables
from orchestration.asset_values import Judged
from serving.open import open_retriever
from serving.registry import Registry
from tests.pipeline.planted import Home, leaning, write_world
from tests.worlds import START, taste_groups
from training.data.item_facts import item_facts
from training.recipes.serialization import from_json

DATASET = "leaning"
THEN = START + timedelta(days=70)
FASHION = "i003"
"""Item that everybody takes after the first log ends."""


@pytest.fixture(scope="module")
def home(home: Home) -> Home:
    return home.light()


def folder(home: Home, days: int) -> Path:
    tables = taste_groups(items=160, days=100, dataset=DATASET)
    moment = pl.col("timestamp")
    in_fashion = (moment > THEN) & (moment.dt.hour() < 8)
    events = tables.events.with_columns(
        item_id=pl.when(in_fashion).then(pl.lit(FASHION)).otherwise("item_id")
    ).filter(moment < START + timedelta(days=days))  # fmt: skip
    return write_world(home.root / f"{DATASET}_{days}", tables.__class__(**{**vars(tables), "events": events}))


@pytest.fixture(scope="module")
def judged(home: Home) -> Judged:
    return home.run(folder(home, 70), recipe="leaning")


def coordinate(home: Home, judged: Judged) -> dict[str, float]:
    """Last coordinate of each item's stored vector."""
    items = home.embeddings(judged)
    assert items["embedding"].to_numpy().shape[1] == leaning().dim + 1
    return dict(zip(items["item_id"], items["embedding"].to_numpy()[:, -1].tolist(), strict=True))


def test_the_release_serves_the_scores_with_the_prior(home: Home, judged: Judged) -> None:
    assert home.champion(DATASET) == 1
    assert from_json((Registry(home.settings, DATASET).download(1) / "recipe.json").read_text()) == leaning()
    with open_retriever(home.settings, DATASET) as retriever:
        answer = retriever.recommend("u001", 160)
        users = retriever._store.read_online(Entity.USER, ["u001"])
        user_D = retriever.release.embed_users(users)[0]
    items = home.embeddings(judged)
    score_N = items["embedding"].to_numpy() @ user_D
    assert user_D[-1] == 1 and np.ptp(score_N) > 0.1
    wanted = dict(zip(items["item_id"], score_N.tolist(), strict=True))
    assert {each.item_id: each.score for each in answer.items} == pytest.approx(wanted, abs=1e-4)


def test_a_stranger_gets_the_items_by_their_prior(home: Home, judged: Judged) -> None:
    with open_retriever(home.settings, DATASET) as retriever:
        answer = retriever.recommend("nobody", 160)
    assert answer.source == "popular"
    assert {each.item_id: each.score for each in answer.items} == pytest.approx(coordinate(home, judged), abs=1e-6)
    scores = [each.score for each in answer.items]
    assert scores == sorted(scores, reverse=True)


def test_verify_finds_nothing_wrong(home: Home, judged: Judged) -> None:
    ended = home.command("verify", "1", "--dataset", DATASET)
    assert (ended.code, ended.err) == (0, ""), ended.out


def test_an_update_brings_the_prior_to_its_day_by_the_same_weights(home: Home, judged: Judged) -> None:
    policy = {"regression": {"metrics": ["all/recall@20"], "max_drop": 0.99}, "margins": []}
    again = home.run(folder(home, 100), recipe="leaning", policy=policy, update="champion")
    registry = Registry(home.settings, DATASET)
    before, after = (load_file(registry.download(n) / "checkpoint.safetensors") for n in (1, 2))
    np.testing.assert_array_equal(before["item.prior.weight_F"], after["item.prior.weight_F"])
    for version in (judged, again):
        source = version.version.source
        events, found = read_tables(source).events, coordinate(home, version)
        facts_NF, _ = item_facts(events, pl.Series(list(found)), source.cut)
        np.testing.assert_allclose(list(found.values()), facts_NF @ after["item.prior.weight_F"], atol=1e-4)
    assert coordinate(home, again)[FASHION] != pytest.approx(coordinate(home, judged)[FASHION], abs=1e-3)
