"""Application of the commands: help, exit codes, and errors as one line."""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated, Any, NoReturn

import typer

START, RELEASE, OPERATE = "Start", "Release", "Operate"
"""Groups of commands in the help."""
FAILED = 1
"""Exit code of an error that a user can act on. Wrong arguments end with 2, Click's
code."""
NOT_PROMOTED = 3
"""Exit code of a completed run whose version did not pass the gate."""
INTERRUPTED = 130
"""Exit code after Ctrl-C or SIGTERM."""
SERVICES = {
    "mlflow": "the registry in MLflow",
    "pymilvus": "the item index in Milvus",
    "redis": "the online store in Redis",
    "psycopg": "a database in Postgres",
    "sqlalchemy": "a database",
    "sqlite3": "a database",
    "botocore": "the store of files in S3",
}
"""Services by the package that raises their errors, which are none of Gatehouse's."""
ORDER = (
    "run",
    "init",
    "recommend",
    "releases",
    "promote",
    "rollback",
    "pin",
    "verify",
    "seeds",
    "serve",
    "status",
    "doctor",
    "up",
    "events",
    "items",
    "experiment",
    "replay",
    "clean",
)
"""Commands in the order of the help."""

Dataset = Annotated[str | None, typer.Option(help="Dataset of the release. Default: that of the last run.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Version = Annotated[int, typer.Argument(min=1, help="A version that `gatehouse releases` lists.")]


class Commands(typer.core.TyperGroup):
    """Group of commands that suggests the nearest word for an unknown one.

    Ctrl-C ends a command with one line.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """List the commands in the order of the help."""
        return sorted(super().list_commands(ctx), key=ORDER.index)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that the first argument names."""
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            from feature_repo.errors import unknown_name

            ctx.fail(unknown_name("command", args[0], self.list_commands(ctx)))
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            fail("interrupted; the same command resumes from the last finished step", INTERRUPTED)


app = typer.Typer(
    help="Two-tower candidate retrieval whose releases earn their promotion.",
    epilog=(
        "A first release: `gatehouse run`. Your own data: `gatehouse init DIR`, then `gatehouse run --data DIR`. Exit"
        " codes: 0 done, 1 failed, 2 wrong arguments, 3 judged but not promoted, 130 interrupted."
    ),
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Entry point: errors that a user can act on end as one line.

    The log has their traceback. All other errors end with a traceback.
    """
    from feature_repo.errors import InputError

    try:
        app()
    except (InputError, LookupError, RuntimeError, ValueError, OSError) as error:
        # Both are LookupErrors too, but a user cannot act on them.
        if os.environ.get("GATEHOUSE_TRACEBACK") or isinstance(error, KeyError | IndexError):
            raise
        logging.getLogger(__name__).info("the command failed", exc_info=True)
        fail(str(error))
    except Exception as error:
        service = SERVICES.get(type(error).__module__.partition(".")[0])
        if service is None or os.environ.get("GATEHOUSE_TRACEBACK"):
            raise
        logging.getLogger(__name__).info("the command failed", exc_info=True)
        said = next(iter(str(error).strip().splitlines()), type(error).__name__)
        fail(f"{service} failed: {said}; `gatehouse doctor` names services that are away and disks that are full")


def fail(message: str, code: int = FAILED) -> NoReturn:
    """End the process with one line on standard error."""
    typer.echo(f"gatehouse: {message}", err=True)
    sys.exit(code)
