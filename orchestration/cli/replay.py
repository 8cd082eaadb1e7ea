"""Command on the past: `replay`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

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
    settings = prepare()
    from feature_repo.utc import utc_time
    from orchestration.replay.plan import ReplayPlan, check_name, whole_days
    from orchestration.replay.plot import replay_figure
    from orchestration.replay.report import find, report_data
    from orchestration.replay.text import replay_markdown
    from orchestration.replay.walk import replay as walk
    from orchestration.workspace import Workspace, code_digest

    source = {"dataset": check_dataset(dataset or guess_dataset(data)), "data": data and str(data)}
    options: dict[str, Any] = {"recipe": recipe, "choice_seconds": choice_seconds, "seed": seed}
    workspace = Workspace(**{key: value for key, value in (source | options).items() if value is not None})
    workspace.check()
    plan = ReplayPlan(
        start=utc_time("--from", start),
        end=utc_time("--to", end),
        every=whole_days("--every", every),
        full=whole_days("--full", full),
        workspace={"dataset": workspace.dataset, **options},
        code=code_digest()[:12],
        data=str(data.resolve()) if data else None,
    )
    folder = settings.home / "replay" / check_name(name)
    nights = walk(plan, workspace, folder, echo=lambda line: typer.echo(line, err=True))
    found = find(nights)
    result = report_data(found, seed=seed)
    text = replay_markdown(source["dataset"] or "", plan, result)
    (folder / "replay.md").write_text(f"{text}\n", encoding="utf-8")
    if found.nights:
        replay_figure(found, source["dataset"] or "").savefig(folder / "replay.png", dpi=120)
    typer.echo(json.dumps(result, indent=1) if as_json else f"{text}\n\nin {folder}: replay.md, replay.png")
