"""Commands on a home and its services: `status`, `doctor`, `up`, `clean`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from orchestration.cli.application import FAILED, OPERATE, Dataset, Json, app
from orchestration.cli.home import prepare, released_dataset
from orchestration.cli.release import as_data

Port = Annotated[int, typer.Option(min=1, max=65535)]


@app.command("status", rich_help_panel=OPERATE)
def show_status(as_json: Json = False) -> None:
    """Show which services run, and what is on disk."""
    settings = prepare()
    from orchestration.local.status import status, status_text

    found = status(settings)
    typer.echo(json.dumps(found, indent=1) if as_json else status_text(found))


@app.command("doctor", rich_help_panel=OPERATE)
def examine_home(as_json: Json = False) -> None:
    """Name what is half-done or wrong in the home, each with the way out. It only reads."""
    settings = prepare()
    from orchestration.doctor import examine, findings_text

    findings = examine(settings)
    typer.echo(
        json.dumps([as_data(each) for each in findings], indent=1) if as_json else findings_text(settings, findings)
    )
    raise typer.Exit(FAILED if findings else 0)


@app.command("up", rich_help_panel=OPERATE)
def bring_up(
    dagster_port: Port = 3000,
    mlflow_port: Port = 5000,
    milvus_port: Port = 19530,
    serve_port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port of the service; further datasets get the next free ones.")
    ] = 8000,
) -> None:
    """Start Dagster, MLflow, Milvus Lite and the service of each dataset on loopback.

    Ctrl-C stops them all.
    """
    settings = prepare()
    from orchestration.local.services import up

    ports = {"dagster_port": dagster_port, "mlflow_port": mlflow_port, "milvus_port": milvus_port}
    up(settings, **ports, serve_port=serve_port, echo=typer.echo)


@app.command("clean", rich_help_panel=OPERATE)
def clean_home(
    keep: Annotated[
        int | None, typer.Option("--keep", min=1, help="Number of newest versions to keep [GATEHOUSE_KEEP, or 10].")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be removed; remove nothing.")] = False,
    dataset: Dataset = None,
    as_json: Json = False,
) -> None:
    """Remove old versions with their collections, files, features and folders, and old runs.

    The newest versions stay, and those that have an alias, are pinned, or are what a rollback goes to. Runs of Dagster
    go a week after their end, failed ones after a month, but for those of kept versions.
    """
    settings = prepare()
    name = released_dataset(settings, dataset)
    from orchestration.cleaning import clean, plan_cleaning
    from orchestration.cleaning_text import cleaning_text
    from serving.variables import KEEP

    plan = plan_cleaning(settings, name, keep or settings.keep or KEEP)
    if not dry_run:
        clean(settings, plan)
    typer.echo(json.dumps(as_data(plan), indent=1) if as_json else cleaning_text(plan, done=not dry_run))
