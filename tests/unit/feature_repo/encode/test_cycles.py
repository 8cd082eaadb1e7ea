"""Times on circles: near across midnight, Sunday and New Year, online as offline."""

from __future__ import annotations

import math
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from feature_repo.datasets import custom, tiny
from feature_repo.encode import Encoder
from feature_repo.feature import CYCLES, Feature, Kind
from feature_repo.schema import Entity, View
from feature_repo.store.definitions import define
from tests.unit.feature_repo.encode.encode_world import NOW, frame_of, microseconds

DAY = timedelta(days=1)


def points(cycle: str, *times: datetime | None) -> np.ndarray:
    feature = Feature(name="opened", kind=Kind.TIMESTAMP, cycles=(cycle,))
    frame = frame_of(*({"opened": time and microseconds(time)} for time in times))
    found: np.ndarray = Encoder.fit("item_id", (feature,), frame, ids=()).encode(frame)["opened_cycles"]
    return found


def distance(cycle: str, one: datetime, other: datetime) -> float:
    return float(np.linalg.norm(np.subtract(*points(cycle, one, other))))


def chord(share: float) -> float:
    """The distance of two points on the unit circle that are `share` of it apart."""
    return 2 * math.sin(math.pi * share)


def test_midnight_sunday_and_new_year_are_no_borders() -> None:
    minutes = timedelta(minutes=1)
    for cycle, border in zip(CYCLES, (datetime(2024, 5, 8), datetime(2024, 5, 6), datetime(2024, 1, 1)), strict=True):
        length = {"day": DAY, "week": 7 * DAY, "year": 365.5 * DAY}[cycle]
        apart = distance(cycle, border - minutes, border + minutes)
        assert apart == pytest.approx(chord(2 * minutes / length), rel=5e-2)
        assert distance(cycle, border - minutes, border + length / 2) > 1.9


@pytest.mark.parametrize("hours", [1, 5, 12, 18, 23])
def test_hours_apart_are_a_chord_apart_on_any_day(hours: int) -> None:
    for day in range(0, 400, 37):
        start = datetime(1969, 3, 1, 7) + 60 * day * DAY
        assert distance("day", start, start + day * DAY + timedelta(hours=hours)) == pytest.approx(
            chord(hours / 24), abs=1e-5
        )


def test_weeks_start_on_monday_and_years_on_the_first_of_january() -> None:
    monday, thursday = datetime(2024, 5, 6), datetime(1970, 1, 1)
    np.testing.assert_allclose(points("week", monday), [[0, 1]], atol=1e-6)
    angle = 2 * math.pi * 3 / 7
    np.testing.assert_allclose(points("week", thursday), [[math.sin(angle), math.cos(angle)]], atol=1e-6)
    years = [datetime(year, 1, 1) for year in (1900, 1969, 1970, 2000, 2024, 2025)]
    np.testing.assert_allclose(points("year", *years), [[0, 1]] * len(years), atol=1e-6)


def test_points_are_on_the_circle_and_a_missing_time_is_its_centre() -> None:
    found = points("day", NOW, datetime(1850, 2, 3, 4), None)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), [1, 1, 0], atol=1e-6)


@pytest.mark.parametrize("value", [0, -1, 2**63 - 1, -(2**63), -(2**63) + 1])
def test_any_stored_number_gives_a_point(value: int) -> None:
    feature = Feature(name="opened", kind=Kind.TIMESTAMP, cycles=CYCLES)
    frame = frame_of({"opened": value})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = Encoder.fit("item_id", (feature,), frame, ids=()).encode(frame)["opened_cycles"]
    np.testing.assert_allclose(np.linalg.norm(found.reshape(3, 2), axis=1), 1, atol=1e-6)


class TestMoment:
    NOW = Feature(name="now", kind=Kind.MOMENT, cycles=("week", "year"))

    def test_a_moment_is_the_time_of_the_row(self) -> None:
        moments = [NOW, NOW + 3 * DAY]
        frame = frame_of(*({"event_timestamp": moment} for moment in moments))
        found = Encoder.fit("item_id", (self.NOW,), frame, ids=()).encode(frame)
        assert list(found) == ["item_id", "now_cycles"]
        np.testing.assert_array_equal(
            found["now_cycles"], np.hstack([points(cycle, *moments) for cycle in ("week", "year")])
        )

    def test_a_moment_is_neither_stored_nor_a_view_of_its_own(self, tmp_path: Path) -> None:
        assert self.NOW.columns == {}
        with pytest.raises(ValueError, match="'clock' stores nothing"):
            View(name="clock", entity=Entity.USER, features=(self.NOW,))
        profile, *others = tiny.SCHEMA.views
        view = View(name=profile.name, entity=profile.entity, features=(*profile.features, self.NOW))
        schema = type(tiny.SCHEMA)(dataset="shop", views=(view, *others), seen_items_may_return=True)
        fields = [field.name for field in define(schema, tmp_path).views[0].schema]
        assert "now" not in fields and "age" in fields

    def test_a_clock_that_stands_still_in_training_is_refused(self) -> None:
        midnights = frame_of(*({"event_timestamp": datetime(2024, 3, 1) + n * DAY} for n in range(9)))
        day = Feature(name="now", kind=Kind.MOMENT, cycles=("day",))
        with pytest.raises(ValueError, match=r"all 9 training moments.*'day'"):
            Encoder.fit("item_id", (day,), midnights, ids=())
        Encoder.fit("item_id", (self.NOW,), midnights, ids=())

    def test_own_data_declares_it_without_a_column(self, tmp_path: Path) -> None:
        tiny.write(tmp_path, seed=1)
        tmp_path.joinpath(custom.YAML_NAME).write_text(
            "dataset: shop\nseen_items_may_return: true\n"
            "events: {file: events.csv, user: user_id, item: item_id, timestamp: timestamp}\n"
            "users: {file: users.csv, id: user_id, features: {age: {kind: numeric, scale: linear}, "
            "now: {kind: moment, cycles: [week]}}}\n"
            "items: {file: items.csv, id: item_id, features: {title: {kind: text, ngrams: [3, 5], length: 40}}}\n"
        )
        tables = custom.load(tmp_path, as_of=datetime(2030, 1, 1, tzinfo=UTC))
        assert tables.users.columns == ["user_id", "age"]
        features = {feature.name: feature for view in tables.schema.views for feature in view.features}
        assert features["now"].cycles == ("week",) and features["title"].ngrams == (3, 5)
        assert type(tables.schema).from_json(tables.schema.to_json()) == tables.schema
        assert isinstance(tables.users["age"].dtype, pl.Float64)
