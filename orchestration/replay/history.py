"""History of a replay: the canonical tables that all of its nights read, stored at its first start."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from feature_repo.datasets.canonical import Tables
from feature_repo.datasets.stored import read_tables, write_tables
from feature_repo.errors import InputError
from feature_repo.tables.build import LogSpan
from orchestration.run_tables import run_tables
from orchestration.workspace import Workspace, fill


def read_history(workspace: Workspace, folder: Path, until: datetime | None) -> Tables:
    """Read the stored history, or store that of the dataset.

    Args:
        workspace: names the dataset and its folder.
        folder: folder of the history.
        until: end of the last interval that is still to be measured; None for none.

    Raises:
        InputError: the dataset has newer events now, and `until` asks for them.
    """
    built = fill(folder, lambda partial: write_tables(run_tables(workspace), partial))
    history = read_tables(folder)
    stored = LogSpan.of(history.events).last
    if built or until is None or until <= stored:
        return history
    # Nights on what was stored would seem to be nights without a user.
    newest = LogSpan.of(run_tables(workspace).events).last
    if newest > stored:
        raise InputError(
            f"{folder} was read when the newest event was of {stored}, and now there are some until {newest}, which "
            f"the interval until {until:%Y-%m-%d} needs: give the longer replay another --name"
        )
    return history


def check_nights(nights: Sequence[datetime], history: Tables) -> None:
    """Refuse nights before which nothing is known, or after which nothing can be measured.

    Args:
        nights: moment of each night that is still to come.
        history: all that is known.

    Raises:
        InputError: there are some.
    """
    if not nights:
        return
    span = LogSpan.of(history.events)
    if nights[0] <= span.first:
        raise InputError(f"--from is {nights[0]:%Y-%m-%d}, and the first event is of {span.first}: wanted a later day")
    if nights[-1] > span.last:
        raise InputError(
            f"--to asks for a night on {nights[-1]:%Y-%m-%d}, and the newest event is of {span.last}: no list of that"
            " night can be measured; wanted an earlier --to"
        )
