"""Commands on the event log: `events forget`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from orchestration.cli.application import OPERATE, Dataset, Json, app
from orchestration.cli.home import prepare, released_dataset

events = typer.Typer(help="See to the event log.", no_args_is_help=True)
app.add_typer(events, name="events", rich_help_panel=OPERATE)


@events.command("forget", epilog="Example: gatehouse events forget 718 1228 --dry-run")
def forget(
    users: Annotated[list[str], typer.Argument(help="Ids of the users.", metavar="USER...")],
    dataset: Dataset = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what would be deleted; delete nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Delete users from the event log, the exposures and the online store: the next run does not see them."""
    settings = prepare()
    name = released_dataset(settings, dataset)
    from feature_repo.utc import present_time
    from orchestration.forgetting import forget_users, text_of

    found = forget_users(settings, name, settings.open_event_log(name), users, now=present_time(), dry_run=dry_run)
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in found], indent=1))
    else:
        typer.echo("\n".join(text_of(each, dry_run=dry_run) for each in found))
