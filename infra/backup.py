"""Backup of all that cannot be computed again, and its return.

    python -m infra.backup save FOLDER
    python -m infra.backup restore FOLDER

What is where comes from the GATEHOUSE_* variables: the databases in Postgres, the bucket
of artifacts, and the home. Redis is not among them: a run fills it. No run may be at work.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from feature_repo.whole_file import write_text
from infra import bucket
from serving.settings import Settings

COMPLETE = "complete.json"
"""File that a save writes last: the home that it is of."""
PASSING = ("logs", "services.json")
"""What a home has for the time being only."""
SQLITE = b"SQLite format 3\0"


def main(action: str, folder: Path) -> None:
    """Save or restore, and print each part.

    Args:
        action: `save` or `restore`.
        folder: folder of the backup.

    Raises:
        SystemExit: another action was asked for.
        FileExistsError: a backup or a home is there already.
        FileNotFoundError: there is nothing to save, or to restore from.
    """
    if action not in ("save", "restore"):
        raise SystemExit(__doc__)
    settings = Settings.from_environment(os.environ)
    target = folder if action == "save" else settings.home
    if is_filled(target):
        raise FileExistsError(f"{target} is not empty: nothing is overwritten")
    # Else a folder that is named wrongly would end as a backup of nothing, every night.
    if action == "save" and not is_filled(settings.home):
        raise FileNotFoundError(f"{settings.home} holds no home: GATEHOUSE_HOME names what is saved")
    if action == "restore":
        check_backup(settings, folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, uri in databases(settings).items():
        (dump if action == "save" else refill)(uri, folder / f"{name}.dump")
        _tell(f"database {name}")
    if settings.artifacts:
        bucket.main("save" if action == "save" else "load", settings.artifacts, str(folder / "bucket"))
    source = settings.home if action == "save" else folder / "home"
    copy_home(source, folder / "home" if action == "save" else settings.home)
    if action == "save":
        write_text(folder / COMPLETE, json.dumps({"home": str(settings.home)}))
    _tell("home")


def check_backup(settings: Settings, folder: Path) -> None:
    """Raise FileNotFoundError unless a folder has all that these settings ask to restore."""
    parts = {"home": is_filled(folder / "home")}
    parts |= {f"{name}.dump": (folder / f"{name}.dump").is_file() for name in databases(settings)}
    parts |= {"bucket": (folder / "bucket").is_dir()} if settings.artifacts else {}
    if missing := [name for name, is_there in parts.items() if not is_there]:
        raise FileNotFoundError(f"{folder} is no backup of these settings: it has no {', '.join(missing)}")
    note = folder / COMPLETE
    if not note.is_file():
        raise FileNotFoundError(
            f"{folder} has no {COMPLETE}: its `save` was interrupted, and not all may be there. One of an earlier"
            f' Gatehouse has none either: write {{"home": "{settings.home}"}} into it if that is its home'
        )
    saved = json.loads(note.read_text())["home"]
    # MLflow notes where the files of a version lie, in full.
    if not settings.artifacts and saved != str(settings.home):
        raise FileNotFoundError(f"{folder} is of the home {saved}: restore it there, GATEHOUSE_HOME is {settings.home}")


def is_filled(folder: Path) -> bool:
    """Whether a folder is there and holds anything."""
    return folder.is_dir() and any(folder.iterdir())


def databases(settings: Settings) -> Mapping[str, str]:
    """Addresses of the databases in Postgres, by the name of what they hold, as its own programs take them."""
    found = {"mlflow": settings.mlflow_uri, "features": settings.feature_registry, "dagster": settings.dagster_storage}
    return {
        name: f"postgresql://{uri.partition('://')[2]}"
        for name, uri in found.items()
        if uri and uri.startswith("postgresql")
    }


def dump(uri: str, file: Path) -> None:
    """Dump a database into a file, as of one moment."""
    _run("pg_dump", ["--format=custom", f"--file={file}"], uri)


def refill(uri: str, file: Path) -> None:
    """Give a database the content of a dump; what it held is dropped."""
    _run("pg_restore", ["--clean", "--if-exists", "--no-owner", "--single-transaction", str(file)], uri)


def _run(name: str, options: Sequence[str], uri: str) -> None:
    """Run a program of Postgres on a database.

    Args:
        name: its name.
        options: its options.
        uri: address of the database.

    Raises:
        RuntimeError: it failed; it has said why on standard error.
    """
    # A password in a command's arguments stands in the list of processes, and in the text of an error.
    address = urlsplit(uri)
    secret, place = {}, uri
    if address.password:
        secret = {"PGPASSWORD": unquote(address.password)}
        place = urlunsplit(address._replace(netloc=f"{address.username}@{address.netloc.rpartition('@')[2]}"))
    ended = subprocess.run([program(name), *options, f"--dbname={place}"], env={**os.environ, **secret}, check=False)
    if ended.returncode:
        raise RuntimeError(f"{name} failed with {ended.returncode} on {place}")


def program(name: str) -> str:
    """Path of one of Postgres's programs: that on the PATH, else the newest of Debian's folders."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return shutil.which(name) or str(found[0] if found else name)


def copy_home(source: Path, target: Path) -> None:
    """Copy a home; a database of SQLite as of one moment, even while it is written."""
    skipped = {source / name for name in PASSING}
    for path in sorted(source.rglob("*")):
        copy = target / path.relative_to(source)
        if skipped & {path, *path.parents} or path.name.endswith(("-wal", "-shm", ".lock")):
            continue
        if path.is_dir():
            copy.mkdir(parents=True, exist_ok=True)
        elif path.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            (_copy_sqlite if is_sqlite(path) else shutil.copy2)(path, copy)


def is_sqlite(path: Path) -> bool:
    """Whether a file is a database of SQLite."""
    with path.open("rb") as file:
        return file.read(len(SQLITE)) == SQLITE


def _copy_sqlite(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as found, closing(sqlite3.connect(target)) as copy:
        found.backup(copy)


def _tell(part: str) -> None:
    print(part, flush=True)  # noqa: T201


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    try:
        main(sys.argv[1], Path(sys.argv[2]))
    except (FileExistsError, FileNotFoundError, RuntimeError) as error:
        raise SystemExit(f"backup: {error}") from error
