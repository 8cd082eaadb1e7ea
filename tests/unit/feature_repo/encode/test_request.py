"""Encoder of requests: the arrays of the batch encoder, bit for bit, from Python values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.encode import Encoder
from feature_repo.encode.request import NO_TIME, RequestEncoder
from feature_repo.feature import CYCLES, Column, Feature, Kind
from feature_repo.schema import ENTITY_TIME
from tests.unit.feature_repo.encode.encode_world import FEATURES, NOW, fitted, frame_of, microseconds, random_frame

INT64 = st.integers(-(2**63), 2**63 - 1) | st.integers(-(10**13), 10**13).map(lambda past: microseconds(NOW) - past)
WORDS = [
    "x",
    "y",
    "z",
    "",
    " ",
    "Red tea",
    "TEA, green!",
    "é",
    "e\u0301",
    "İstanbul",
    "हिन्दी किताब",
    "ti\u00adme",
    "ΑΣ",
    "x" * 99,
]
TEXTS = st.sampled_from(WORDS) | st.text(max_size=9)
FLOATS = st.sampled_from([0.0, -0.0, 1e300, -1e300, 5e-324]) | st.floats()
TYPES = {
    Column.STRING: pl.String(),
    Column.INT: pl.Int64(),
    Column.FLOAT: pl.Float64(),
    Column.STRINGS: pl.List(pl.String()),
    Column.INTS: pl.List(pl.Int64()),
    Column.FLOATS: pl.List(pl.Float32()),
}
NAMES = ["a", "a_bucket", "a_cycles", "a_bucket_", "b", "c"]
"""Names whose further arrays would collide, among others."""


def request_of(frame: pl.DataFrame) -> tuple[dict[str, list[Any]], np.ndarray]:
    """Columns and times of a request with the rows of a frame."""
    return frame.drop(ENTITY_TIME).to_dict(as_series=False), frame[ENTITY_TIME].dt.epoch("us").to_numpy()


def assert_same(encoder: Encoder, frame: pl.DataFrame) -> None:
    """Both encoders give the same names, types and bits."""
    found, wanted = RequestEncoder(encoder).encode(*request_of(frame)), encoder.encode(frame)
    assert list(found) == list(wanted)
    for name, array in wanted.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape), name
        assert found[name].tobytes() == array.tobytes(), (name, found[name], array)


def some(draw: Callable[..., Any], kind: Kind, name: str) -> Feature:
    """Feature of a kind, with options of the kind."""
    options: dict[str, Any] = {}
    if kind in (Kind.ID, Kind.CATEGORICAL, Kind.MULTI_VALUED):
        options["hashed"] = draw(st.none() | st.integers(1, 40))
    if kind in (Kind.TEXT, Kind.MULTI_VALUED, Kind.HISTORY):
        options["length"] = draw(st.integers(1, 5))
    if kind is Kind.NUMERIC:
        options["scale"] = draw(st.sampled_from(["log", "linear"]))
    if kind in (Kind.TIMESTAMP, Kind.MOMENT):
        least = int(kind is Kind.MOMENT)
        options["cycles"] = tuple(draw(st.lists(st.sampled_from(CYCLES), unique=True, min_size=least)))
    if kind is Kind.TEXT:
        options["ngrams"] = draw(st.sampled_from([None, (1, 2), (3, 4)]))
        options["encoder"] = draw(st.sampled_from([None, None, "words.pt2"]))
    if kind is Kind.VECTOR or options.get("encoder"):
        options["dim"] = draw(st.integers(1, 3))
    if kind is Kind.HISTORY:
        options["half_life_days"] = draw(st.sampled_from([0.5, 30.0]))
    return Feature(name=name, kind=kind, **options)


def value_of(draw: Callable[..., Any], feature: Feature, name: str, column: Column) -> Any:
    """Value as the store can return it."""
    whole = st.integers(0, 2**60) if name.endswith("_counts") else INT64
    floats = st.floats(width=32, allow_nan=False, allow_infinity=False)
    elements = {
        Column.STRING: TEXTS,
        Column.INT: INT64,
        Column.FLOAT: FLOATS,
        Column.STRINGS: st.lists(st.none() | TEXTS, max_size=7),
        Column.INTS: st.lists(whole, max_size=7),
        Column.FLOATS: st.lists(floats, min_size=feature.dim or 0, max_size=feature.dim or 0),
    }
    return draw(st.none() | elements[column])


def row_of(draw: Callable[..., Any], features: list[Feature]) -> dict[str, Any]:
    row = {"item_id": draw(st.none() | TEXTS), ENTITY_TIME: NOW + draw(st.integers(0, 9_000)) * timedelta(hours=7.3)}
    for feature in features:
        row |= {name: value_of(draw, feature, name, column) for name, column in feature.columns.items()}
    return row


@st.composite
def worlds(draw: Callable[..., Any]) -> tuple[list[Feature], pl.DataFrame, pl.DataFrame, int]:
    """Features, rows that an encoder is fitted on, rows of requests, and the rule of words."""
    kinds = st.sampled_from([*Kind])
    features = [some(draw, draw(kinds), name) for name in draw(st.permutations(NAMES))[: draw(st.integers(1, 6))]]
    stored = {name: TYPES[column] for each in features for name, column in each.columns.items()}
    types = {"item_id": pl.String(), ENTITY_TIME: pl.Datetime("us"), **stored}
    fit, asked = ([row_of(draw, features) for _ in range(draw(st.integers(0, rows)))] for rows in (6, 4))
    return features, pl.DataFrame(fit, types), pl.DataFrame(asked, types), draw(st.sampled_from([1, 2]))


def lengths(texts: list[str]) -> np.ndarray:
    """A stand-in for a sentence encoder of any width."""
    return np.array([[len(text), ord(text[0]), 0.5] for text in texts], np.float32)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(worlds())
def test_both_executions_agree_on_any_schema(world: tuple[list[Feature], pl.DataFrame, pl.DataFrame, int]) -> None:
    features, fit, asked, rule = world

    def load(feature: Feature, *_: Any) -> Callable[[list[str]], np.ndarray]:
        return lambda texts: lengths(texts)[:, : feature.dim]

    module = "feature_repo.encode"
    with patch(f"{module}.encoder.content_hash"), patch(f"{module}.definition.load_sentence_encoder", load):
        with patch(f"{module}.encoder.refuse_stopped_clock"):
            encoder = Encoder.fit("item_id", features, fit, ids=WORDS[:3], rare=WORDS[5:7], items=WORDS[:9])
        assert_same(replace(encoder, word_rule=rule), asked)


@pytest.mark.parametrize("seed", range(3))
def test_both_executions_agree_on_every_kind_of_value(seed: int) -> None:
    encoder = Encoder.from_json(fitted().to_json())
    assert {feature.kind for feature in encoder.features} == set(Kind)
    frame = random_frame(seed)
    assert_same(encoder, frame)
    for row in frame.head(9).iter_slices(1):
        assert_same(encoder, row)


def test_no_data_frame_is_made_without_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = fitted(features=tuple(each for each in FEATURES if each.kind is not Kind.TEXT))
    columns, times = request_of(random_frame(1))
    monkeypatch.delattr(pl, "DataFrame")
    monkeypatch.delattr(pl, "Series")
    RequestEncoder(encoder).encode(columns, times)


def test_a_dict_of_a_vocabulary_is_made_once_and_not_before_it_is_asked() -> None:
    encoder = RequestEncoder(fitted())
    assert not encoder._codes
    encoder.encode(*request_of(random_frame(1)))
    first = dict(encoder._codes)
    assert set(first) == set(encoder.encoder.vocabularies)
    encoder.prepare()
    encoder.encode(*request_of(random_frame(2)))
    assert all(encoder._codes[name] is codes for name, codes in first.items())
    unasked = RequestEncoder(fitted())
    unasked.prepare()
    assert unasked._codes == first


class TestRefusals:
    """What the batch encoder refuses is refused in the same words."""

    def both(self, frame: pl.DataFrame, columns: dict[str, list[Any]], times: np.ndarray) -> tuple[str, str]:
        with pytest.raises(ValueError) as of_batch:
            fitted().encode(frame)
        with pytest.raises(ValueError) as of_request:
            RequestEncoder(fitted()).encode(columns, times)
        return str(of_batch.value), str(of_request.value)

    def test_a_missing_column(self) -> None:
        frame = random_frame(1).drop("brand", "history_times")
        batch, request = self.both(frame, *request_of(frame))
        assert "columns ['brand', 'history_times'] are missing" in batch
        assert request.split(";")[0] == batch.split(";")[0]

    def test_an_unknown_time(self) -> None:
        frame = random_frame(1, rows=3).with_columns(pl.Series(ENTITY_TIME, [NOW, None, None]))
        times = np.array([microseconds(NOW), NO_TIME, NO_TIME])
        batch, request = self.both(frame, request_of(random_frame(1, rows=3))[0], times)
        assert batch == request == "cannot encode: event_timestamp is null in 2 rows"

    @pytest.mark.parametrize(
        "vector", [[], [1.0], [1.0, 2.0, 3.0], [1.0, None], [float("nan"), 0.0], [float("inf")] * 2]
    )
    def test_a_vector_of_another_width_or_not_finite(self, vector: list[float]) -> None:
        frame = frame_of({"face": vector}, {"face": [0.5, 0.5]}, {})
        batch, request = self.both(frame, *request_of(frame))
        assert batch == request and "vector feature 'face'" in batch

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("brand", 5),
            ("tags", "xyz"),
            ("tags", [5]),
            ("price", "1.5"),
            ("price", True),
            ("released", 1.5),
            ("face", 1.0),
        ],
    )
    def test_a_value_of_another_type(self, name: str, value: Any) -> None:
        columns, times = request_of(frame_of({}))
        with pytest.raises(ValueError, match=f"cannot encode: {name} has .* its column holds"):
            RequestEncoder(fitted()).encode(columns | {name: [value]}, times)

    def test_columns_of_another_length_than_the_times(self) -> None:
        columns, times = request_of(random_frame(1, rows=3))
        with pytest.raises(ValueError, match="brand has 2 values for 3 times"):
            RequestEncoder(fitted()).encode(columns | {"brand": ["a", "b"]}, times)
