"""What comes after the cut is measured on, and changes nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from orchestration.asset_values import Judged
from orchestration.evaluated import Evaluated
from serving.model.bundle import ModelBundle
from serving.registry import Registry
from serving.release.manifest import file_hashes
from tests.pipeline.conftest import Released
from tests.pipeline.planted import Home, world, write_world
from training.data.interactions import at

CHECKPOINT = "checkpoint.safetensors"


@dataclass(frozen=True, kw_only=True)
class Made:
    """What a run made of its input."""

    files: dict[str, str]
    users: pl.DataFrame
    user_embeddings: np.ndarray
    item_embeddings: pl.DataFrame
    measured: Evaluated


def made(home: Home, dataset: str, judged: Judged) -> Made:
    folder = Registry(home.settings, dataset).download(judged.version.version)
    users = at(pl.read_parquet(judged.version.frames / "queries.parquet"), judged.version.source.cut)
    return Made(
        files=file_hashes(folder),
        users=users,
        user_embeddings=ModelBundle.from_folder(folder).user.embed(users),
        item_embeddings=home.embeddings(judged),
        measured=Evaluated.from_json(judged.path.read_text()),
    )


@pytest.fixture(scope="module")
def home(home: Home) -> Home:
    return home.light()


@pytest.fixture(scope="module")
def true(home: Home, released: Released) -> Made:
    return made(home, released.dataset, released.judged)


@pytest.fixture(scope="module")
def shuffled(home: Home, released: Released) -> Made:
    """The same world, but everybody takes other items after the cut."""
    tables, cut = world("shuffled"), released.judged.version.source.cut
    after = pl.col("timestamp") >= cut
    other = pl.col("item_id").filter(after).shuffle(seed=1)
    past, future = tables.events.filter(~after), tables.events.filter(after).with_columns(other)
    folder = write_world(home.root / "shuffled", replace(tables, events=pl.concat([past, future])))
    return made(home, "shuffled", home.run(folder))


def test_the_future_changes_no_trained_weight(true: Made, shuffled: Made) -> None:
    assert shuffled.files[CHECKPOINT] == true.files[CHECKPOINT]
    for name in ("user_encoder.json", "item_encoder.json"):
        assert shuffled.files[name] == true.files[name]


def test_the_future_changes_no_feature_and_no_embedding_at_the_cut(true: Made, shuffled: Made) -> None:
    assert_frame_equal(shuffled.users, true.users)
    np.testing.assert_array_equal(shuffled.user_embeddings, true.user_embeddings)
    assert_frame_equal(shuffled.item_embeddings, true.item_embeddings)


def test_the_future_is_what_is_measured_on(true: Made, shuffled: Made) -> None:
    """Of items taken at random, a list of one group's finds a quarter of what it found before."""
    recalls = [each.measured.systems["two_tower"].metrics["all/recall@20"] for each in (true, shuffled)]
    assert recalls[0] > 2 * recalls[1]
