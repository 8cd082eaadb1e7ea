"""Rare values of a key: known by name, without a vector of their own."""

from __future__ import annotations

import json
from datetime import datetime

import polars as pl
import pytest

from feature_repo.encode import RESERVED, UNKNOWN, Encoder, InputKind
from feature_repo.schema import Feature, Kind

NOW = datetime(2024, 3, 1)
HISTORY = Feature(name="history", kind=Kind.HISTORY, length=4)


def frame_of(ids: list[str]) -> pl.DataFrame:
    """Rows of some ids, each with all of them as its history."""
    return pl.DataFrame(
        {
            "item_id": ids,
            "event_timestamp": [NOW] * len(ids),
            "history_items": [ids] * len(ids),
            "history_times": [[0] * len(ids)] * len(ids),
            "history_decayed": [[0] * len(ids)] * len(ids),
            "history_counts": [[1] * len(ids)] * len(ids),
        },
        schema_overrides={"event_timestamp": pl.Datetime("us")},
    )


def fitted(rare: tuple[str, ...] = ("r1", "r2")) -> Encoder:
    known = ("a", "b", *rare)
    return Encoder.fit("item_id", [HISTORY], frame_of(["a"]), ids=("a", "b"), rare=rare, items=known)


def test_rare_values_have_codes_behind_those_of_the_others() -> None:
    arrays = fitted().encode(frame_of(["r2", "a", "new", "r1"]))
    assert arrays["item_id"].tolist() == [RESERVED + 3, RESERVED, UNKNOWN, RESERVED + 2]
    assert arrays["history_items"].tolist() == [arrays["item_id"].tolist()] * 4


def test_the_input_says_which_codes_have_a_vector() -> None:
    identity, history = fitted().inputs
    assert (identity.size, identity.own) == (RESERVED + 4, RESERVED + 2)
    assert (history.kind, history.size, history.own) == (InputKind.HISTORY, RESERVED + 4, None)
    assert fitted(rare=()).inputs[0].own is None
    alone = Encoder.fit("item_id", [], frame_of(["a"]), ids=(), rare=("a",))
    assert (alone.inputs[0].size, alone.inputs[0].own) == (RESERVED + 1, RESERVED)


def test_a_value_is_not_rare_and_frequent() -> None:
    with pytest.raises(ValueError, match=r"'item_id'.* there twice"):
        fitted(rare=("r1", "b"))


@pytest.mark.parametrize("rare", [(), ("r1", "r2")])
def test_json_keeps_them_and_is_as_ever_without_any(rare: tuple[str, ...]) -> None:
    encoder = fitted(rare)
    assert Encoder.from_json(encoder.to_json()) == encoder
    assert ("own_ids" in json.loads(encoder.to_json())) == bool(rare)
    alone = Encoder.fit("item_id", [], frame_of(["a"]), ids=(), rare=("a",))
    assert Encoder.from_json(alone.to_json()).own_ids == 0


def test_an_extended_encoder_keeps_every_code_and_gives_all_values_a_vector() -> None:
    before, rows = fitted(), frame_of(["a", "b", "r1", "r2"])
    after = before.extended(["item_id", "history"], ["r2", "new"])
    assert after.vocabularies["item_id"] == after.vocabularies["history"] == ("a", "b", "r1", "r2", "new")
    assert after.inputs[0].own is None
    for name, array in before.encode(rows).items():
        assert array.tolist() == after.encode(rows)[name].tolist(), name
    assert before.extended(["history"], ["new"]).own_ids == before.own_ids
