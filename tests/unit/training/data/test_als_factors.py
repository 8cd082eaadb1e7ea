"""Behavioural vectors: like takers are alike, strangers get the mean.

The future does not leak.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor

from feature_repo.encode import MISSING, PAD, RESERVED, UNKNOWN, Encoder, Input, InputKind
from feature_repo.schema import Entity
from tests.unit.training.fit_world import CONFIG, CUT, VALIDATION, fitted, frames, retrieved
from tests.worlds import group_of
from training.artifacts.export import export, export_tower
from training.data.als_factors import behaviour, factorise
from training.data.interactions import at, interactions
from training.fit import fit
from training.recipes import BehaviouralVectors
from training.towers import embed
from training.towers.frozen_vectors import ItemBehaviour, UserBehaviour
from training.untrained import Fitted, untrained

BEHAVIOURAL = replace(
    CONFIG, behavioural=BehaviouralVectors(factors=8), optimisation=replace(CONFIG.optimisation, epochs=2)
)

SHORT = replace(BEHAVIOURAL, optimisation=replace(BEHAVIOURAL.optimisation, epochs=1))
SMALL = BehaviouralVectors(factors=4, regularization=3)


def two_blocks(*, seed: int = 0) -> pl.DataFrame:
    """Users and items of even number among themselves, and those of odd number."""
    rng = np.random.default_rng(seed)
    user = rng.integers(0, 60, 1_200)
    item = rng.integers(0, 10, 1_200) * 2 + user % 2
    return pl.DataFrame({"user_id": [f"u{n:02}" for n in user], "item_id": [f"i{n:02}" for n in item]})


ITEMS = tuple(f"i{n:02}" for n in range(20))


def unit(vectors: np.ndarray) -> np.ndarray:
    normalised: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return normalised


class TestFactorise:
    def test_items_that_the_same_users_take_are_near(self) -> None:
        vectors_VF, _ = factorise(two_blocks(), ITEMS, SMALL, seed=0)
        cosines = unit(vectors_VF[RESERVED:]) @ unit(vectors_VF[RESERVED:]).T
        same = np.arange(20)[:, None] % 2 == np.arange(20) % 2
        assert cosines[same].min() > 0.8 > 0.3 > cosines[~same].max()

    def test_neither_order_nor_unknown_items_matter_and_the_size_is_that_of_numbers(self) -> None:
        world = two_blocks()
        vectors_VF, mean_F = factorise(world, ITEMS, SMALL, seed=0)
        noise = world.with_columns(pl.lit("i99").alias("item_id"))
        other_VF, other_F = factorise(
            pl.concat([noise, world]).sample(fraction=1, shuffle=True, seed=1), ITEMS, SMALL, seed=0
        )
        np.testing.assert_array_equal(other_VF, vectors_VF)
        np.testing.assert_array_equal(other_F, mean_F)
        assert not vectors_VF[:RESERVED].any()
        assert np.mean(vectors_VF[RESERVED:] ** 2) == pytest.approx(1, rel=1e-5)

    def test_the_mean_is_that_of_the_folded_training_users(self) -> None:
        vectors_VF, mean_F = factorise(two_blocks(), ITEMS, SMALL, seed=0)
        folded = []
        for (_,), rows in two_blocks().group_by("user_id"):
            counts = rows["item_id"].value_counts()
            codes = [RESERVED + ITEMS.index(item) for item in counts["item_id"]]
            folded.append(np.average(vectors_VF[codes], axis=0, weights=np.log1p(counts["count"].to_numpy())))
        np.testing.assert_allclose(mean_F, np.mean(folded, axis=0), atol=1e-5)

    def test_a_log_without_anything_to_factorise_is_refused(self) -> None:
        with pytest.raises(ValueError, match="lower min_count"):
            factorise(two_blocks(), ("i77",), SMALL, seed=0)


def filled(part: ItemBehaviour | UserBehaviour) -> Tensor:
    """Fills the table with rows of ones times the code; the mean is -1."""
    vectors_VF = torch.arange(part.vectors_VF.shape[0]).float()[:, None].expand(part.vectors_VF.shape).clone()
    vectors_VF[:RESERVED] = 0
    part.fill(vectors_VF, -torch.ones(part.vectors_VF.shape[1]))
    return vectors_VF


class TestTowerParts:
    ITEM = Input(name="item_id", kind=InputKind.BEHAVIOUR, size=8, width=3)
    USER = Input(name="history", kind=InputKind.HISTORY_BEHAVIOUR, size=8, width=3)

    def test_a_cold_item_gets_the_mean_and_says_so(self) -> None:
        part = ItemBehaviour(self.ITEM, dropout=0.0)
        filled(part)
        found = part({"item_id": torch.tensor([3, 7, UNKNOWN, MISSING], dtype=torch.int32)})
        assert found.tolist() == [[3, 3, 0], [7, 7, 0], [-1, -1, 1], [-1, -1, 1]]

    def test_a_user_is_the_mean_of_the_history_by_log_count_and_a_cold_one_the_mean_of_users(self) -> None:
        part = UserBehaviour(self.USER, dropout=0.0)
        filled(part)
        items = torch.tensor([[3, 6, PAD], [4, UNKNOWN, PAD], [UNKNOWN, MISSING, PAD], [PAD] * 3], dtype=torch.int32)
        counts = torch.log1p(torch.tensor([[1.0, 1, 0], [9, 9, 0], [5, 5, 0], [0, 0, 0]]))
        found = part({"history_items": items, "history_counts": counts})
        assert found.tolist() == [[4.5, 4.5, 0], [4, 4, 0], [-1, -1, 1], [-1, -1, 1]]

    def test_training_shows_the_towers_cold_rows_and_serving_does_not(self) -> None:
        torch.manual_seed(0)
        part = ItemBehaviour(self.ITEM, dropout=0.25)
        filled(part)
        codes = {"item_id": torch.full((4_000,), 5, dtype=torch.int32)}
        cold_B = part.train()(codes)[:, 2]
        assert cold_B.mean().item() == pytest.approx(0.25, abs=0.03)
        assert not part.eval()(codes)[:, 2].any()

    def test_towers_without_their_vectors_give_nothing(self) -> None:
        part = ItemBehaviour(self.ITEM, dropout=0.0)
        assert part({"item_id": torch.tensor([3, UNKNOWN], dtype=torch.int32)})[:, :2].isnan().all()
        with pytest.raises(ValueError, match=r"got \(9, 2\), wanted \(8, 2\)"):
            part.fill(torch.ones(9, 2), torch.ones(2))


def changed_from(moment: object) -> pl.DataFrame:
    """Events with another future, and with a late arrival from before it."""
    events = frames()[0].events
    before, after = (events.filter(late) for late in (pl.col("timestamp") < moment, pl.col("timestamp") >= moment))
    other = after.with_columns(pl.col("item_id").reverse(), pl.col("user_id").shuffle(seed=1))
    arrived = before.head(50).with_columns(item_id=pl.lit("i001"), created=pl.lit(moment, pl.Datetime("us")))
    return pl.concat([before, arrived, other]).sort("timestamp")


def table(result: Fitted) -> Tensor:
    (part,) = (part for part in result.model.item.modules() if isinstance(part, ItemBehaviour))
    return part.vectors_VF


class TestNoLeak:
    def test_the_trial_knows_nothing_from_its_validation_window(self) -> None:
        assert torch.equal(trial(changed_from(VALIDATION)), trial(frames()[0].events))

    def test_events_before_the_cut_matter(self) -> None:
        """Else the tests beside this one would hold of vectors that learn nothing."""
        assert not torch.equal(trial(changed_from(VALIDATION - timedelta(days=20))), trial(frames()[0].events))

    def test_events_from_the_cut_on_do_not_matter(self) -> None:
        other, wanted = final(changed_from(CUT)), final(frames()[0].events)
        assert other.epochs == wanted.epochs
        for name, weight in wanted.model.state_dict().items():
            assert torch.equal(other.model.state_dict()[name], weight), name


def trial(events: pl.DataFrame) -> Tensor:
    """The vectors that early stopping is measured with."""
    tables, queries, items, _ = frames()
    before = interactions(events, VALIDATION)
    for key, time, joined in (("user_id", "query_time", queries), ("item_id", "item_time", items)):
        before = before.join(joined.rename({"event_timestamp": time}), on=[key, time], how="semi")
    return table(untrained(tables.schema, queries, items, at(items, VALIDATION, week=True), before, BEHAVIOURAL, 0)[0])


def final(events: pl.DataFrame) -> Fitted:
    tables, queries, items, _ = frames()
    return fit(
        schema=tables.schema, queries=queries, item_snapshots=items, positives=interactions(events, CUT),
        events=events, validation_start=VALIDATION, cut=CUT, config=SHORT, seed=0,
        on_epoch=lambda epoch, metrics: None,
    )  # fmt: skip


class TestInTowers:
    def test_users_retrieve_the_items_of_their_group(self) -> None:
        users = at(frames()[1], CUT)
        found = retrieved(fitted(0, BEHAVIOURAL), users)
        hits = [
            np.mean([group_of(i) == group_of(u) for i in ids]) for u, ids in zip(users["user_id"], found, strict=True)
        ]
        assert np.mean(hits) > 0.9  # by chance 0.25

    def test_both_towers_share_one_table_that_training_does_not_move(self) -> None:
        result = fitted(0, BEHAVIOURAL)
        (part,) = (part for part in result.model.user.modules() if isinstance(part, UserBehaviour))
        assert part.vectors_VF.data_ptr() == table(result).data_ptr()
        known = result.item_encoder.vocabularies["item_id"]
        vectors_VF, _ = factorise(frames()[3], known, BehaviouralVectors(factors=8), seed=0)
        np.testing.assert_array_equal(table(result).numpy(), vectors_VF)
        assert not table(result).requires_grad

    def test_items_below_min_count_have_no_vector(self) -> None:
        tables, queries, items, positives = frames()
        config = replace(BEHAVIOURAL, weighting=replace(BEHAVIOURAL.weighting, min_count=50))
        result, _ = untrained(tables.schema, queries, items, at(items, CUT, week=True), positives, config, 0)
        known, own = result.item_encoder.vocabularies["item_id"], result.item_encoder.own_ids
        assert own is not None and 0 < own < len(known)
        np.testing.assert_array_equal(
            table(result).numpy(), factorise(positives, known[:own], BehaviouralVectors(factors=8), seed=0)[0]
        )
        (part,) = (part for part in result.model.eval().item.modules() if isinstance(part, ItemBehaviour))
        codes = torch.tensor([RESERVED + own - 1, RESERVED + own, UNKNOWN], dtype=torch.int32)
        frequent, rare, unknown = part({"item_id": codes})
        assert torch.equal(rare, unknown) and rare[-1] == 1 and frequent[-1] == 0

    def test_exported_towers_carry_their_vectors(self, tmp_path: Path) -> None:
        from safetensors.torch import load_file

        result, users = fitted(0, BEHAVIOURAL), at(frames()[1], CUT)
        cold = users.head(3).with_columns(history_items=pl.lit(["new"], pl.List(pl.String)))
        export_tower(tmp_path / "item.pt2", result.model.item, result.examples[1])
        export(
            tmp_path / "all", result.model, user_encoder=result.user_encoder, item_encoder=result.item_encoder,
            schema=frames()[0].schema, config=BEHAVIOURAL, popular=[("i001", 3)], examples=result.examples,
        )  # fmt: skip
        program = torch.export.load(tmp_path / "all" / "user_tower.pt2").module()
        for rows in (users.head(1), users, cold.select(users.columns)):
            arrays = result.user_encoder.encode(rows)
            got = program({name: torch.from_numpy(np.array(array)) for name, array in arrays.items()})
            np.testing.assert_allclose(got.detach().numpy(), embed(result.model.user, arrays), atol=1e-5)
        stored = load_file(tmp_path / "all" / "checkpoint.safetensors")
        assert sum("vectors_VF" in name for name in stored) == 1

    def test_the_default_has_none(self) -> None:
        assert CONFIG.behavioural is None
        tables, queries, items, positives = frames()
        start, _ = untrained(tables.schema, queries, items, at(items, VALIDATION, week=True), positives, CONFIG, 0)
        assert not [name for name in start.model.state_dict() if "behaviour" in name]

    def test_histories_with_other_codes_are_refused(self) -> None:
        frame = frames()[1]
        features = frames()[0].schema.features_of(Entity.USER)
        user, item = (
            Encoder.fit(key, part, frame.with_columns(item_id="user_id"), ids=ids, items=("i002", "i001"))
            for key, part, ids in (("user_id", features, ()), ("item_id", (), ("i001", "i002")))
        )
        with pytest.raises(ValueError, match=r"\['history'\] have other codes than the item ids"):
            behaviour(frames()[3], user, item, BEHAVIOURAL, seed=0)


@pytest.mark.parametrize("field", ["factors", "iterations", "regularization", "alpha"])
def test_a_senseless_value_is_named(field: str) -> None:
    with pytest.raises(ValueError, match=field):
        replace(SMALL, **{field: 0})
