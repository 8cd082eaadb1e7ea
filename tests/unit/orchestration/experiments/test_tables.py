"""Files of exposures and outcomes: read as they should be, or refused with a reason."""

from __future__ import annotations

from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from feature_repo.errors import InputError
from orchestration.experiments.tables import EXPOSURES, read_exposures, read_outcomes
from serving.experiments.exposure import Exposure
from tests.unit.orchestration.experiments.experiment_world import outcomes_of

RECORD = Exposure(
    experiment="newer",
    variant="now",
    propensity=0.5,
    user_id="u",
    request_id="r",
    timestamp=datetime(2026, 6, 1),
    items=("1", "2"),
)


def saved(frame: pl.DataFrame, folder: Path) -> Path:
    frame.write_parquet(folder / "table.parquet")
    return folder / "table.parquet"


def test_the_columns_are_the_fields_of_the_record(tmp_path: Path) -> None:
    assert [field.name for field in fields(Exposure)] == list(EXPOSURES)
    found = read_exposures(saved(pl.DataFrame([asdict(RECORD)]), tmp_path))
    assert found.row(0, named=True) == asdict(RECORD) | {"items": ["1", "2"], "teams": [], "agreeing": []}


def test_times_with_a_zone_become_utc(tmp_path: Path) -> None:
    moment = datetime(2026, 6, 1, 12, tzinfo=UTC)
    frame = outcomes_of(kind="click", user_id="u").with_columns(timestamp=pl.lit(moment))
    frame = frame.with_columns(pl.col("timestamp").dt.convert_time_zone("Europe/Berlin"))
    assert read_outcomes(saved(frame, tmp_path))["timestamp"].to_list() == [datetime(2026, 6, 1, 12)]


def test_tables_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file; wanted a Parquet file with the columns kind"):
        read_outcomes(tmp_path / "absent.parquet")
    (tmp_path / "text.parquet").write_text("no")
    with pytest.raises(InputError, match="not readable as Parquet"):
        read_outcomes(tmp_path / "text.parquet")
    frame = outcomes_of(kind="click", user_id="u")
    with pytest.raises(InputError, match="no column value; wanted kind"):
        read_outcomes(saved(frame.drop("value"), tmp_path))
    with pytest.raises(InputError, match=r"column 'value': got String; wanted Float64"):
        read_outcomes(saved(frame.with_columns(value=pl.lit("dear")), tmp_path))
    with pytest.raises(
        InputError, match=r"'value': got no finite number; wanted one, or null \(1 rows; for example nan\)"
    ):
        read_outcomes(saved(frame.with_columns(timestamp=RECORD.timestamp, value=float("nan")), tmp_path))
    with pytest.raises(InputError, match="column 'timestamp': 1 nulls; wanted a value in each row"):
        read_outcomes(saved(frame, tmp_path))
    twice = pl.DataFrame([asdict(RECORD), asdict(RECORD) | {"timestamp": RECORD.timestamp + timedelta(days=1)}])
    with pytest.raises(InputError, match="1 rows repeat a request_id"):
        read_exposures(saved(twice, tmp_path))
    of_two_users = pl.DataFrame([asdict(RECORD), asdict(RECORD) | {"user_id": "another"}])
    assert read_exposures(saved(of_two_users, tmp_path)).height == 2
