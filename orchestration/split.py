"""Windows of a run's data, with all that can be known of them before anything is computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.data.split import Split, temporal_split
from training.data.windows import check_windows
from training.recipes import recipe

if TYPE_CHECKING:
    from feature_repo.datasets.canonical import Tables
    from orchestration.workspace import Workspace


def checked_split(workspace: Workspace, tables: Tables) -> Split:
    """Split the log, and check that its windows can be learned from and measured on.

    Raises:
        InputError: the log is too short, or a window has nothing to learn or to measure.
    """
    split, returning = temporal_split(tables.events["timestamp"]), tables.schema.seen_items_may_return
    config = recipe(workspace.recipe, seen_items_may_return=returning, interactions=tables.events.height)
    # Without patience nothing is measured on the validation window.
    trial = config.optimisation.patience is not None
    check_windows(tables.events, split, seen_may_return=returning, trial=trial)
    return split
