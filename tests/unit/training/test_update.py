"""Weights that an update moves, and those that it keeps."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from feature_repo.encode import MISSING, PAD, RESERVED, UNKNOWN, Encoder
from feature_repo.errors import InputError
from tests.unit.training.artifacts.released_world import NEW, RARE, RECIPES, write_release
from tests.unit.training.fit_world import CUT, VALIDATION, frames
from training.artifacts.export import export
from training.artifacts.load import Released, read_release
from training.data.assemble import assemble
from training.data.interactions import at
from training.data.sample_weights import weighted
from training.data.training_set import TrainingSet
from training.recipes import Weighting
from training.towers import embed
from training.untrained import Fitted
from training.update import extended, fit_update, update

pytestmark = pytest.mark.usefixtures("one_thread")


class Folders(dict[str, Path]):
    """Release by recipe, trained when it is first asked for."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self._root = root

    def __missing__(self, name: str) -> Path:
        self[name] = write_release(self._root / str(len(self)), RECIPES[name])
        return self[name]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    return Folders(tmp_path_factory.mktemp("releases"))


@pytest.fixture(params=list(RECIPES))
def released(folders: Folders, request: pytest.FixtureRequest) -> Released:
    return read_release(folders[request.param])


def since(released: Released) -> tuple[TrainingSet, Encoder, Encoder]:
    """Few events of few users with eight known and two new items, encoded."""
    _, queries, items, positives = frames()
    wanted = pl.col("item_id").is_in([*NEW[:2], RARE, *(f"i{n:03}" for n in range(10, 18))])
    few = (
        positives.filter(wanted & (pl.col("query_time") >= VALIDATION)).group_by("item_id", maintain_order=True).head(3)
    )
    encoders = extended(released, items=NEW, users=["u001", *few["user_id"].unique(maintain_order=True)])
    corpus = at(items, VALIDATION, week=True).with_columns(kind=pl.lit("k1"))  # a release keeps what it knew
    return assemble(
        queries, items, weighted(few, released.config.weighting), *encoders, corpus, label_days=0
    ), *encoders


def touched_codes(data: TrainingSet) -> set[int]:
    codes = set(data.items["item_id"][data.item_I].tolist())
    assert UNKNOWN in codes
    return codes - {UNKNOWN}


def test_only_the_ids_of_the_events_move(released: Released) -> None:
    """All other rows, dense weights, batch statistics and buffers stay bit for bit."""
    data, *encoders = since(released)
    before = {name: each.clone() for name, each in released.model.state_dict().items()}
    after = update(released, data, *encoders, seed=0, epochs=2).model.state_dict()
    tables = {name: touched_codes(data) for name in ("user.vectors.ids.weight", "item.vectors.ids.weight")}
    if released.config.tower.user_id:
        tables["user.ids.weight"] = set(data.queries["user_id"][data.query_I].tolist())
    assert not {UNKNOWN, MISSING, PAD} & set().union(*tables.values())
    assert before.keys() == after.keys()
    for name, old in before.items():
        if name in tables:
            new, same = after[name], [row for row in range(len(after[name])) if row not in tables[name]]
            start = torch.cat([old, old[UNKNOWN].expand(len(new) - len(old), -1)])
            assert torch.equal(new[same], start[same]), name
            assert (new[sorted(tables[name])] != start[sorted(tables[name])]).any(dim=1).all(), name
            assert len(new) > len(old)
        elif "codes_of" in name or name == "repeat.facts_VF":
            assert torch.equal(after[name][: len(old)], old), name
        elif name == "repeat.vectors.ids.weight":  # the head is not trained: new ids stay as UNKNOWN
            new = after[name]
            assert torch.equal(new, torch.cat([old, old[UNKNOWN].expand(len(new) - len(old), -1)]))
        else:
            assert torch.equal(after[name], old), name
    again = read_release(released.folder).model.state_dict()
    assert all(torch.equal(each, again[name]) for name, each in released.model.state_dict().items())


def test_a_new_id_starts_as_the_unknown_and_moves_with_its_events(released: Released) -> None:
    data, *encoders = since(released)
    before, after = (update(released, data, *encoders, seed=0, epochs=n).model for n in (0, 2))
    start, moved = before.item.vectors, after.item.vectors
    codes = [RESERVED + encoders[1].vocabularies["item_id"].index(each) for each in NEW]
    unknown = released.model.item.vectors.ids.weight[UNKNOWN]
    assert torch.equal(start.ids.weight[codes], unknown.expand(3, -1))
    assert [torch.equal(moved.ids.weight[code], unknown) for code in codes] == [False, False, True]
    new = at(frames()[2], VALIDATION, week=True).head(3)
    unseen = embed(released.model.item, released.item_encoder.encode(new))
    assert np.array_equal(embed(before.item, encoders[1].encode(new)), unseen)
    assert (embed(after.item, encoders[1].encode(new)) == unseen).all(axis=1).tolist() == [False, False, True]
    kinds = moved.get_buffer("codes_of_kind")[codes].tolist()
    assert kinds == data.corpus["kind"][:3].tolist()  # the new items are the first of the corpus


def test_old_codes_stay_and_histories_know_the_same_items(released: Released) -> None:
    _, users, items = since(released)
    old = released.item_encoder.vocabularies["item_id"]
    assert items.vocabularies["item_id"] == (*old, *NEW)
    assert users.vocabularies["history"] == items.vocabularies["item_id"]
    assert {n: v for n, v in items.vocabularies.items() if n != "item_id"} == {
        n: v for n, v in released.item_encoder.vocabularies.items() if n != "item_id"
    }
    assert len(users.vocabularies["user_id"]) == (
        len(set(users.vocabularies["user_id"])) if released.config.tower.user_id else 0
    )
    assert bool(users.vocabularies["user_id"]) == released.config.tower.user_id
    assert extended(released, items=[old[0], "x", "x"])[1].vocabularies["item_id"] == (*old, "x")


def test_exported_towers_give_untouched_items_the_embeddings_they_had(folders: Folders, tmp_path: Path) -> None:
    for name in ("batch norm, user ids", "behavioural vectors"):
        released = read_release(folders[name])
        data, *encoders = since(released)
        fresh = update(released, data, *encoders, seed=0, epochs=2)
        tables, queries, items, _ = frames()
        corpus = at(items, VALIDATION, week=True)
        export(
            tmp_path / name, fresh.model, user_encoder=encoders[0], item_encoder=encoders[1], schema=tables.schema,
            config=released.config, popular=[("i003", 1)],
            examples=(encoders[0].encode(queries.head(3)), encoders[1].encode(corpus.head(3))),
        )  # fmt: skip
        old, new = (torch.export.load(f / "item_tower.pt2").module() for f in (folders[name], tmp_path / name))
        untouched = ~np.isin(encoders[1].encode(corpus)["item_id"], sorted(touched_codes(data)))
        was, now = (
            program({n: torch.from_numpy(a) for n, a in each.encode(corpus).items()}).detach().numpy()
            for program, each in ((old, released.item_encoder), (new, encoders[1]))
        )
        assert np.array_equal(was[untouched], now[untouched])
        assert (was[~untouched] != now[~untouched]).any(axis=1).all()
        again = read_release(tmp_path / name)
        assert np.array_equal(
            embed(again.model.item, encoders[1].encode(corpus)), embed(fresh.model.item, encoders[1].encode(corpus))
        )


def test_renumbered_ids_are_refused(released: Released) -> None:
    data, users, items = since(released)
    turned = {**items.vocabularies, "item_id": items.vocabularies["item_id"][::-1]}
    with pytest.raises(ValueError, match=r"codes of 'item_id' are not those of .* encoders of extended"):
        update(released, data, users, replace(items, vocabularies=turned), seed=0)


def updated(
    released: Released,
    *,
    events: pl.DataFrame | None = None,
    positives: pl.DataFrame | None = None,
    since: datetime = VALIDATION,
) -> Fitted:
    tables, queries, items, every = frames()
    return fit_update(
        released.folder, queries=queries, item_snapshots=items, positives=every if positives is None else positives,
        events=tables.events if events is None else events, since=since, cut=CUT, seed=0, granularity="day",
        on_epoch=lambda epoch, metrics: None,
    )  # fmt: skip


def test_an_update_from_frames_is_that_by_what_became_known_since(folders: Folders) -> None:
    """Late arrivals count; new interactions are weighed beside all earlier ones."""
    released = read_release(folders["batch norm, user ids"])
    tables, queries, items, positives = frames()
    late = pl.col("timestamp").is_between(VALIDATION - timedelta(days=9), VALIDATION - timedelta(days=8))
    known = pl.when(late).then(pl.lit(VALIDATION + timedelta(hours=1), pl.Datetime("us"))).otherwise("created")
    events = tables.events.with_columns(created=known)
    keys = ["user_id", "item_id", "query_time"]
    days = events.filter(pl.max_horizontal("timestamp", "created") < VALIDATION).select(
        "user_id", "item_id", query_time=pl.col("timestamp").dt.truncate("1d")
    )
    new = weighted(positives, released.config.weighting).join(days.unique(), on=keys, how="anti", maintain_order="left")
    assert 0 < (new["query_time"] < VALIDATION).sum() < (new["query_time"] >= VALIDATION).sum()
    ids = [new[key].unique(maintain_order=True) for key in ("item_id", "user_id")]
    assert {*NEW, RARE} <= set(ids[0])
    encoders = extended(released, items=ids[0], users=ids[1])
    data = assemble(queries, items, new, *encoders, at(items, CUT, week=True), label_days=0)
    wanted, got = update(released, data, *encoders, seed=0), updated(released, events=events)
    assert got.item_encoder == encoders[1] and got.user_encoder == encoders[0]
    assert got.epochs == wanted.epochs
    for name, weight in wanted.model.state_dict().items():
        assert torch.equal(weight, got.model.state_dict()[name]), name
    assert len(new.filter(pl.col("weight") < 1)) > 20  # repetitions of what came before


def test_an_update_gives_rows_to_items_that_the_release_knew_by_name_only(tmp_path: Path) -> None:
    """Codes stay, rows start as that of UNKNOWN, and move with events."""
    write_release(
        tmp_path / "files",
        replace(RECIPES["repeat term"], weighting=Weighting(min_count=50)),
    )
    released = read_release(tmp_path / "files")
    old, own = released.item_encoder.vocabularies["item_id"], released.item_encoder.own_ids
    assert own is not None and 9 < own < len(old) - 9
    quiet = frames()[0].events.filter((pl.col("timestamp") < VALIDATION) | (pl.col("item_id") != old[-1]))
    positives = frames()[3].filter((pl.col("query_time") < VALIDATION) | (pl.col("item_id") != old[-1]))
    result = updated(released, events=quiet, positives=positives)
    assert result.item_encoder.own_ids is None
    assert result.item_encoder.vocabularies["item_id"][: len(old)] == old
    rows, unknown = result.model.item.vectors.ids.weight, released.model.item.vectors.ids.weight[UNKNOWN]
    assert len(rows) == RESERVED + len(result.item_encoder.vocabularies["item_id"])
    rare = rows[RESERVED + own : RESERVED + len(old)]
    assert (rare[:-1] != unknown).any(dim=1).all() and torch.equal(rare[-1], unknown)
    assert all(len(table) == len(rows) for table in result.model.tables)


def test_nothing_since_is_refused(folders: Folders) -> None:
    with pytest.raises(InputError, match=r"no interaction became known between .* nothing to update by"):
        updated(read_release(folders["batch norm, user ids"]), since=CUT)
