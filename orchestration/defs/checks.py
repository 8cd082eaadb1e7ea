"""Blocking asset checks by Great Expectations, and the demand for them."""

import json
from pathlib import Path

import dagster as dg
import polars as pl

from feature_repo.progress import track
from feature_repo.schema import Entity
from feature_repo.validation.expectations import Report, validate
from orchestration.asset_files import read_schema
from orchestration.asset_values import Features
from orchestration.workspace import Workspace


@dg.asset_check(asset="user_features", blocking=True, description="Expectations derived from the schema's user views.")
def user_expectations(workspace: Workspace, user_features: Features) -> dg.AssetCheckResult:
    """Validate the user views."""
    return _check(workspace, user_features, Entity.USER)


@dg.asset_check(asset="item_features", blocking=True, description="Expectations derived from the schema's item views.")
def item_expectations(workspace: Workspace, item_features: Features) -> dg.AssetCheckResult:
    """Validate the item views."""
    return _check(workspace, item_features, Entity.ITEM)


def _check(workspace: Workspace, features: Features, entity: Entity) -> dg.AssetCheckResult:
    schema = read_schema(features.source)
    docs = workspace.settings.home / "data_docs" / features.source.dataset
    reports = {
        view.name: validate(view, pl.scan_parquet(features.folder / f"{view.name}.parquet"), docs=docs)
        for view in track(schema.views_of(entity), "views")
    }
    failures = [failure for report in reports.values() for failure in report.failures]
    _marker(features).write_text(json.dumps(failures))
    metadata: dict[str, dg.MetadataValue] = {
        f"data docs of {name}": dg.MetadataValue.url(report.docs.as_uri()) for name, report in reports.items()
    }
    return dg.AssetCheckResult(
        passed=not failures,
        description="\n".join(failures) or f"{sum(r.expectations for r in reports.values())} expectations hold",
        metadata=metadata | {"expectations": _table(reports)},
    )


def require_checked(features: Features) -> None:
    """Raise RuntimeError unless the tables passed.

    A check blocks within its own run only, so every asset that reads the tables asks here.
    """
    marker = _marker(features)
    if not marker.exists():
        raise RuntimeError(f"{features.folder} was never validated: run the checks of this asset first")
    failures = json.loads(marker.read_text())
    if failures:
        raise RuntimeError(f"{features.folder} failed its expectations: {'; '.join(failures)}")


def _marker(features: Features) -> Path:
    return features.folder.with_suffix(".checked.json")


def _table(reports: dict[str, Report]) -> dg.MetadataValue:
    lines = ["| view | column | expectation | holds | observed |", "|---|---|---|---|---|"]
    for view, report in reports.items():
        for row in report.summary:
            cells = (view, row["column"], row["expectation"], row["success"], row["observed"])
            lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
    return dg.MetadataValue.md("\n".join(lines))
