"""A replay from its options to its files: what the command does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from feature_repo.utc import utc_time
from feature_repo.whole_file import write_text
from orchestration.replay import walk as walking
from orchestration.replay.home import kept_variables
from orchestration.replay.plan import ReplayPlan, check_name, whole_days
from orchestration.replay.plot import replay_figure
from orchestration.replay.report import find, report_data
from orchestration.replay.text import answer, replay_markdown
from orchestration.workspace import Workspace, code_digest
from serving.gate.policy_file import read_policy

TABLE, PLOT = "replay.md", "replay.png"


@dataclass(frozen=True, kw_only=True)
class Days:
    """Days of a replay, as a person gives them."""

    start: str
    """First night."""
    end: str
    """Day on which the last interval ends."""
    every: str = "1d"
    """Time between two nights."""
    full: str = "7d"
    """Time between two full trainings."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Replayed:
    """A replay that is over."""

    folder: Path
    """Folder of its files."""
    data: dict[str, Any]
    """Result as plain data, with the answer (None where no night counts) and the mean seconds of a night's run."""
    text: str
    """Table and answer as Markdown."""


def run_replay(workspace: Workspace, days: Days, name: str, *, echo: Callable[[str], None]) -> Replayed:
    """Walk through the nights, and write table and plot into the folder of the replay.

    Args:
        workspace: dataset, recipe and seed.
        days: days of the replay.
        name: name of the replay.
        echo: told what is done.

    Raises:
        InputError: days or a name that cannot be used, another replay of that name, or unusable data.
    """
    workspace.check()
    data = workspace.data
    options = {"recipe": workspace.recipe, "choice_seconds": workspace.choice_seconds, "seed": workspace.seed}
    plan = ReplayPlan(
        start=utc_time("--from", days.start),
        end=utc_time("--to", days.end),
        every=whole_days("--every", days.every),
        full=whole_days("--full", days.full),
        workspace={"dataset": workspace.dataset, **options},
        code=code_digest()[:12],
        data=str(Path(data).resolve()) if data else None,
        policy=read_policy(workspace.settings.gate_policy).sha256[:12],
        variables=kept_variables(),
    )
    folder = workspace.settings.home / "replay" / check_name(name)
    nights = walking.replay(plan, workspace, folder, echo=echo)
    found = find(nights)
    result = report_data(found, seed=workspace.seed)
    text = replay_markdown(workspace.dataset, plan, result)
    write_text(folder / TABLE, f"{text}\n")
    if found.nights:
        replay_figure(found, workspace.dataset).savefig(folder / PLOT, dpi=120)
    told = answer(plan, result) if found.nights else None
    seconds = round(sum(night.seconds for night in nights) / len(nights), 1)
    return Replayed(folder=folder, data={**result, "answer": told, "seconds a night": seconds}, text=text)
