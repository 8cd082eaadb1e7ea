"""From files to a release that answers: the first run on a world whose taste groups are known."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from feature_repo.schema import Entity
from feature_repo.store.store import Store
from orchestration.cli.release import as_data
from orchestration.evaluated import Evaluated
from orchestration.local.datasets import known
from serving.gate.verdict import Outcome
from serving.index.base import Fields
from serving.index.milvus import MilvusIndex
from serving.model.bundle import ModelBundle
from serving.open import open_retriever
from serving.registry import Registry
from serving.release.load import Release
from serving.release.manifest import file_hashes, read
from serving.retriever import Retriever
from tests.pipeline.conftest import Released
from tests.pipeline.planted import Home
from tests.worlds import group_of
from training.baselines import BASELINES

EMBEDDING = "embedding"
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def everybody(home: Home, released: Released) -> pl.DataFrame:
    """What `recommend --all` writes."""
    out = home.root / "everybody.parquet"
    ended = home.command("recommend", "--all", "--out", out, "--dataset", released.dataset, "--json")
    assert ended.data == {"rows": 120 * 20, "file": str(out)}
    return pl.read_parquet(out)


def answers(released: Released) -> dict[str, Any]:
    return {answer["user_id"]: answer for answer in json.loads(released.answers)}


def test_the_first_version_passes_and_is_champion(home: Home, released: Released) -> None:
    assert home.champion("world") == released.judged.version.version == 1
    manifest = read(Registry(home.settings, "world"), 1)
    assert manifest.verdict.outcome is Outcome.PASSED
    assert any("against popularity" in reason for reason in manifest.verdict.reasons)
    assert home.leftovers() == []


def test_the_home_knows_the_dataset_and_its_folder_afterwards(home: Home, released: Released) -> None:
    noted = known(home.settings)["world"]
    assert (noted["dataset"], noted["data"], noted["recipe"]) == ("own", str(released.folder), "quick")


def test_the_registered_version_holds_both_towers_with_all_they_need(home: Home, released: Released) -> None:
    registry = Registry(home.settings, "world")
    folder = registry.download(1)
    names = {path.name for path in folder.iterdir()}
    assert {f"{entity}_{part}" for entity in ("user", "item") for part in ("tower.pt2", "encoder.json")} <= names
    assert {"schema.json", "recipe.json", "popular.json", "checkpoint.safetensors"} <= names
    assert file_hashes(folder) == read(registry, 1).files


def test_the_version_owns_a_complete_collection_and_the_alias_points_at_it(home: Home, released: Released) -> None:
    with MilvusIndex(home.settings, Fields(types={})) as index:
        info = index.info("world_items_v1")
    assert info is not None
    assert (info.rows, info.dim, info.complete) == (160, 16, True)
    assert home.alias("world") == "world_items_v1"


def test_it_finds_the_taste_groups_that_popularity_cannot(released: Released) -> None:
    """A perfect list of 20 holds half of the 40 items that a user may take next; popularity a quarter of that."""
    measured = Evaluated.from_json(released.judged.path.read_text())
    recall = {name: each.metrics["all/recall@20"] for name, each in measured.systems.items()}
    assert recall["two_tower"] > 0.4
    assert recall["popularity"] < 0.25
    assert measured.index_recall == 1.0
    cheap = {"popularity", "personal_frequency", "personal_recency", "recent_popularity"}
    assert recall.keys() == measured.core.keys() == {"two_tower", *cheap}
    assert measured.notes == ("Baselines not asked for: item_knn, als, user_knn, up_cf, tifu_knn, ease.",)


def test_other_baselines_are_measured_on_the_same_version_and_leave_its_verdict(home: Home, released: Released) -> None:
    sealed = read(Registry(home.settings, "world"), 1)
    judged = home.run(released.folder, baselines="all")
    measured, first = (Evaluated.from_json(each.path.read_text()) for each in (judged, released.judged))
    assert judged.version.version == 1 and measured.notes == ()
    assert measured.systems.keys() == {"two_tower", *BASELINES}
    assert measured.systems["two_tower"].metrics == first.systems["two_tower"].metrics
    assert read(Registry(home.settings, "world"), 1) == sealed


def test_answers_carry_title_score_and_version(released: Released) -> None:
    answer = answers(released)["u001"]
    assert (answer["version"], answer["source"]) == (1, "two_tower")
    assert answer["notes"] == [
        f"answered as of {released.judged.version.source.as_of:%Y-%m-%d}, the time of the newest features"
    ]
    scores = [item["score"] for item in answer["items"]]
    assert scores == sorted(scores, reverse=True)
    for item in answer["items"]:
        number = int(item["item_id"][1:])
        assert item["fields"] == {"kind": f"k{number % 4}", "title": f"item {number} of kind {number % 4}"}


def test_an_unknown_user_gets_popular_items_and_is_told(released: Released) -> None:
    answer = answers(released)["nobody"]
    assert (answer["source"], len(answer["items"])) == ("popular", 20)
    assert "nothing is known of this user" in answer["notes"][0]


def test_everybody_gets_items_of_the_own_group(everybody: pl.DataFrame) -> None:
    assert everybody["user_id"].n_unique() == 120
    assert set(everybody["version"]) == {1}
    hits = [group_of(user) == group_of(item) for user, item in everybody.select("user_id", "item_id").iter_rows()]
    assert np.mean(hits) > 0.9


def test_everybody_gets_what_each_would_get_alone(everybody: pl.DataFrame, released: Released) -> None:
    for user in ("u000", "u001", "u063"):
        alone = [item["item_id"] for item in answers(released)[user]["items"]]
        assert everybody.filter(pl.col("user_id") == user).sort("rank")["item_id"].to_list() == alone


def test_the_way_of_a_request_is_the_way_of_training(home: Home, everybody: pl.DataFrame, released: Released) -> None:
    """Online store, exported tower and Milvus answer what point-in-time join and plain search compute."""
    source = released.judged.version.source
    release = Release.load(home.settings, "world", 1)
    store = Store(release.schema, home.settings.feast_home)
    store.apply(source.folder.parent / "features")
    users = pl.DataFrame({"user_id": [f"u{n:03}" for n in range(0, 120, 7)]})
    moments = users.with_columns(event_timestamp=pl.lit(source.as_of, pl.Datetime("us")))
    user_QD = release.embed_users(store.join(Entity.USER, moments))
    items = home.embeddings(released.judged)
    scores_QN = user_QD @ items[EMBEDDING].to_numpy().T
    for user, scores_N in zip(users["user_id"], scores_QN, strict=True):
        best = np.argsort(-scores_N)[:20]
        online = everybody.filter(pl.col("user_id") == user).sort("rank")
        np.testing.assert_allclose(online["score"], scores_N[best], atol=1e-4)
        assert set(online["item_id"][:19]) <= set(items["item_id"].gather(best))  # the last may tie with the next


COLD = """
import json, sys
from orchestration import cli
try:
    cli.main()
except SystemExit as end:
    print(end.code or 0)
heavy = {"dagster", "feast", "grpc", "milvus_lite", "mlflow", "pandas", "pyarrow", "pymilvus", "scipy", "torch"}
print(*heavy & set(sys.modules))
"""


def test_an_answer_imports_only_what_it_needs_and_is_that_of_the_whole_path(home: Home, released: Released) -> None:
    """A cold start takes the seconds that its imports take."""
    command = [sys.executable, "-c", COLD, "recommend", "u001", "-k", "50", "--dataset", "world", "--json"]
    environment = {**os.environ, "GATEHOUSE_HOME": str(home.settings.home)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    *answer, code, imported = done.stdout.splitlines()
    assert (code, imported) == ("0", "")
    registry = Registry(home.settings, "world")
    manifest = read(registry, 1)
    release = Release(manifest=manifest, towers=ModelBundle.from_folder(registry.download(1)))
    store = Store(release.schema, home.settings.feast_home)
    with MilvusIndex(home.settings, Fields.of(release.schema)) as index:
        whole = Retriever(release, store, index).recommend("u001", 50)
    got, wanted = json.loads("\n".join(answer)), as_data(whole)
    assert (got.pop("answered_by"), got.pop("override")) == ("this command: no service runs", None)
    scores = [[item.pop("score") for item in each["items"]] for each in (got, wanted)]
    assert got == wanted
    # NumPy's sums are rounded in another order than PyTorch's.
    assert scores[0] == pytest.approx(scores[1], abs=1e-5)


def test_a_filter_reaches_the_index(home: Home, released: Released) -> None:
    with open_retriever(home.settings, "world") as retriever:
        answer = retriever.recommend("u001", 5, 'kind == "k3"')
    assert {item.fields["kind"] for item in answer.items} == {"k3"}
    assert len(answer.items) == 5


def test_more_than_the_corpus_is_all_of_it_and_flagged(home: Home, released: Released) -> None:
    ended = home.command("recommend", "u001", "-k", "500", "--dataset", "world", "--json")
    assert len(ended.data["items"]) == 160
    assert ended.data["notes"][0] == "500 items were asked for, the corpus has 160"


def test_releases_and_status_show_it(home: Home, released: Released) -> None:
    listed = home.command("releases", "--dataset", "world", "--json").data
    assert [(each["version"], each["outcome"], each["champion"]) for each in listed] == [(1, "passed", True)]
    assert "* v1" in home.command("releases", "--dataset", "world").out
    state = home.command("status", "--json").data
    assert state["datasets"]["world"]["champion"] == 1
    assert state["index"]["collections"]["world_items_v1"] == 160


def test_expectations_leave_their_documents(home: Home, released: Released) -> None:
    pages = {path.relative_to(home.settings.home).parts[2] for path in _pages(home.settings.home)}
    assert pages == {"user_profile", "user_activity", "user_history", "item_profile", "item_statistics"}


def _pages(home: Path) -> list[Path]:
    return list((home / "data_docs" / "world").rglob("index.html"))
