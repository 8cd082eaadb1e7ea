"""Assets of the data: source tables and feature tables."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from feature_repo.datasets import Tables, default_as_of
from feature_repo.datasets.fingerprint import fingerprint
from feature_repo.datasets.identity import Identity
from feature_repo.datasets.stored import TABLES, write_tables
from feature_repo.schema import Entity
from feature_repo.tables.parquet import TableWriter
from feature_repo.tables.parts import feature_parts
from feature_repo.utc import present_time
from orchestration.asset_files import data_folder, features_folder, read_schema, read_tables
from orchestration.asset_values import Features, Source
from orchestration.data_page.keep import make_page, write_page
from orchestration.data_page.profile import profile_tables
from orchestration.day_notes import note_digests
from orchestration.defs.automation import release_job
from orchestration.defs.checks import require_accepted
from orchestration.identity import check_identity
from orchestration.landing import Landed, Taken, note_taken
from orchestration.parent_version import parent_of, since_of
from orchestration.reporting.columns import COLUMNS, ROWS, column_schema
from orchestration.reporting.markdown import preview
from orchestration.run_tables import run_tables
from orchestration.settled import read_settled, runs_by_itself
from orchestration.split import checked_split, few_users, windows_line
from orchestration.workspace import Workspace
from serving.registry.sqlite import open_registry


@dg.multi_asset(
    outs={
        "events": dg.AssetOut(
            description="Interactions in canonical form: user, item, time, and the time when each became known."
        ),
        "users": dg.AssetOut(description="All users who can get recommendations, with their profile."),
        "items": dg.AssetOut(description="The corpus: all items that can be served, with their profile."),
    },
    group_name="source",
    compute_kind="polars",
)
def source(context: dg.AssetExecutionContext, workspace: Workspace) -> Iterator[dg.Output[Source]]:
    """Canonical tables, read from the raw files and checked.

    The content hash of the tables names everything that is derived from them.
    """
    workspace.check()
    raw = Path(workspace.data) if workspace.data else None
    if runs_by_itself(context.run.tags):
        landed, tables = read_settled(raw, lambda: run_tables(workspace), context.log.info)
    else:
        landed, tables = Landed.of(raw), run_tables(workspace)  # what lands meanwhile belongs to the next run
    as_of = workspace.moment or default_as_of(tables)
    found = fingerprint(tables)
    split = checked_split(workspace, tables)
    folder = workspace.folder(tables.schema.dataset, found.sha256, tables.schema.to_json(), as_of.isoformat())
    workspace.note_begun(folder)
    if context.run.job_name == release_job.name:  # an update trains ids only: the release is still to come
        at = present_time().isoformat()  # by this machine's clock: two runs may be told the same time
        note_taken(workspace.values_folder, Taken(files=landed.digest, log=tables.log_until, at=at))
    workspace.fill(folder / "source", lambda partial: write_tables(tables, partial))
    value = Source(
        dataset=tables.schema.dataset,
        folder=folder / "source",
        sha256=found.sha256,
        as_of=as_of,
        validation_start=split.validation_start,
        cut=split.cut,
        end=min(split.end, as_of),
        notes=(*tables.notes, *few_users(workspace, tables, split)),
        data=str(Path(workspace.data).absolute()) if workspace.data else None,
        identity=Identity.of(tables).to_text(),
    )
    if not workspace.same_dataset:
        check_identity(open_registry(workspace.settings, value.dataset), value)
    page = make_page(workspace.settings, profile_tables(tables, workspace.clock), accepted=workspace.accept_data)
    written = write_page(page, data_folder(value))
    for finding in page.findings:
        context.log.warning(finding.text)
    parent = parent_of(workspace, value, tables.schema)  # refuses an unfit base before anything is computed
    value = value.model_copy(update={"since": since_of(parent)})
    if not workspace.past:
        note_digests(workspace.values_folder, workspace.past_values_folder, tables.events, as_of.date())
    context.log.info(source_line(tables, value))
    for note in value.notes:
        context.log.info(note)
    facts = {name: str(fact) for name, fact in (asdict(found) | asdict(split) | {"as_of": as_of}).items()}
    for name in TABLES:
        table: pl.DataFrame = getattr(tables, name)
        metadata: dict[str, Any] = {
            "rows": table.height,
            "first rows": preview(table),
            "path": dg.MetadataValue.path(str(folder)),
            COLUMNS: column_schema({name: table.schema}, tables.schema),
            ROWS: table.height,
        }
        if name == "events":
            metadata |= {"fingerprint": facts, "notes": list(value.notes)}
            metadata["windows"] = windows_line(tables.schema, split.validation_start, split.cut, value.holdout_end)
            metadata |= {"page on the data": dg.MetadataValue.path(written), "warnings": len(page.findings)}
        yield dg.Output(value, output_name=name, metadata=metadata)


def source_line(tables: Tables, source: Source) -> str:
    """Say how much there is, and what each part of the time is for."""
    windows = windows_line(tables.schema, source.validation_start, source.cut, source.holdout_end)
    return f"{tables.events.height:,} events, {tables.users.height:,} users, {tables.items.height:,} items: {windows}"


@dg.asset(group_name="features", compute_kind="polars")
def user_features(workspace: Workspace, events: Source, users: Source) -> dg.Output[Features]:
    """User profile, activity and history at the snapshots of the interactions.

    There are snapshots at the cut and at the end as well. For an update, of what is new to its base.
    """
    return _features(workspace, events, Entity.USER)


@dg.asset(group_name="features", compute_kind="polars")
def item_features(workspace: Workspace, events: Source, items: Source) -> dg.Output[Features]:
    """Item profile, popularity, price and first sale at each weekly snapshot."""
    return _features(workspace, events, Entity.ITEM)


def _features(workspace: Workspace, source: Source, entity: Entity) -> dg.Output[Features]:
    require_accepted(source)
    folder = features_folder(source) / entity.value
    moments = (source.validation_start, source.cut, source.as_of)

    def build(partial: Path) -> None:
        with TableWriter(partial) as writer:
            for part in feature_parts(read_tables(source), entity, moments, since=source.since):
                for name, table in part.items():
                    writer.write(name, table)

    built = workspace.fill(folder, build)
    tables = {path.stem: pl.scan_parquet(path) for path in sorted(folder.glob("*.parquet"))}
    metadata: dict[str, Any] = {
        f"rows of {name}": table.select(pl.len()).collect().item() for name, table in tables.items()
    }
    metadata |= {f"first rows of {name}": preview(table.head(5).collect()) for name, table in tables.items()}
    types = {name: table.collect_schema() for name, table in tables.items()}
    metadata |= {COLUMNS: column_schema(types, read_schema(source))}
    return dg.Output(
        Features(source=source, folder=folder),
        metadata=metadata | {"path": dg.MetadataValue.path(str(folder)), "reused": not built},
    )
