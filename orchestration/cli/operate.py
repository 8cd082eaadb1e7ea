"""Commands on the services of a home: `status`, `up`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from orchestration.cli.application import OPERATE, Json, app
from orchestration.cli.home import prepare

Port = Annotated[int, typer.Option(min=1, max=65535)]


@app.command("status", rich_help_panel=OPERATE)
def show_status(as_json: Json = False) -> None:
    """Show which services run, and what is on disk."""
    settings = prepare()
    from orchestration.local.status import status, status_text

    found = status(settings)
    typer.echo(json.dumps(found, indent=1) if as_json else status_text(found))


@app.command("up", rich_help_panel=OPERATE)
def bring_up(dagster_port: Port = 3000, mlflow_port: Port = 5000, milvus_port: Port = 19530) -> None:
    """Start Dagster, MLflow and the Milvus Lite server on loopback.

    Ctrl-C stops them all.
    """
    settings = prepare()
    from orchestration.local.services import up

    up(settings, dagster_port=dagster_port, mlflow_port=mlflow_port, milvus_port=milvus_port, echo=typer.echo)
