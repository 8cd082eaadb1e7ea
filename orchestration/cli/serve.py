"""Command of the service: `serve`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from orchestration.cli.application import OPERATE, app
from orchestration.cli.home import prepare, released_dataset

SERVE_EXAMPLES = "gatehouse serve  |  gatehouse serve --host 0.0.0.0 --token-file token.txt"
ACCESS, RELEASE = "Access", "Release"


@app.command(rich_help_panel=OPERATE, epilog=f"Examples: {SERVE_EXAMPLES}")
def serve(
    dataset: Annotated[
        str | None, typer.Option(help="Dataset. Default: that of the last run.", rich_help_panel=RELEASE)
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.", rich_help_panel=ACCESS)] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port; 0 for any free one.", rich_help_panel=ACCESS)
    ] = 8000,
    token_file: Annotated[
        Path | None, typer.Option(help="File of the bearer token; needed for other hosts.", rich_help_panel=ACCESS)
    ] = None,
    no_consumer: Annotated[
        bool,
        typer.Option(
            "--no-consumer", help="Leave it to another service to bring events online.", rich_help_panel=RELEASE
        ),
    ] = False,
) -> None:
    """Serve the champion over HTTP, and follow it. Ctrl-C finishes what runs, and ends it."""
    settings = prepare()
    name = released_dataset(settings, dataset)
    from serving.http.server import serve as run

    run(
        settings,
        name,
        host=host,
        port=port,
        token_file=token_file,
        consumer=not no_consumer,
        environ=os.environ,
        echo=typer.echo,
    )
