"""Command on the past: `replay`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from orchestration.cli.application import OPERATE, Json, app
from orchestration.cli.home import check_dataset, guess_dataset, prepare

REPLAY_EXAMPLE = "gatehouse replay --dataset tiny --from 2024-02-26 --to 2024-03-11 --full 7d"


@app.command(rich_help_panel=OPERATE, epilog=f"Example: {REPLAY_EXAMPLE}")
def replay(
    start: Annotated[str, typer.Option("--from", help="First night, a day (UTC).")],
    end: Annotated[str, typer.Option("--to", help="Day on which the last interval ends.")],
    every: Annotated[str, typer.Option(help="Time between two nights, such as 1d or 1w.")] = "1d",
    full: Annotated[str, typer.Option(help="Time between two full trainings; updates between.")] = "7d",
    dataset: Annotated[str | None, typer.Option(help="completejourney, tiny, movielens or own.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder with your files.")] = None,
    recipe: Annotated[str, typer.Option(help="Recipe of the full trainings.")] = "base",
    choice_seconds: Annotated[
        float, typer.Option(min=0, help="Seconds for trials that choose the default recipe's switches; 0: none.")
    ] = 30.0,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    name: Annotated[str, typer.Option(help="Name of the replay; its folder is replay/NAME of the home.")] = "default",
    as_json: Json = False,
) -> None:
    """Walk a dataset through days of its past: train, judge, promote, and measure what would have served.

    Its table says how often to retrain. Ctrl-C keeps every finished night; the same command resumes.
    """
    prepare()
    from orchestration.replay.run import PLOT, TABLE, Days, run_replay
    from orchestration.workspace import Workspace

    workspace = Workspace(
        dataset=check_dataset(dataset or guess_dataset(data)),
        data=str(data) if data else None,
        recipe=recipe,
        choice_seconds=choice_seconds,
        seed=seed,
    )
    days = Days(start=start, end=end, every=every, full=full)
    done = run_replay(workspace, days, name, echo=lambda line: typer.echo(line, err=True))
    shown = json.dumps(done.data, indent=1) if as_json else f"{done.text}\n\nin {done.folder}: {TABLE}, {PLOT}"
    typer.echo(shown)
