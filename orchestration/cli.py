"""The command `gatehouse`. Heavy imports stay inside the commands: `gatehouse --help` answers at once."""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from serving.settings import Settings


class NearestWord(typer.core.TyperGroup):
    """Commands, with the nearest right word for a wrong one."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            from feature_repo.errors import unknown_name

            ctx.fail(unknown_name("command", args[0], self.list_commands(ctx)))
        return super().resolve_command(ctx, args)


START, RELEASE, OPERATE = "Start", "Release", "Operate"
"""Groups of commands in the help."""

app = typer.Typer(
    help="Two-tower candidate retrieval whose releases earn their promotion.",
    epilog="A first release: `gatehouse run`. Your own data: `gatehouse init DIR`, then `gatehouse run --data DIR`.",
    cls=NearestWord,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

NOT_PROMOTED = 3
"""Exit code of a run that ended well but whose version did not pass the gate."""
INTERRUPTED = 130

Dataset = Annotated[str | None, typer.Option(help="Dataset of the release. Default: that of the last run.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Version = Annotated[int, typer.Argument(min=1, help="A version that `gatehouse releases` lists.")]


def main() -> None:
    """Entry point: errors that a user can act on end as one line, the traceback in the log; others as a traceback."""
    from feature_repo.errors import InputError

    try:
        app()
    except (InputError, LookupError, RuntimeError, ValueError, OSError) as error:
        if os.environ.get("GATEHOUSE_TRACEBACK") or isinstance(error, KeyError | IndexError):
            raise
        logging.getLogger(__name__).info("the command failed", exc_info=True)
        fail(str(error))


def fail(message: str, code: int = 1) -> NoReturn:
    typer.echo(f"gatehouse: {message}", err=True)
    sys.exit(code)


@app.command(rich_help_panel=START)
def run(
    dataset: Annotated[str | None, typer.Option(help="completejourney, tiny, movielens or own.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of the raw files, where you bring them.")] = None,
    as_of: Annotated[
        str | None, typer.Option(help="Use data up to this time (ISO 8601, UTC). Default: the newest event.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    recipe: Annotated[str, typer.Option(help="A named recipe of training/recipes.")] = "base",
    device: Annotated[str, typer.Option(help="Where the towers are trained: cpu, cuda, cuda:1.")] = "cpu",
    retrain: Annotated[bool, typer.Option("--retrain", help="Train a challenger although the input is known.")] = False,
    update: Annotated[
        str | None,
        typer.Option(
            metavar="VERSION",
            help="Incremental update of a release's ids: champion, or 7.",
        ),
    ] = None,
    warm_start: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Full retraining, initialised from a release: champion, or 7.")
    ] = None,
    baselines: Annotated[
        str, typer.Option(help="Baselines to measure beside the gate's: plain (the cheap ones), all, or names.")
    ] = "plain",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read, check and plan; write nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Take a log to a judged and, if it earns it, promoted release. Exit code 3: judged, but not promoted."""
    config = {"dataset": dataset or guess_dataset(data), "data": str(data) if data else None, "as_of": as_of}
    config |= {"update": update, "warm_start": warm_start}
    options = {"seed": seed, "recipe": recipe, "device": device, "retrain": retrain, "baselines": baselines}
    if dry_run:
        return show_plan(config | options, as_json)
    settings = prepare()
    if not as_json:
        told = " ".join(f"{name}={value}" for name, value in (config | options).items() if value)
        typer.echo(f"run {told} in {settings.home}; Ctrl-C keeps every finished step", err=True)
    from orchestration.pipeline import run_pipeline
    from orchestration.reporting.report import run_report, run_summary

    try:
        judged = run_pipeline(config | options, quiet=as_json)
    except KeyboardInterrupt:
        fail("interrupted; the same command goes on from the last finished step", INTERRUPTED)
    summary = run_summary(settings, judged)
    (settings.home / "current").write_text(judged.version.source.dataset)
    if as_json:
        typer.echo(json.dumps(summary, indent=1))
    else:
        run_report(settings, judged, summary)
    raise typer.Exit(0 if summary["outcome"] == "passed" else NOT_PROMOTED)


@app.command(rich_help_panel=RELEASE)
def recommend(
    user: Annotated[str | None, typer.Argument(help="User id. Leave out with --all.")] = None,
    k: Annotated[int, typer.Option("-k", min=1, max=16_384, help="How many items.")] = 20,
    where: Annotated[str | None, typer.Option(help="Filter, such as 'department == \"GROCERY\"'.")] = None,
    everybody: Annotated[bool, typer.Option("--all", help="Every user, in batches; needs --out.")] = False,
    out: Annotated[Path | None, typer.Option(help="Parquet file for --all.")] = None,
    dataset: Dataset = None,
    as_json: Json = False,
) -> None:
    """Recommend items to a user, by the champion: `gatehouse recommend 718 -k 20`."""
    if everybody == bool(user) or everybody != bool(out):
        raise typer.BadParameter("give either a user id, or --all together with --out FILE.parquet")
    settings = prepare()
    name = dataset or current_dataset(settings)
    from orchestration.recommend_all import recommend_all
    from orchestration.reporting.text import recommendations_text
    from serving.open import open_retriever

    if out:
        rows = recommend_all(settings, name, k, where, out)
        typer.echo(json.dumps({"rows": rows, "file": str(out)}) if as_json else f"{rows:,} rows in {out}")
        return
    with open_retriever(settings, name) as retriever:
        answer = retriever.recommend(str(user), k, where)
    typer.echo(json.dumps(as_data(answer), indent=1) if as_json else recommendations_text(answer))


@app.command(rich_help_panel=START)
def init(folder: Annotated[Path, typer.Argument(help="Folder with your events, users and items.")]) -> None:
    """Look at your files and write gatehouse.yaml, for you to correct."""
    from feature_repo.datasets.init_config import init_folder

    path = init_folder(folder)
    typer.echo(f"wrote {path}: read it, correct it, then run\n  gatehouse run --data {folder}")


@app.command(rich_help_panel=RELEASE)
def releases(dataset: Dataset = None, as_json: Json = False) -> None:
    """List all versions: their metrics, their verdicts, the champion."""
    settings = prepare()
    name = dataset or current_dataset(settings)
    from orchestration.reporting.text import releases_text
    from serving.registry import Registry

    versions = Registry(settings, name).versions()
    typer.echo(json.dumps([as_data(each) for each in versions], indent=1) if as_json else releases_text(versions))


@app.command(rich_help_panel=RELEASE)
def promote(
    version: Version,
    override: Annotated[
        str | None, typer.Option(help="Promote although the gate did not pass it: your reason.")
    ] = None,
    dataset: Dataset = None,
    as_json: Json = False,
) -> None:
    """Make a version the champion. Refused unless its own verdict is passed, or a reason is given."""
    settings = prepare()
    from serving.release.promotion import promote as move

    manifest = move(settings, dataset or current_dataset(settings), version, override_reason=override)
    _moved(manifest.dataset, manifest.version, as_json)


@app.command(rich_help_panel=RELEASE)
def rollback(dataset: Dataset = None, as_json: Json = False) -> None:
    """Make the champion's predecessor champion again."""
    settings = prepare()
    from serving.release.promotion import rollback as move

    manifest = move(settings, dataset or current_dataset(settings))
    _moved(manifest.dataset, manifest.version, as_json)


@app.command("status", rich_help_panel=OPERATE)
def show_status(as_json: Json = False) -> None:
    """Show which services run, and what is on disk."""
    settings = prepare()
    from orchestration.local.status import status, status_text

    found = status(settings)
    typer.echo(json.dumps(found, indent=1) if as_json else status_text(found))


@app.command("up", rich_help_panel=OPERATE)
def bring_up(
    dagster_port: Annotated[int, typer.Option(min=1, max=65535)] = 3000,
    mlflow_port: Annotated[int, typer.Option(min=1, max=65535)] = 5000,
    milvus_port: Annotated[int, typer.Option(min=1, max=65535)] = 19530,
) -> None:
    """Start Dagster, MLflow and the Milvus Lite server on loopback. Ctrl-C stops them all."""
    settings = prepare()
    from orchestration.local.services import up

    up(settings, dagster_port=dagster_port, mlflow_port=mlflow_port, milvus_port=milvus_port, echo=typer.echo)


def show_plan(config: dict[str, Any], as_json: bool) -> None:
    """Print what a run would do, and write nothing."""
    from orchestration.plan import plan_data, plan_run, plan_text
    from orchestration.workspace import Workspace

    planned = plan_data(plan_run(Workspace(**{name: value for name, value in config.items() if value is not None})))
    typer.echo(json.dumps(planned, indent=1) if as_json else plan_text(planned))


def prepare() -> Settings:
    """Settings from the environment, and the home folder ready for use."""
    from orchestration.local.home import log_to_file, prepare_home
    from serving.settings import Settings

    settings = Settings.from_environment(os.environ)
    prepare_home(settings)
    log_to_file(settings)
    logging.captureWarnings(True)  # those of the packages; nothing that a user could act on
    return settings


def guess_dataset(data: Path | None) -> str:
    """Without --dataset: the default one, or the user's own if the folder has a gatehouse.yaml, or MovieLens."""
    from feature_repo.errors import InputError

    if data is None:
        return "completejourney"
    if not data.is_dir():
        raise InputError(f"--data {data}: no such folder")
    return "own" if (data / "gatehouse.yaml").exists() else "movielens"


def current_dataset(settings: Settings) -> str:
    """The dataset of the last run. LookupError before the first."""
    path = settings.home / "current"
    if not path.exists():
        raise LookupError(f"nothing was run yet in {settings.home}: `gatehouse run` comes first")
    return path.read_text().strip()


def as_data(value: Any) -> dict[str, Any]:
    """A frozen dataclass as JSON-able data; times as ISO strings."""
    from dataclasses import asdict

    data: dict[str, Any] = json.loads(json.dumps(asdict(value), default=str))
    return data


def _moved(dataset: str, version: int, as_json: bool) -> None:
    typer.echo(json.dumps({"dataset": dataset, "champion": version}) if as_json else f"champion: {dataset} v{version}")


if __name__ == "__main__":
    main()
