"""Validation of a feature table against its view, by Great Expectations.

Every expectation is critical: a failure blocks. `suite` derives the expectations.
"""

from __future__ import annotations

import os
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from feature_repo.schema import ENTITY_TIME, View

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.data_context import EphemeralDataContext
    from great_expectations.expectations.expectation import Expectation


@dataclass(frozen=True, kw_only=True)
class Report:
    """Findings of a validation."""

    success: bool
    """Whether no expectation failed."""
    failures: tuple[str, ...]
    """Failures in words: view, column, problem, unexpected rows and three examples."""
    expectations: int
    """Number of expectations."""
    docs: Path
    """The data docs' index.html."""
    summary: tuple[dict[str, Any], ...]
    """All expectations, as expectation, column, success and observed."""


def validate(view: View, frame: pl.DataFrame | pl.LazyFrame, *, docs: Path) -> Report:
    """Validate a feature table against its view.

    Checked are: columns and their types; at least one row; key and times present,
    unique in key and event_timestamp, known no earlier than true; declared minimum,
    maximum and share of nulls; finite numbers; timestamps that can be microseconds and,
    except in profiles, do not lie after event_timestamp; lengths of lists, width of
    vectors, no nulls inside lists, aligned lists of a history.

    Args:
        view: the view.
        frame: key, event_timestamp, created and the view's columns; every row is
            checked. Of a file, memory holds only what Great Expectations works on: of
            lists, their lengths.
        docs: folder of the data docs, which replace those at `docs / view.name`.
    """
    # Data docs of an earlier validation would stay beside the new ones.
    folder = docs.absolute() / view.name
    shutil.rmtree(folder, ignore_errors=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from feature_repo.validation import suite

        context, table = _context(folder), frame.lazy()
        results = _run(context, f"{view.name} columns", *suite.structure(view, table.collect_schema()))
        if all(result.success for result in results):
            results += _run(context, f"{view.name} values", *suite.values(view, table))
        context.build_data_docs()
    rows = table.select(pl.len()).collect().item()
    failures = tuple(_failure(view, result, rows) for result in results if not result.success)
    return Report(
        success=not failures,
        failures=failures,
        expectations=len(results),
        docs=folder / "index.html",
        summary=tuple(_summary(result) for result in results),
    )


def _context(folder: Path) -> EphemeralDataContext:
    """In-memory context that writes data docs, without telemetry or progress bars."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx
    from great_expectations.data_context.types import base

    site = {
        "class_name": "SiteBuilder",
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)},
    }
    config = base.DataContextConfig(
        store_backend_defaults=base.InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        data_docs_sites={"docs": site},
        progress_bars=base.ProgressBarsConfig(globally=False),
        analytics_enabled=False,
    )
    return gx.get_context(mode="ephemeral", project_config=config)


def _run(context: EphemeralDataContext, name: str, frame: pd.DataFrame, expectations: list[Expectation]) -> list[Any]:
    """Results of one suite over a frame, in no particular order.

    Args:
        context: context of the suite.
        name: name of the suite.
        frame: pandas frame.
        expectations: expectations of the suite.
    """
    import great_expectations as gx

    asset = context.data_sources.add_pandas(name).add_dataframe_asset(name)
    suite = context.suites.add(gx.ExpectationSuite(name=name, expectations=expectations))
    definition = context.validation_definitions.add(
        gx.ValidationDefinition(name=name, data=asset.add_batch_definition_whole_dataframe(name), suite=suite)
    )
    checkpoint = context.checkpoints.add(
        gx.Checkpoint(
            name=name,
            validation_definitions=[definition],
            result_format={"result_format": "SUMMARY", "partial_unexpected_count": 3},
        )
    )
    (result,) = checkpoint.run(batch_parameters={"dataframe": frame}).run_results.values()
    return list(result.results)


def _column_of(result: Any) -> str | None:
    """Column of the table that an expectation is about; None for the whole table."""
    kwargs = result.expectation_config.kwargs
    named = [kwargs[part].partition(" (")[0] for part in ("column", "column_A", "column_B") if part in kwargs]
    return next((name for name in named if name != ENTITY_TIME), named[0] if named else None)


def _failure(view: View, result: Any, rows: int) -> str:
    """Failed expectation in one sentence.

    Args:
        view: the view.
        result: result of the expectation.
        rows: rows of the table.
    """
    column, wanted = _column_of(result), result.expectation_config.description
    where = f"{view.name}, column {column!r}" if column else view.name
    if result.exception_info.get("raised_exception"):
        return f"{where}: could not be checked whether it {wanted}: {result.exception_info['exception_message']}"
    count = result.result.get("unexpected_count", rows)
    examples = result.result.get("partial_unexpected_list") or [result.result.get("observed_value")]
    shown = "; ".join(_plain(example) for example in examples[:3])
    return f"{where}: not true that it {wanted} ({count:,} rows; for example {shown})"


def _plain(example: Any) -> str:
    if isinstance(example, tuple | list):
        return " against ".join(_plain(part) for part in example)
    if isinstance(example, dict):
        return ", ".join(f"{name} {_plain(value)}" for name, value in example.items())
    return str(example)


def _summary(result: Any) -> dict[str, Any]:
    found = result.result
    unexpected = f"{found.get('unexpected_count', 0):,} of {found.get('element_count', 0):,} rows unexpected"
    return {
        "expectation": result.expectation_config.description,
        "column": _column_of(result),
        "success": bool(result.success),
        "observed": str(found["observed_value"]) if "observed_value" in found else unexpected,
    }
