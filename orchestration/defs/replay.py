"""Replay from Dagster: days of the past walked through, with table, plot and answer on a page of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import dagster as dg
from pydantic import Field

from feature_repo.errors import InputError
from orchestration.local.datasets import known
from orchestration.reporting.markdown import picture
from serving.settings import Settings

OPTIONS = ("dataset", "data", "recipe", "seed", "choice_seconds")
"""Options of the dataset's last run that its replay has too."""

# No asset that can be materialised: "materialise all" is a release, and a replay takes as long as many.
replay_report = dg.AssetSpec(
    "replay_report",
    group_name="replay",
    kinds={"polars", "matplotlib"},
    description="How often should I retrain? Table, plot and answer of the newest replay. The job `replay` makes it.",
)


class ReplayConfig(dg.Config):
    """Days of a replay, as of `gatehouse replay`."""

    start: str = Field(alias="from", description="First night, a day (UTC), such as 2017-10-01.")
    end: str = Field(alias="to", description="Day on which the last interval ends.")
    every: str = Field(default="1d", description="Time between two nights, such as 1d or 1w.")
    full: str = Field(default="7d", description="Time between two full trainings; updates between.")
    name: str = Field(default="default", description="Name of the replay; another plan needs another one.")
    dataset: str = Field(default="", description="A dataset of this home; by default that of the last run.")


@dg.op(out=dg.Out(dg.Nothing))
def replayed_days(context: dg.OpExecutionContext, config: ReplayConfig) -> None:
    """Walk through the days; those that a former run has finished are read."""
    settings = Settings.from_environment(os.environ)
    dataset, options = noted_options(settings, config.dataset)
    options |= {"from": config.start, "to": config.end, "every": config.every, "full": config.full, "name": config.name}
    arguments = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    result = json.loads(walked(arguments, context.log.info))
    facts = facts_of(dataset, settings.home / "replay" / config.name, result)
    context.log_event(dg.AssetMaterialization(replay_report.key, metadata=facts))


def noted_options(settings: Settings, named: str) -> tuple[str, dict[str, Any]]:
    """Name of a dataset of the home, and the options of its last run.

    Args:
        settings: the home.
        named: the name; empty for the dataset of the last run.

    Raises:
        InputError: the home has no such dataset.
    """
    noted, current = known(settings), settings.home / "current"
    dataset = named or (current.read_text(encoding="utf-8").strip() if noted else "")
    if dataset not in noted:
        raise InputError(
            f"dataset {named!r}: {settings.home} has {', '.join(sorted(noted)) or 'none'}; `gatehouse run` comes first"
        )
    return dataset, {name: value for name, value in noted[dataset].items() if name in OPTIONS}


def walked(arguments: Sequence[str], echo: Callable[[str], None]) -> str:
    """Output of `gatehouse replay --json`, in a process of its own, because it works in a home of its own.

    Args:
        arguments: its options.
        echo: told what it says meanwhile.

    Raises:
        RuntimeError: it failed; the message is its last line.
    """
    command, said = [sys.executable, "-m", "orchestration.cli", "replay", "--json", *arguments], ""
    with (
        TemporaryFile("w+", encoding="utf-8") as output,
        subprocess.Popen(command, stdout=output, stderr=subprocess.PIPE, text=True, encoding="utf-8") as process,
    ):
        try:
            for line in process.stderr or ():
                said = line.strip() or said
                echo(line.rstrip())
        finally:
            process.terminate()  # a run that is ended keeps the finished nights
        if process.wait():
            raise RuntimeError(f"`gatehouse replay {' '.join(arguments)}` ended with {process.returncode}: {said}")
        output.seek(0)
        return output.read()


def facts_of(dataset: str, folder: Path, result: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata of a replay.

    Args:
        dataset: name of the dataset.
        folder: folder of the replay.
        result: its result, as `gatehouse replay --json` prints it.
    """
    plot = folder / "replay.png"
    return {
        "dataset": dataset,
        "answer": dg.MetadataValue.md(result["answer"] or "no night counts"),
        "table": dg.MetadataValue.md((folder / "replay.md").read_text(encoding="utf-8")),
        **({"plot": dg.MetadataValue.md(picture(plot.read_bytes()))} if result["answer"] else {}),
        "nights": result["nights"],
        "seconds a night": result["seconds a night"],
        "path": dg.MetadataValue.path(str(folder)),
    }


@dg.job(
    name="replay",
    executor_def=dg.in_process_executor,
    description="The days of a dataset's past, as they would have been, in a home of their own: what each way to"
    " retrain would have been worth. The same config resumes it. Its result is the page of the asset replay_report.",
)
def replay_job() -> None:
    """Walk through the days that the config names."""
    replayed_days()
