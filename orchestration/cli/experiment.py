"""Commands on experiments: `experiment report`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from orchestration.cli.application import OPERATE, Dataset, Json, app
from orchestration.cli.home import prepare, released_dataset
from orchestration.cli.release import as_data

EXAMPLE = "gatehouse experiment report newer-towers"

experiment = typer.Typer(help="Compare versions on users: reports of experiments.", no_args_is_help=True)
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
