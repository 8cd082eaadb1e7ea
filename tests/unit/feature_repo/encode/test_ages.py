"""Encoders: ages, of timestamps and of histories."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from feature_repo.encode.history import FAINTEST
from feature_repo.schema import Kind
from tests.unit.feature_repo.encode.encode_world import (
    DAY,
    FIRST,
    NOW,
    UNKNOWN,
    assert_equal,
    fitted,
    frame_of,
    microseconds,
    only,
    random_frame,
)


class TestAges:
    def test_a_timestamp_is_encoded_as_its_age_at_the_moment(self) -> None:
        released = [microseconds(NOW - days * DAY) for days in (1, 10, 100)]
        encoder = fitted(frame_of(*({"released": time} for time in released)), only(Kind.TIMESTAMP))
        rows = frame_of(*({"released": released[0], "event_timestamp": NOW + days * DAY} for days in (0, 9, 99)))
        logs = np.log1p([1, 10, 100])
        found = encoder.encode(rows)
        np.testing.assert_allclose(found["released"][:, 0], (logs - logs.mean()) / logs.std(), rtol=1e-6)
        assert len(set(found["released_bucket"].tolist())) == 3

    def test_histories_age_with_the_moment_and_keep_their_items(self) -> None:
        history = {
            "history_items": ["i2", "i9", "i1", "i4"],
            "history_times": [microseconds(NOW - days * DAY) for days in (0, 2, 2.5, 9)],
            "history_counts": [1, 5, 2, 1],
            "history_decayed": [microseconds(NOW - days * DAY) for days in (0, -30, 60, 9)],
        }
        encoder = fitted(features=only(Kind.HISTORY))
        found = encoder.encode(frame_of(history, history | {"event_timestamp": NOW + 3 * DAY}))
        assert found["history_items"].tolist() == [[FIRST + 1, UNKNOWN, FIRST]] * 2
        np.testing.assert_allclose(np.expm1(found["history_ages"]), [[0, 2, 2.5], [3, 5, 5.5]], atol=1e-5)
        np.testing.assert_allclose(np.expm1(found["history_counts"]), [[1, 5, 2]] * 2, rtol=1e-6)
        decayed = np.array([[1, 2, 0.25], [1, 2, 0.25]]) * [[1], [2**-0.1]]
        np.testing.assert_allclose(np.exp(found["history_decayed"]), decayed, rtol=1e-5)

    def test_a_half_life_is_that_of_the_feature_and_what_is_forgotten_weighs_no_less_than_nothing(self) -> None:
        week = [replace(feature, half_life_days=7.0) for feature in only(Kind.HISTORY)]
        long_ago = {
            "history_items": ["i2", "i1"],
            "history_times": [microseconds(NOW - days * DAY) for days in (7, 9_000)],
            "history_counts": [1, 1],
            "history_decayed": [microseconds(NOW - days * DAY) for days in (7, 9_000)],
        }
        found = fitted(features=week).encode(frame_of(long_ago))
        np.testing.assert_allclose(found["history_decayed"][0, :2], [np.log(0.5), FAINTEST], rtol=1e-6)

    def test_short_histories_end_in_zeros(self) -> None:
        one = {f"history_{part}": [microseconds(NOW - DAY)] for part in ("times", "decayed")}
        one |= {"history_items": ["i1"], "history_counts": [1]}
        none: dict[str, list[int]] = {f"history_{part}": [] for part in ("items", "times", "counts", "decayed")}
        found = fitted(features=only(Kind.HISTORY)).encode(frame_of(one, none, {}))
        for name in ("history_items", "history_ages", "history_counts", "history_decayed"):
            assert found[name][0, 0] != 0
            assert not found[name][0, 1:].any()
            assert not found[name][1:].any()

    @pytest.mark.parametrize("unit", ["ms", "ns"])
    def test_the_unit_of_the_moment_does_not_matter(self, unit: Any) -> None:
        frame = random_frame(2)
        other = frame.with_columns(pl.col("event_timestamp").cast(pl.Datetime(unit)))
        assert_equal(fitted().encode(other), fitted().encode(frame))

    def test_rows_without_a_moment_are_refused(self) -> None:
        with pytest.raises(ValueError, match="event_timestamp is null in 1 rows"):
            fitted().encode(frame_of({}, {"event_timestamp": None}))
