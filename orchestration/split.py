"""Windows of a run's data, with all that can be known of them before anything is computed."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from feature_repo.datasets.guess_holdout import longer_holdout
from feature_repo.schema import USER_ID, Schema
from serving.gate.policy_file import read_policy
from training.data.split import Split, temporal_split
from training.data.windows import check_shown, check_windows
from training.recipes import recipe
from training.recipes.impressions import check_impressions

if TYPE_CHECKING:
    from feature_repo.datasets.canonical import Tables
    from orchestration.workspace import Workspace


def split_of(tables: Tables) -> Split:
    """Split the log as its schema says.

    Raises:
        InputError: the log is too short.
    """
    schema = tables.schema
    return temporal_split(tables.events["timestamp"], holdout=schema.holdout, validation=schema.validation)


def checked_split(workspace: Workspace, tables: Tables) -> Split:
    """Split the log, and check that its windows can be learned from and measured on.

    Raises:
        InputError: the log is too short, a window has nothing to learn or to measure, or the
            recipe learns from impressions that the data do not have, or not yet.
    """
    split, returning = split_of(tables), tables.schema.seen_items_may_return
    config = recipe(workspace.recipe, seen_items_may_return=returning, interactions=tables.events.height)
    check_impressions(None if tables.impressions is None else tables.impressions.columns, config.impressions)
    # Without patience nothing is measured on the validation window.
    trial = config.optimisation.patience is not None
    check_windows(tables.events, split, seen_may_return=returning, trial=trial)
    if config.impressions and tables.impressions is not None:
        check_shown(tables.impressions, split, trial=trial)
    return split


def few_users(workspace: Workspace, tables: Tables, split: Split) -> tuple[str, ...]:
    """Say that the hold-out has fewer users than the gate decides with, before the training; else nothing.

    Args:
        workspace: the run's options.
        tables: canonical tables.
        split: their windows.
    """
    wanted = read_policy(workspace.settings.gate_policy).min_holdout_users
    users = tables.events.filter(pl.col("timestamp") >= split.cut)[USER_ID].n_unique()
    if users >= wanted:
        return ()
    longer = longer_holdout(tables.events)
    todo = f"`holdout: {longer[0]}` in gatehouse.yaml has more ({longer[1]})" if longer else "bring more data"
    return (f"the hold-out from {split.cut} has {users:,} users, and the gate decides with {wanted:,}: {todo}",)


def windows_line(schema: Schema, validation_start: datetime, cut: datetime, end: datetime) -> str:
    """Say what each part of the time is for, with the lengths as declared.

    Args:
        schema: declares the lengths.
        validation_start: start of the validation window.
        cut: its end, and start of the hold-out.
        end: end of the hold-out.
    """
    found = windows(schema, validation_start, cut, end)
    return (
        f"train before {validation_start}, validate until {cut} ({found['validation_days']:g} days; validation: "
        f"{schema.validation}), hold out until {end} ({found['holdout_days']:g} days; holdout: {schema.holdout})"
    )


def windows(schema: Schema, validation_start: datetime, cut: datetime, end: datetime) -> dict[str, Any]:
    """Lengths of the windows as declared, and in days as they are.

    Args:
        schema: declares the lengths.
        validation_start: start of the validation window.
        cut: its end, and start of the hold-out.
        end: end of the hold-out.
    """
    lengths = {"validation": cut - validation_start, "holdout": end - cut}
    return {f"{name}_days": round(length.total_seconds() / 86_400, 1) for name, length in lengths.items()} | {
        "validation": schema.validation,
        "holdout": schema.holdout,
    }
