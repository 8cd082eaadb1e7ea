"""Commands on releases: `recommend`, `releases`, `promote`, `rollback`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestration.cli.application import FAILED, RELEASE, Dataset, Json, Version, app
from orchestration.cli.home import prepare, released_dataset

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
    """Recommend items to a user, by the champion."""
    if everybody == bool(user) or everybody != bool(out):
        raise typer.BadParameter("give either a user id, or --all together with --out FILE.parquet")
    settings = prepare()
    name = released_dataset(settings, dataset)
    from feature_repo.utc import utc_time
    from orchestration.recommend_all import recommend_all
    from orchestration.reporting.text import recommendations_text
    from serving.open import open_retriever

    moment = utc_time("--at", at) if at else None
    if out:
        rows = recommend_all(settings, name, k, where, out, at=moment)
        typer.echo(json.dumps({"rows": rows, "file": str(out)}) if as_json else f"{rows:,} rows in {out}")
        return
    with open_retriever(settings, name) as retriever:
        answer = retriever.recommend(str(user), k, where, at=moment)
    typer.echo(json.dumps(as_data(answer), indent=1) if as_json else recommendations_text(answer))


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
    dataset: Dataset = None,
    as_json: Json = False,
) -> None:
    """Make a version the champion, if its verdict is passed or a reason is given."""
    settings = prepare()
    from serving.release.promotion import promote as move

    manifest = move(settings, released_dataset(settings, dataset), version, override_reason=override)
    _moved(manifest.dataset, manifest.version, as_json)


@app.command(rich_help_panel=RELEASE)
def rollback(dataset: Dataset = None, as_json: Json = False) -> None:
    """Make the version that served before the champion champion again."""
    settings = prepare()
    from serving.release.promotion import rollback as move

    manifest = move(settings, released_dataset(settings, dataset), warn=lambda text: typer.echo(text, err=True))
    _moved(manifest.dataset, manifest.version, as_json)


@app.command(rich_help_panel=RELEASE)
def verify(version: Version, dataset: Dataset = None, as_json: Json = False) -> None:
    """Recompute what a version's manifest says, and name each mismatch."""
    settings = prepare()
    name = released_dataset(settings, dataset)
    from orchestration.verification import HELD, NOT_HERE, verify_version

    found = verify_version(settings, name, version)
    lines = (f"{check:<11} {result}" for check, result in found.items())
    typer.echo(json.dumps(found, indent=1) if as_json else "\n".join(lines))
    raise typer.Exit(0 if set(found.values()) <= {HELD, NOT_HERE} else FAILED)


def as_data(value: Any) -> dict[str, Any]:
    """JSON-able data of a frozen dataclass, with times as ISO strings."""
    from dataclasses import asdict

    data: dict[str, Any] = json.loads(json.dumps(asdict(value), default=str))
    return data


def _moved(dataset: str, version: int, as_json: bool) -> None:
    """Print the new champion.

    Args:
        dataset: its dataset.
        version: its version.
        as_json: whether to print JSON.
    """
    typer.echo(json.dumps({"dataset": dataset, "champion": version}) if as_json else f"champion: {dataset} v{version}")
