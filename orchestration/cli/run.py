"""Commands to start with: `run`, `init`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration.cli.application import NOT_PROMOTED, START, Json, app
from orchestration.cli.home import check_dataset, guess_dataset, prepare

if TYPE_CHECKING:
    from serving.settings import Settings

RUN_EXAMPLES = (
    "gatehouse run --dataset tiny  |  gatehouse run --data my_shop --dry-run  |  gatehouse run --update champion"
)


@app.command(rich_help_panel=START, epilog=f"Examples: {RUN_EXAMPLES}")
def run(
    dataset: Annotated[str | None, typer.Option(help="completejourney, tiny, movielens or own.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder with your files; default: a dataset that Gatehouse ships.")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option(help="Use data up to this time (ISO 8601, UTC). Default: the newest event.")
    ] = None,
    now: Annotated[str | None, typer.Option(help="Present time, after which no event may be. Default: clock.")] = None,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    recipe: Annotated[
        str,
        typer.Option(
            help="Recipe: base, behavioural, by_value, clicks, clicks_additive, ..., see docs/guide/recipes.md."
        ),
    ] = "base",
    device: Annotated[str, typer.Option(help="Device of the training: cpu, cuda, cuda:1.")] = "cpu",
    choice_seconds: Annotated[
        float, typer.Option(min=0, help="Seconds for trials that choose the default recipe's switches; 0: none.")
    ] = 30.0,
    retrain: Annotated[bool, typer.Option("--retrain", help="Train a new version even if this input has one.")] = False,
    update: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Update the id embeddings of this release: champion, or 7.")
    ] = None,
    warm_start: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Retrain, initialised from this release: champion, or 7.")
    ] = None,
    refit: Annotated[
        bool | None,
        typer.Option(
            "--refit/--no-refit", help="Train what has passed again on all data, and serve that. Default: the policy's."
        ),
    ] = None,
    baselines: Annotated[
        str,
        typer.Option(help="Baselines beside the gate's and the cheap ones: plain (no other), all, or names to add."),
    ] = "plain",
    same_dataset: Annotated[
        bool,
        typer.Option("--same-dataset", help="This data is the dataset of that name, though it shares nothing with it."),
    ] = False,
    reset_online: Annotated[
        bool, typer.Option("--reset-online", help="Load the online features anew, even over later ones.")
    ] = False,
    accept_data: Annotated[
        bool,
        typer.Option("--accept-data", help="The data are right, though the check on them would stop the run."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read, check and plan; write nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Train and judge a release of a log, and promote it if it passes the gate.

    Exit code 3: judged, but not promoted.
    """
    config: dict[str, Any] = {"dataset": check_dataset(dataset or guess_dataset(data)), "data": data and str(data)}
    config |= {"as_of": as_of, "now": now, "update": update, "warm_start": warm_start, "baselines": baselines}
    config |= {"seed": seed, "recipe": recipe, "device": device, "retrain": retrain}
    config |= {"choice_seconds": choice_seconds, "refit": refit}
    config |= {"same_dataset": same_dataset, "reset_online": reset_online, "accept_data": accept_data}
    check(config)
    if dry_run:
        return show_plan(config, as_json)
    settings = prepare()
    if not as_json:
        typer.echo(announcement(settings, config), err=True)
    from orchestration.pipeline import run_pipeline
    from orchestration.reporting.report import run_report
    from orchestration.reporting.summary import run_summary

    judged = run_pipeline(config, quiet=as_json)
    summary = run_summary(settings, judged)
    if as_json:
        typer.echo(json.dumps(summary, indent=1))
    else:
        run_report(settings, judged, summary)
    raise typer.Exit(0 if summary["outcome"] == "passed" else NOT_PROMOTED)


@app.command(rich_help_panel=START)
def init(folder: Annotated[Path, typer.Argument(help="Folder with your events, users and items.")]) -> None:
    """Write a first gatehouse.yaml from your files, for you to correct."""
    from feature_repo.datasets.init_config import init_folder

    draft = init_folder(folder)
    for remark in draft.remarks:
        typer.echo(f"note: {remark}")
    typer.echo(f"wrote {draft.path}: read it, correct it, then run\n  gatehouse run --data {folder}")


def check(config: Mapping[str, Any]) -> None:
    """Refuse options of a run that cannot be used; `config` has the fields of `Workspace`."""
    from feature_repo.utc import utc_time
    from orchestration.options import check_options
    from serving.settings import Settings

    # Here already: the import of Dagster and the begin of a job take seconds.
    for name in ("as_of", "now"):
        if config[name]:
            utc_time(name, config[name])
    names = ("recipe", "device", "baselines", "update", "warm_start", "choice_seconds")
    check_options(**{name: config[name] for name in names}, policy=Settings.from_environment(os.environ).gate_policy)


def announcement(settings: Settings, config: Mapping[str, Any]) -> str:
    """Plan of a run in words; `config` has the fields of `Workspace`."""
    training = "an incremental update of {update}" if config["update"] else "a full training"
    training += ", initialised from {warm_start}" if config["warm_start"] else ""
    what = "{dataset}" + (" in {data}" if config["data"] else "") + (", as of {as_of}" if config["as_of"] else "")
    chosen = "recipe {recipe}, seed {seed}, device {device}"
    first = f"{what}: {training}, {chosen}".format(**config)
    kept = "a new version is trained" if config["retrain"] else "the same input gives the same version"
    return (
        f"{first}\nhome {settings.home}: steps that an earlier run finished on these data are reused; {kept}\n"
        "Ctrl-C keeps every finished step and epoch; the same command resumes there"
    )


def show_plan(config: Mapping[str, Any], as_json: bool) -> None:
    """Print the plan of a run, and write nothing."""
    from orchestration.plan import plan_data, plan_run, plan_text
    from orchestration.workspace import Workspace

    planned = plan_data(plan_run(Workspace(**{name: value for name, value in config.items() if value is not None})))
    typer.echo(json.dumps(planned, indent=1) if as_json else plan_text(planned))
