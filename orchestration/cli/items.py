"""Commands on items between two runs: `items add`, `items hide`, `items show`, `items list`."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli.application import OPERATE, Dataset, Json, app
from orchestration.cli.home import prepare, released_dataset

if TYPE_CHECKING:
    from serving.settings import Settings

ADD_EXAMPLE = "gatehouse items add new_items.jsonl"
HIDE_EXAMPLE = "gatehouse items hide 1029743 1082185"

items = typer.Typer(help="Add items to the release that serves, and hide some.", no_args_is_help=True)
app.add_typer(items, name="items", rich_help_panel=OPERATE)

Ids = Annotated[list[str], typer.Argument(metavar="ITEM...", help="Ids of items.")]


@items.command("add", epilog=f"Example: {ADD_EXAMPLE}")
def add(
    file: Annotated[Path, typer.Argument(help="Parquet, CSV or JSON lines: item_id and the features by name.")],
    dataset: Dataset = None,
    as_json: Json = False,
) -> None:
    """Add items with their features: all of a file, or none.

    Services of this home answer them within seconds, and the next run trains with them.
    """
    settings = prepare()
    name = released_dataset(settings, dataset)
    from feature_repo.items.files import read_items
    from feature_repo.items.store import Outcome
    from feature_repo.schema import Schema
    from feature_repo.utc import present_time
    from serving.registry.sqlite import open_registry
    from serving.release.load import champion_of

    registry = open_registry(settings, name)
    schema = Schema.from_json(registry.read_file(champion_of(registry), "schema.json"))
    found, unused = read_items(file, schema)
    outcomes, _ = settings.open_item_store(name).put(found, present_time())
    counts = Counter(outcomes)
    told = {outcome.value: counts[outcome] for outcome in Outcome}
    if unused:
        typer.echo(f"note: no feature is named after the columns {', '.join(unused)}", err=True)
    text = ", ".join(f"{count:,} {outcome}" for outcome, count in told.items())
    typer.echo(json.dumps({"dataset": name, **told}) if as_json else f"{name}: {text}")


@items.command("hide", epilog=f"Example: {HIDE_EXAMPLE}")
def hide(ids: Ids, dataset: Dataset = None, as_json: Json = False) -> None:
    """Keep items out of all answers, from the next one on, until they are shown again."""
    settings = prepare()
    name = released_dataset(settings, dataset)
    from feature_repo.utc import present_time

    _check_known(settings, name, ids)
    store = settings.open_item_store(name)
    store.hide(ids, present_time())
    _tell(name, len(store.hidden()), as_json)


@items.command("show")
def show(ids: Ids, dataset: Dataset = None, as_json: Json = False) -> None:
    """Answer hidden items again, from the next answer on."""
    settings = prepare()
    name = released_dataset(settings, dataset)
    store = settings.open_item_store(name)
    hidden = store.hidden()
    _check_known(settings, name, [id_ for id_ in ids if id_ not in hidden])
    store.show(ids)
    _tell(name, len(store.hidden()), as_json)


@items.command("list")
def show_list(dataset: Dataset = None, as_json: Json = False) -> None:
    """List new and hidden items, with the time of each."""
    settings = prepare()
    name = released_dataset(settings, dataset)
    store = settings.open_item_store(name)
    new = {each.item.item_id: each.arrived for each in store.read()}
    lists = {"new": new, "hidden": store.hidden()}
    told = {kind: {id_: time.isoformat() for id_, time in found.items()} for kind, found in lists.items()}
    if as_json:
        typer.echo(json.dumps({"dataset": name, **told}, indent=1))
        return
    for kind, found in told.items():
        for id_, time in found.items():
            typer.echo(f"{kind:<7} since {time[:19]}  {id_}")
    typer.echo(f"{name}: {len(told['new']):,} new, {len(told['hidden']):,} hidden")


def _check_known(settings: Settings, dataset: str, ids: list[str]) -> None:
    """Raise LookupError for an id that neither the champion nor the item store has."""
    if not ids:
        return
    from serving.known_items import known_items, unknown_item

    known = known_items(settings, dataset)
    there = set(known)
    for id_ in ids:
        if id_ not in there:
            raise LookupError(unknown_item(id_, known))


def _tell(dataset: str, hidden: int, as_json: bool) -> None:
    """Print how many items are hidden.

    Args:
        dataset: their dataset.
        hidden: number of hidden items.
        as_json: whether to print JSON.
    """
    text = f"{dataset}: {hidden:,} items are hidden"
    typer.echo(json.dumps({"dataset": dataset, "hidden": hidden}) if as_json else text)
