"""Commands on experiments: `experiment report`, `experiment traffic`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from orchestration.cli.application import OPERATE, Dataset, Json, app
from orchestration.cli.home import prepare, released_dataset
from orchestration.cli.release import as_data

EXAMPLE = "gatehouse experiment report newer-towers"
TRAFFIC_EXAMPLE = "gatehouse experiment traffic --answers-a-day 100000 --click-rate 0.05"

experiment = typer.Typer(
    help="Compare versions on users, and say what traffic a comparison needs.", no_args_is_help=True
)
app.add_typer(experiment, name="experiment", rich_help_panel=OPERATE)


@experiment.command("report", epilog=f"Example: {EXAMPLE}")
def report(
    name: Annotated[str, typer.Argument(help="Experiment of the definitions.")],
    exposures: Annotated[
        Path | None, typer.Option(help="Parquet file with the answers of experiments. Default: those of the service.")
    ] = None,
    outcomes: Annotated[
        Path | None, typer.Option(help="Parquet file with clicks and purchases. Default: those of the event log.")
    ] = None,
    definitions: Annotated[Path | None, typer.Option(help="Default: experiments.yaml in the home.")] = None,
    as_of: Annotated[str | None, typer.Option(help="Use data before this time (ISO 8601, UTC).")] = None,
    dataset: Dataset = None,
    as_json: Json = False,
) -> None:
    """Report effects of an experiment with intervals that may be looked at every day."""
    settings = prepare()
    from feature_repo.utc import utc_time
    from orchestration.experiments.logged import logged_exposures, logged_outcomes
    from orchestration.experiments.report import report_of
    from orchestration.experiments.tables import read_exposures, read_outcomes
    from orchestration.experiments.text import report_text
    from serving.experiments.read import YAML_NAME, read_experiment

    definition = read_experiment(definitions or settings.home / YAML_NAME, name)
    moment = utc_time("--as-of", as_of) if as_of else None
    served = "" if exposures and outcomes else released_dataset(settings, dataset)
    shown = read_exposures(exposures) if exposures else logged_exposures(settings, served, name)
    done = read_outcomes(outcomes) if outcomes else logged_outcomes(settings, served, definition)
    found = report_of(definition, shown, done, moment)
    typer.echo(json.dumps(as_data(found), indent=1) if as_json else report_text(found))


@experiment.command("traffic", epilog=f"Example: {TRAFFIC_EXAMPLE}")
def traffic(
    answers_a_day: Annotated[int, typer.Option(min=1, max=1_000_000_000, help="Answers to known users a day.")],
    share: Annotated[
        list[float] | None,
        typer.Option(help="Randomised share; may be repeated. Default: 0.005, 0.01, 0.02, 0.05."),
    ] = None,
    days: Annotated[
        list[float] | None, typer.Option(help="Days of traffic; may be repeated. Default: 1, 7, 28.")
    ] = None,
    positions: Annotated[int, typer.Option(min=2, max=100, help="First positions that are randomised.")] = 10,
    click_rate: Annotated[float, typer.Option(help="Share of the shown items that are clicked.")] = 0.05,
    examination: Annotated[
        Path | None, typer.Option(help="File with the examination by position, a number a line. Default: 1/k.")
    ] = None,
    relevance: Annotated[
        Path | None, typer.Option(help="File with the relevance by rank, a number a line. Default: 1/√k.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
    as_json: Json = False,
) -> None:
    """Simulate how precisely a share of randomised answers tells how far people look."""
    from orchestration.experiments.planted_clicks import planted_clicks
    from orchestration.experiments.traffic import DAYS, SHARES, traffic_of
    from orchestration.experiments.traffic_text import traffic_text

    _check("--share", share or [], most=1)
    _check("--days", days or [], most=3_650)
    _check("--click-rate", [click_rate], most=1)
    clicks = planted_clicks(positions, click_rate, examination, relevance)
    found = traffic_of(clicks, answers_a_day, shares=share or SHARES, days=days or DAYS, seed=seed)
    typer.echo(json.dumps([as_data(each) for each in found], indent=1) if as_json else traffic_text(clicks, found))


def _check(name: str, given: list[float], most: float) -> None:
    """Refuse numbers that are not above 0, at most a bound."""
    from feature_repo.errors import InputError

    for each in given:
        if not 0 < each <= most:
            raise InputError(f"{name} is {each:g}; wanted a number above 0, at most {most:,}")
