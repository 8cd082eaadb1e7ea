"""Commands on releases: `recommend`, `releases`, `promote`, `rollback`, `pin`, `verify`, `seeds`."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration.cli.application import FAILED, RELEASE, Dataset, Json, Version, app
from orchestration.cli.home import prepare, released_dataset

if TYPE_CHECKING:
    from serving.answer import Recommendations
    from serving.release.manifest import Manifest
    from serving.settings import Settings

OldFeatures = Annotated[
    bool, typer.Option("--old-features", help="Move at once, however old the version's online features are.")
]
RECOMMEND_EXAMPLES = "gatehouse recommend 718 -k 10  |  gatehouse recommend --all --out recommendations.parquet"


@app.command(rich_help_panel=RELEASE, epilog=f"Examples: {RECOMMEND_EXAMPLES}")
def recommend(
    user: Annotated[str | None, typer.Argument(help="User id. Leave out with --all.")] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Number of items.")] = 20,
    where: Annotated[str | None, typer.Option(help="Filter, such as 'department == \"GROCERY\"'.")] = None,
    everybody: Annotated[bool, typer.Option("--all", help="Every user, in batches; needs --out.")] = False,
    out: Annotated[Path | None, typer.Option(help="Parquet file for --all.")] = None,
    at: Annotated[str | None, typer.Option(help="Time of the request, ISO in UTC; by default the present.")] = None,
    dataset: Dataset = None,
    as_json: Json = False,
) -> None:
    """Recommend items to a user, by the champion.

    The service answers where one runs on this home; else, and with --at or --all, this command does.
    """
    if everybody == bool(user) or everybody != bool(out):
        raise typer.BadParameter("give either a user id, or --all together with --out FILE.parquet")
    settings = prepare()
    name = released_dataset(settings, dataset)
    from feature_repo.utc import utc_time
    from orchestration.reporting.text import recommendations_text

    moment = utc_time("--at", at) if at else None
    if out:
        from orchestration.recommend_all import recommend_all

        rows = recommend_all(settings, name, k, where, out, at=moment)
        typer.echo(json.dumps({"rows": rows, "file": str(out)}) if as_json else f"{rows:,} rows in {out}")
        return
    answer, by = _answer(settings, name, str(user), k, where, moment)
    override = _override(settings, name, answer.version)
    if as_json:
        typer.echo(json.dumps(as_data(answer) | {"override": override, "answered_by": by}, indent=1))
    else:
        typer.echo(f"{recommendations_text(answer, override)}\nanswered by {by}")


def _override(settings: Settings, dataset: str, version: int) -> str | None:
    """Reason by which the version of an answer serves against the gate; None without one.

    A service answers without MLflow: where that is away, this is said instead.
    """
    from serving.registry.connection import MlflowAwayError
    from serving.registry.override import override_of
    from serving.registry.sqlite import open_registry

    try:
        return override_of(open_registry(settings, dataset), version)
    except MlflowAwayError as error:
        typer.echo(f"note: whether it serves by an override is not known: {error}", err=True)
        return None


def _answer(
    settings: Settings, dataset: str, user: str, k: int, where: str | None, at: datetime | None
) -> tuple[Recommendations, str]:
    """Ask the service of a home, else the champion itself; also say which of them has answered.

    Args:
        settings: the home.
        dataset: name of the dataset.
        user: the user.
        k: number of items.
        where: filter; None for all items.
        at: time of the request, which no service takes; None for the present.
    """
    from orchestration.local.running_service import NoAnswerError, ask_service

    reason = "--at was given"
    if at is None:
        try:
            answer, address = ask_service(settings, dataset, user, k, where, os.environ)
        except NoAnswerError as error:
            reason = str(error)
        else:
            return answer, f"the service at {address}"
    from serving.open import open_retriever

    with open_retriever(settings, dataset) as retriever:
        return retriever.recommend(user, k, where, at=at), f"this command: {reason}"


@app.command(rich_help_panel=RELEASE)
def releases(dataset: Dataset = None, as_json: Json = False) -> None:
    """List all versions with their metrics and verdicts, and the champion."""
    settings = prepare()
    name = released_dataset(settings, dataset)
    from orchestration.reporting.text import releases_text
    from serving.registry.sqlite import open_registry

    found = open_registry(settings, name).listing()
    versions = found.versions
    typer.echo(json.dumps([as_data(each) for each in versions], indent=1) if as_json else releases_text(versions))
    for skipped in found.skipped:
        typer.echo(f"note: {skipped}", err=True)


@app.command(rich_help_panel=RELEASE)
def promote(
    version: Version,
    override: Annotated[
        str | None, typer.Option(help="Reason to promote a version that the gate did not pass.")
    ] = None,
    old_features: OldFeatures = False,
    dataset: Dataset = None,
    as_json: Json = False,
) -> None:
    """Make a version the champion, if its verdict is passed or a reason is given.

    Its online features are brought up to date first.
    """
    settings = prepare()
    name = released_dataset(settings, dataset)
    from orchestration.champion_moves import promote_on_purpose

    manifest = promote_on_purpose(
        settings, name, version, override_reason=override, old_features=old_features, tell=_say
    )
    _moved(settings, manifest, as_json)


@app.command(rich_help_panel=RELEASE)
def rollback(old_features: OldFeatures = False, dataset: Dataset = None, as_json: Json = False) -> None:
    """Make the version that served before the champion champion again.

    Its online features are brought up to date first.
    """
    settings = prepare()
    name = released_dataset(settings, dataset)
    from orchestration.champion_moves import roll_back

    manifest = roll_back(settings, name, old_features=old_features, tell=_say)
    _moved(settings, manifest, as_json)


@app.command("pin", rich_help_panel=RELEASE)
def pin_version(
    version: Version,
    reason: Annotated[str, typer.Option(help="Reason, which `gatehouse clean` repeats.")] = "",
    off: Annotated[bool, typer.Option("--off", help="Let the version be removed again.")] = False,
    dataset: Dataset = None,
    as_json: Json = False,
) -> None:
    """Keep a version from `gatehouse clean`, whatever its age."""
    settings = prepare()
    name = released_dataset(settings, dataset)
    from serving.registry import Registry
    from serving.release.retention import pin, unpin

    registry = Registry(settings, name)
    if off:
        unpin(registry, version)
    else:
        pin(registry, version, reason)
    done = {"dataset": name, "version": version, "pinned": not off}
    typer.echo(json.dumps(done) if as_json else f"{name} v{version}: {'no longer pinned' if off else 'pinned'}")


@app.command(rich_help_panel=RELEASE)
def verify(version: Version, dataset: Dataset = None, as_json: Json = False) -> None:
    """Recompute what a version's manifest says, and name each mismatch."""
    settings = prepare()
    name = released_dataset(settings, dataset)
    from orchestration.verification import is_good, verify_version

    found = verify_version(settings, name, version)
    lines = (f"{check:<11} {result}" for check, result in found.items())
    typer.echo(json.dumps(found, indent=1) if as_json else "\n".join(lines))
    raise typer.Exit(0 if all(map(is_good, found.values())) else FAILED)


@app.command("seeds", rich_help_panel=RELEASE)
def take_over_seeds(
    home: Annotated[Path, typer.Argument(help="Home folder in which the dataset was run with two seeds.")],
    dataset: Dataset = None,
    as_json: Json = False,
) -> None:
    """Take over what another seed changes, as another home has measured it, for later reports."""
    settings = prepare()
    name = released_dataset(settings, dataset)
    from feature_repo.errors import InputError
    from orchestration.other_seeds import take_over
    from serving.registry.sqlite import is_made, open_registry
    from serving.settings import Settings

    other = Settings.from_environment({"GATEHOUSE_HOME": str(home)})
    if not is_made(other):
        raise InputError(f"{other.home}: no home with versions; wanted one in which {name} was run with two seeds")
    noise = take_over(open_registry(other, name), open_registry(settings, name))
    typer.echo(json.dumps(as_data(noise), indent=1) if as_json else str(noise))


def as_data(value: Any) -> dict[str, Any]:
    """JSON-able data of a frozen dataclass, with times as ISO strings."""
    from dataclasses import asdict

    data: dict[str, Any] = json.loads(json.dumps(asdict(value), default=str))
    return data


def _say(text: str) -> None:
    """Print a line beside the result."""
    typer.echo(text, err=True)


def _moved(settings: Settings, manifest: Manifest, as_json: bool) -> None:
    """Print the new champion, and by which override it serves.

    Args:
        settings: the home.
        manifest: its manifest.
        as_json: whether to print JSON.
    """
    override = _override(settings, manifest.dataset, manifest.version)
    facts = {"dataset": manifest.dataset, "champion": manifest.version, "override": override}
    by = f", by an override: {override}" if override is not None else ""
    typer.echo(json.dumps(facts) if as_json else f"champion: {manifest.dataset} v{manifest.version}{by}")
