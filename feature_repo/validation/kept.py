"""Reports that are kept beside the tables, and stand as long as nothing changes.

A report is kept under a key over everything that decides it: the tables' bytes, the
schema, the code of this package and the version of Great Expectations. The data docs
carry the key as well: those of other tables may have replaced them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl

from feature_repo.progress import track
from feature_repo.schema import Entity, Schema
from feature_repo.validation.expectations import Report, validate
from feature_repo.whole_file import write_text

INDEX, STAMP = "index.html", "validated"
"""Files in the data docs of a view: the first page, and the key of the validation that they show."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """Reports of an entity's tables."""

    key: str
    """SHA-256 over everything that decided them."""
    reports: dict[str, Report]
    """Reports by view."""

    @property
    def failures(self) -> list[str]:
        """Failures of all views, in words."""
        return [failure for report in self.reports.values() for failure in report.failures]


def validate_or_keep(schema: Schema, entity: Entity, folder: Path, *, docs: Path, path: Path) -> tuple[Record, bool]:
    """Validate the feature tables of an entity, unless their reports are kept.

    Args:
        schema: schema of the tables.
        entity: the entity.
        folder: folder of the tables, `{view}.parquet`.
        docs: folder of the data docs.
        path: file that keeps the reports.

    Returns:
        The reports, and whether they were kept.
    """
    views = {view.name: view for view in schema.views_of(entity)}
    tables = {name: folder / f"{name}.parquet" for name in views}
    key, kept = _key(schema, tables.values()), read_record(path)
    if kept and kept.key == key and all(_shows(docs / name, key) for name in kept.reports):
        # The home may have been moved since.
        reports = {name: replace(each, docs=docs.absolute() / name / INDEX) for name, each in kept.reports.items()}
        return replace(kept, reports=reports), True
    reports = {}
    for name, view in track(views.items(), "views"):
        reports[name] = validate(view, pl.scan_parquet(tables[name]), docs=docs)
        (docs / name / STAMP).write_text(key)
    record = Record(key=key, reports=reports)
    _write(path, record)
    return record, False


def read_record(path: Path) -> Record | None:
    """Record in a file; None if there is no such file."""
    if not path.exists():
        return None
    raw = json.loads(path.read_text(encoding="utf-8"))
    return Record(key=raw["key"], reports={name: _report(each) for name, each in raw["reports"].items()})


def _report(raw: dict[str, Any]) -> Report:
    sequences = {name: tuple(raw[name]) for name in ("failures", "summary")}
    return Report(**raw | sequences | {"docs": Path(raw["docs"])})


def _shows(docs: Path, key: str) -> bool:
    """Whether the data docs of a view are there and are those of this validation."""
    stamp = docs / STAMP
    return (docs / INDEX).exists() and stamp.exists() and stamp.read_text() == key


def _write(path: Path, record: Record) -> None:
    """Write a record whole: an interrupted write leaves none."""
    write_text(path, json.dumps(asdict(record), default=str))


def _key(schema: Schema, tables: Iterable[Path]) -> str:
    """SHA-256 over everything that decides the reports."""
    code = sorted(Path(__file__).parent.glob("*.py"))
    parts = [schema.to_json(), version("great-expectations"), *(_sha256(path) for path in (*code, *tables))]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
