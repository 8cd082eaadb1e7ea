"""A version with a re-scorer on its whole way: trained, judged, promoted, served, and judged again as champion."""

from __future__ import annotations

import json

import numpy as np
import pytest

from feature_repo.encode import RESERVED
from orchestration.asset_values import Judged
from orchestration.evaluated import CHAMPION, TWO_TOWER, Evaluated
from orchestration.served_search import served_search
from serving.open import open_retriever
from serving.registry import Registry
from serving.release.manifest import read
from tests.pipeline.planted import Home, repeating, world, write_world
from training.recipes.serialization import from_json
from training.retrieval.exact import exact_search

DATASET = "again"


@pytest.fixture(scope="module")
def home(home: Home) -> Home:
    return home.light()


@pytest.fixture(scope="module")
def judged(home: Home) -> Judged:
    return home.run(write_world(home.root / DATASET, world(DATASET)), recipe="repeating")


def test_the_release_holds_the_rescorer_and_its_recipe(home: Home, judged: Judged) -> None:
    registry = Registry(home.settings, DATASET)
    assert home.champion(DATASET) == 1
    assert "rescorer.pt2" in read(registry, 1).files
    assert from_json((registry.download(1) / "recipe.json").read_text()) == repeating()


def test_answers_merge_the_index_and_the_rescored_history(home: Home, judged: Judged) -> None:
    with open_retriever(home.settings, DATASET) as retriever:
        answer = retriever.recommend("u001", 200)
        users = retriever._store.read_online(retriever.release.schema.views[0].entity, ["u001"])
        release = retriever.release
    assert release.rescorer is not None
    user_QD, items = release.embed_users(users), home.embeddings(judged)
    vectors = dict(zip(items["item_id"], items["embedding"].to_numpy(), strict=True))
    encoder, name = release.towers.user.encoder, release.rescorer.history
    arrays = encoder.encode(users)
    history = [encoder.vocabularies[name][code - RESERVED] for code in arrays[f"{name}_items"][0] if code >= RESERVED]
    vectors_QLD = np.zeros((1, *arrays[f"{name}_items"].shape[1:], user_QD.shape[1]), np.float32)
    vectors_QLD[0, : len(history)] = [vectors[id_] for id_ in history]
    score_L = release.rescorer.of_histories(arrays, user_QD, vectors_QLD)[0]
    anew = dict(zip(history, score_L[: len(history)].tolist(), strict=True))
    assert len(anew) > 10
    wanted = {id_: anew.get(id_, float(vector @ user_QD[0])) for id_, vector in vectors.items()}
    got = {item.item_id: item.score for item in answer.items}
    assert got.keys() == wanted.keys()
    np.testing.assert_allclose([got[id_] for id_ in wanted], list(wanted.values()), atol=1e-4)
    assert [item.score for item in answer.items] == sorted(got.values(), reverse=True)


def test_a_release_with_a_scorer_serves_what_was_judged(home: Home) -> None:
    """From the online store, the tower and the index the same list as from what the gate measures."""
    again = home.run(write_world(home.root / "scored", world("scored")), recipe="scoring")
    measured = Evaluated.from_json(again.path.read_text())
    assert home.champion("scored") == 1
    folder = Registry(home.settings, "scored").download(1)
    assert json.loads((folder / "rescorer.json").read_text()) == {"candidates": 30}
    with open_retriever(home.settings, "scored") as retriever:
        answer = retriever.recommend("u001", 160)
        users = retriever._store.read_online(retriever.release.schema.views[0].entity, ["u001"])
        release = retriever.release
    assert release.rescorer is not None
    user_QD, items = release.embed_users(users), home.embeddings(again)
    item_ND = items["embedding"].to_numpy()
    search = served_search(release.towers, users, user_QD, items["item_id"], item_ND)()
    assert items["item_id"].gather(search(np.arange(1), 160)[0]).to_list() == [each.item_id for each in answer.items]
    plain = items["item_id"].gather(exact_search(user_QD, item_ND)()(np.arange(1), 160)[0]).to_list()
    assert [each.item_id for each in answer.items[:20]] != plain[:20]
    assert measured.systems[TWO_TOWER].metrics["all/recall@20"] > 0.3


def test_a_champion_is_measured_with_its_rescorer(home: Home, judged: Judged) -> None:
    """On the same hold-out it reaches what it reached when it was judged itself."""
    first = Evaluated.from_json(judged.path.read_text())
    again = Evaluated.from_json(home.run(home.root / DATASET, recipe="quick").path.read_text())
    assert again.champion == 1
    assert first.systems[TWO_TOWER].metrics == pytest.approx(again.systems[CHAMPION].metrics, nan_ok=True)
    assert again.systems[TWO_TOWER].metrics != first.systems[TWO_TOWER].metrics
    assert first.index_recall == 1.0
    assert json.loads(judged.path.read_text())["champion"] is None
