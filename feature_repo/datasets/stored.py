"""Canonical tables as files of a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl

from feature_repo.datasets.canonical import Tables
from feature_repo.schema import Schema

TABLES = ("events", "users", "items")
IMPRESSIONS = "impressions.parquet"
"""Beside the tables, where a dataset has impressions. Only a training that wants them
reads the file."""
EVENT_LOG = "event_log.json"
"""Beside the tables, where they have events of the event log: the number of the newest."""


def write_tables(tables: Tables, folder: Path) -> None:
    """Write canonical tables, their schema and their notes into a folder."""
    for name in TABLES:
        getattr(tables, name).write_parquet(folder / f"{name}.parquet")
    if tables.impressions is not None:
        tables.impressions.write_parquet(folder / IMPRESSIONS)
    (folder / "schema.json").write_text(tables.schema.to_json())
    (folder / "notes.json").write_text(json.dumps(tables.notes))
    if tables.log_until:
        (folder / EVENT_LOG).write_text(json.dumps({"until": tables.log_until}))


def read_tables(folder: Path) -> Tables:
    """Read what `write_tables` wrote."""
    frames: dict[str, Any] = {name: pl.read_parquet(folder / f"{name}.parquet") for name in TABLES}
    impressions = folder / IMPRESSIONS
    return Tables(
        schema=Schema.from_json((folder / "schema.json").read_text()),
        notes=tuple(json.loads((folder / "notes.json").read_text())),
        impressions=pl.read_parquet(impressions) if impressions.exists() else None,
        log_until=read_log_until(folder),
        **frames,
    )


def read_log_until(folder: Path) -> int:
    """Read the number of the newest event of the event log in the tables of a folder; 0 if there is none."""
    log = folder / EVENT_LOG
    return int(json.loads(log.read_text())["until"]) if log.exists() else 0
