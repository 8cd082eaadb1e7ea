"""Plan of a run: what is known before anything is computed or written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

from feature_repo.schema import Entity

if TYPE_CHECKING:
    from feature_repo.datasets import Tables
    from orchestration.data_page.page import Page
    from orchestration.workspace import Workspace
    from training.data.split import Split

PLANNED = ("recipe", "seed", "device", "update", "warm_start", "refit", "baselines")
"""Fields of `Workspace` that a plan shows."""
SECONDS_PER_MILLION_EVENTS = 150.0
BYTES_PER_EVENT = 2_000
"""Measured with completejourney, 1.5 million events, on two cores: see docs/operations. Rough: what a feature costs
depends on the data."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A run that was read and checked, and not started."""

    tables: Tables
    """The canonical tables."""
    as_of: datetime
    """The moment up to which data is used."""
    split: Split
    """Where validation window and hold-out begin."""
    config: Mapping[str, Any]
    """Fields of `Workspace`."""
    page: Page
    """Page on the data."""


def plan_run(workspace: Workspace) -> Plan:
    """Read and check the input of a run; nothing is written into the home.

    Raises:
        InputError: data or options that `gatehouse run` would refuse.
        ValueError: an unknown recipe, or a gate policy with mistakes.
    """
    from feature_repo.datasets import default_as_of
    from orchestration.data_page.keep import make_page
    from orchestration.data_page.profile import profile_tables
    from orchestration.run_tables import run_tables
    from orchestration.split import checked_split, few_users

    workspace.check()
    tables = run_tables(workspace)
    split = checked_split(workspace, tables)
    return Plan(
        tables=replace(tables, notes=(*tables.notes, *few_users(workspace, tables, split))),
        as_of=workspace.moment or default_as_of(tables),
        split=split,
        config={name: getattr(workspace, name) for name in PLANNED},
        page=make_page(workspace.settings, profile_tables(tables, workspace.clock), accepted=workspace.accept_data),
    )


def plan_data(plan: Plan) -> dict[str, Any]:
    """The plan as plain data, for `--json`; writes the page on the data into a new folder of its own."""
    from orchestration.data_page.keep import write_page
    from orchestration.split import windows, windows_line

    tables, schema = plan.tables, plan.tables.schema
    return {
        "dataset": schema.dataset,
        "events": tables.events.height,
        "users": tables.users.height,
        "items": tables.items.height,
        "notes": list(tables.notes),
        "warnings": [finding.text for finding in plan.page.findings],
        "data_page": str(write_page(plan.page, Path(mkdtemp(prefix="gatehouse-")))),
        "features": {
            entity.value: {feature.name: feature.kind.value for feature in schema.features_of(entity)}
            for entity in Entity
        },
        "validation_start": plan.split.validation_start.isoformat(),
        "cut": plan.split.cut.isoformat(),
        "as_of": plan.as_of.isoformat(),
        **windows(schema, plan.split.validation_start, plan.split.cut, plan.split.end),
        "windows": windows_line(schema, plan.split.validation_start, plan.split.cut, plan.split.end),
        "seen_items_may_return": schema.seen_items_may_return,
        **{name: value for name, value in plan.config.items() if value is not None},
        "rough_seconds": round(60 + SECONDS_PER_MILLION_EVENTS * tables.events.height / 1e6),
        "rough_bytes": 1_000_000_000 + BYTES_PER_EVENT * tables.events.height,
    }


def plan_text(found: Mapping[str, Any]) -> str:
    """The plan as lines for a person. found: as `plan_data` gives it."""
    kinds = {entity: [f"{name} ({kind})" for name, kind in of.items()] for entity, of in found["features"].items()}
    named = ("recipe", "seed", "device", "update", "warm_start", "refit")
    training = " ".join(f"{name}={found[name]}" for name in named if name in found)
    minutes, memory = max(1, round(found["rough_seconds"] / 60)), found["rough_bytes"] / 1e9
    return "\n".join([
        f"{found['dataset']}: {found['events']:,} events, {found['users']:,} users, {found['items']:,} items",
        *(f"  {note}" for note in found["notes"]),
        *(f"  warning: {warning}" for warning in found["warnings"]),
        *(f"  {entity}: {', '.join(features)}" for entity, features in kinds.items()),
        found["windows"],
        f"train with {training}; seen items {'may' if found['seen_items_may_return'] else 'never'} return",
        f"roughly {minutes} minutes and {memory:.1f} GB of memory on two cores",
        f"page on the data: {found['data_page']}",
        "nothing else was written; the same command without --dry-run starts it",
    ])  # fmt: skip
