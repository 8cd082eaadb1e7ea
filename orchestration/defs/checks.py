"""Blocking asset checks by Great Expectations, and the demand for them."""

from pathlib import Path

import dagster as dg

from feature_repo.schema import Entity
from feature_repo.validation.expectations import Report
from feature_repo.validation.kept import read_record, validate_or_keep
from orchestration.asset_files import DATA_PAGE, data_folder, read_schema
from orchestration.asset_values import Features, Source
from orchestration.data_page.keep import read_page
from orchestration.data_page.page import failures_of
from orchestration.reporting.markdown import bullets, one_a_line
from orchestration.workspace import Workspace

HOW_TO_ACCEPT = "correct the files, or say by --accept-data that they are right as they are"


@dg.asset_check(asset="user_features", blocking=True, description="Expectations derived from the schema's user views.")
def user_expectations(workspace: Workspace, user_features: Features) -> dg.AssetCheckResult:
    """Validate the user views."""
    return _check(workspace, user_features, Entity.USER)


@dg.asset_check(asset="item_features", blocking=True, description="Expectations derived from the schema's item views.")
def item_expectations(workspace: Workspace, item_features: Features) -> dg.AssetCheckResult:
    """Validate the item views."""
    return _check(workspace, item_features, Entity.ITEM)


@dg.asset_check(asset="events", blocking=True, description="The data beside those of the newest version.")
def data_expectations(events: Source) -> dg.AssetCheckResult:
    """Stop at data that are surely wrong: lost history, doubled exports, ids of another form."""
    folder = data_folder(events)
    page = read_page(folder)
    failures, warnings = failures_of(page), [each["text"] for each in page["findings"]]
    beside = f"the data of version {page['against']}" if page["against"] else "no earlier data"
    return dg.AssetCheckResult(
        passed=not failures,
        description=one_a_line([*failures, HOW_TO_ACCEPT]) if failures else f"compared with {beside}",
        metadata={
            "page on the data": dg.MetadataValue.path(folder / DATA_PAGE),
            "warnings": dg.MetadataValue.md(bullets(warnings) or "none"),
        },
    )


def require_accepted(source: Source) -> None:
    """Raise RuntimeError for data that failed their check: it blocks within its own run only."""
    failures = failures_of(read_page(data_folder(source)))
    if failures:
        raise RuntimeError(f"{source.folder} failed its check: {'; '.join(failures)}; {HOW_TO_ACCEPT}")


def _check(workspace: Workspace, features: Features, entity: Entity) -> dg.AssetCheckResult:
    record, kept = validate_or_keep(
        read_schema(features.source),
        entity,
        features.folder,
        docs=workspace.settings.home / "data_docs" / features.source.dataset,
        path=record_path(features),
    )
    reports, failures = record.reports, record.failures
    hold = f"{sum(r.expectations for r in reports.values())} expectations hold"
    if kept:
        hold += ", as validated in a former run: tables and suite are unchanged"
    metadata: dict[str, dg.MetadataValue] = {
        f"data docs of {name}": dg.MetadataValue.path(report.docs) for name, report in reports.items()
    }
    return dg.AssetCheckResult(
        passed=not failures,
        description=one_a_line(failures) or hold,
        metadata=metadata | {"expectations": _table(reports), "reused": dg.MetadataValue.bool(kept)},
    )


def require_checked(features: Features) -> None:
    """Raise RuntimeError unless the tables passed.

    A check blocks within its own run only, so every asset that reads the tables asks here.
    """
    record = read_record(record_path(features))
    if record is None:
        raise RuntimeError(f"{features.folder} was never validated: run the checks of this asset first")
    if record.failures:
        raise RuntimeError(f"{features.folder} failed its expectations: {'; '.join(record.failures)}")


def record_path(features: Features) -> Path:
    """File that keeps the reports of feature tables."""
    return features.folder.with_suffix(".checked.json")


def _table(reports: dict[str, Report]) -> dg.MetadataValue:
    lines = ["| view | column | expectation | holds | observed |", "|---|---|---|---|---|"]
    for view, report in reports.items():
        for row in report.summary:
            cells = (view, row["column"], row["expectation"], row["success"], row["observed"])
            lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
    return dg.MetadataValue.md("\n".join(lines))
