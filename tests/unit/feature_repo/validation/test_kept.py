"""Reports of tables are kept until something changes that decides them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl
import pytest

from feature_repo.schema import Entity, Feature, Kind, Schema, View
from feature_repo.validation import kept
from feature_repo.validation.expectations import Report
from feature_repo.validation.kept import Record, read_record, validate_or_keep

AGE = Feature(name="age", kind=Kind.NUMERIC, minimum=0)
MORE = replace(AGE, name="more")
VIEWS = tuple(
    View(name=name, entity=Entity.USER, features=(feature,))
    for name, feature in (("user_profile", AGE), ("user_more", MORE))
)


@dataclass
class Tables:
    """Two tables, and a validation that only notes what it was asked for."""

    root: Path
    schema: Schema = field(default_factory=lambda: Schema(dataset="shop", seen_items_may_return=True, views=VIEWS))
    failures: tuple[str, ...] = ()
    validated: list[str] = field(default_factory=list)

    def write(self, name: str, age: float) -> None:
        pl.DataFrame({"age": [age]}).write_parquet(self.root / f"{name}.parquet")

    def validate(self, view: View, frame: pl.LazyFrame, *, docs: Path) -> Report:
        self.validated.append(view.name)
        page = docs / view.name / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(f"{frame.collect()['age'][0]}")
        summary = ({"expectation": "holds", "column": "age", "success": True, "observed": "1"},)
        return Report(success=True, failures=self.failures, expectations=1, docs=page, summary=summary)

    def check(self) -> tuple[Record, bool]:
        return validate_or_keep(
            self.schema, Entity.USER, self.root, docs=self.root / "docs", path=self.root / "record.json"
        )


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tables:
    tables = Tables(tmp_path)
    for view in VIEWS:
        tables.write(view.name, 1.0)
    monkeypatch.setattr(kept, "validate", tables.validate)
    return tables


def test_a_moved_home_keeps_them_too(tables: Tables, tmp_path: Path) -> None:
    tables.check()
    moved = tables.root.rename(tmp_path.with_name(f"{tmp_path.name}_moved"))
    tables.root = moved
    record, was_kept = tables.check()
    assert was_kept
    assert [report.docs for report in record.reports.values()] == [
        moved / "docs" / view.name / "index.html" for view in VIEWS
    ]


@pytest.mark.parametrize("failures", [(), ("user_more: 3 rows",)])
def test_unchanged_tables_keep_their_reports(tables: Tables, failures: tuple[str, ...]) -> None:
    tables.failures = failures
    assert read_record(tables.root / "record.json") is None
    first, again = tables.check(), tables.check()
    assert (first[1], again[1]) == (False, True)
    assert again[0] == first[0] == read_record(tables.root / "record.json")
    assert again[0].failures == [*failures, *failures]
    assert tables.validated == ["user_profile", "user_more"]


def other_schema(tables: Tables, patch: pytest.MonkeyPatch) -> None:
    view = replace(VIEWS[0], features=(replace(AGE, minimum=18),))
    tables.schema = replace(tables.schema, views=(view, VIEWS[1]))


def other_code(tables: Tables, patch: pytest.MonkeyPatch) -> None:
    code = tables.root / "code"
    code.mkdir()
    (code / "suite.py").write_text("# expectations of another kind")
    patch.setattr(kept, "__file__", str(code / "kept.py"))


CHANGES: dict[str, Callable[[Tables, pytest.MonkeyPatch], object]] = {
    "one table": lambda tables, _: tables.write("user_more", 2.0),
    "the schema": other_schema,
    "the suite": other_code,
    "Great Expectations": lambda _, patch: patch.setattr(kept, "version", lambda name: "0.1"),
    "docs are gone": lambda tables, _: (tables.root / "docs" / "user_more" / "index.html").unlink(),
    "docs of other tables": lambda tables, _: (tables.root / "docs" / "user_more" / kept.STAMP).write_text("other"),
    "docs without a stamp": lambda tables, _: (tables.root / "docs" / "user_more" / kept.STAMP).unlink(),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_decides_a_report_makes_another(tables: Tables, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    tables.check()
    CHANGES[what](tables, monkeypatch)
    _, was_kept = tables.check()
    assert not was_kept
    assert tables.validated == ["user_profile", "user_more"] * 2
    assert tables.check()[1]


def test_an_interrupted_check_keeps_no_report_of_other_tables(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    tables.check()
    tables.write("user_more", 2.0)

    def interrupted(path: Path, record: Record) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(kept, "_write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            tables.check()
    assert not tables.check()[1]
