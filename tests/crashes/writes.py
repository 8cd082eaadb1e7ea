"""Writes of a process below a folder, one after the other; before a given one the process is killed.

Python reports every change of a file to audit hooks, and SQLite every COMMIT to a trace. So the points are found, not
listed, and no line of the product knows of them.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

CHANGES = frozenset({"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate"})
TO_WRITE = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
PACKAGES = ("feature_repo", "training", "serving", "orchestration")
APART = ("dagster", "logs")
"""Folders of a home with the records of Dagster and of commands, which no release depends on."""


class Writes:
    """Writes below a folder, in order.

    Args:
        folder: the folder.
        kill_before: number of the write before which the process is killed, from 0 on; None for none.
    """

    def __init__(self, folder: Path, kill_before: int | None = None) -> None:
        self.folder, self.kill_before = folder, kill_before
        self.seen: list[str] = []
        """Place in the product and kind of each write."""

    def watch(self) -> None:
        """Watch this process until it ends: an audit hook cannot be taken back."""
        sys.addaudithook(self._audited)
        real = sqlite3.connect

        def connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
            connection = real(*arguments, **options)
            path = str(arguments[0] if arguments else options["database"]).removeprefix("file:")
            if self._is_inside(path):
                connection.set_trace_callback(self._traced(Path(path.partition("?")[0]).name))
            return connection

        sqlite3.connect = sqlite3.dbapi2.connect = connect  # type: ignore[assignment]

    def _traced(self, name: str) -> Callable[[str], None]:
        return lambda statement: self._next(f"COMMIT {name}") if statement.upper().startswith("COMMIT") else None

    def _audited(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            changes = isinstance(flags, int) and flags & TO_WRITE
        else:
            path, changes = (_full(*arguments) if event in CHANGES else None), True
            if event == "os.mkdir" and os.path.isdir(path):  # noqa: PTH112 - changes nothing; no object for each event
                return
        if changes and isinstance(path, str | os.PathLike) and self._is_inside(os.fspath(path)):
            self._next(f"{event} {Path(os.fspath(path)).suffix}")

    def _is_inside(self, path: str | bytes) -> bool:
        if isinstance(path, bytes) or not path.startswith(str(self.folder)) or path.endswith(".lock"):
            return False
        parts = Path(path).relative_to(self.folder).parts
        return not set(parts[:2]) & set(APART)

    def _next(self, what: str) -> None:
        if len(self.seen) == self.kill_before:
            os.kill(os.getpid(), signal.SIGKILL)
        self.seen.append(f"{_place()} {what}")


def _full(path: object, *more: object) -> object:
    """Path of an event; where it is relative to an open folder, as in `shutil.rmtree`, with that folder."""
    folder = more[-1] if more else None
    if isinstance(path, str) and isinstance(folder, int) and folder >= 0 and not path.startswith("/"):
        return f"{os.readlink(f'/proc/self/fd/{folder}')}/{path}"  # noqa: PTH115 - no object for each event
    return path


def _place() -> str:
    """File and line of the product that writes; of a thread of a library, that."""
    return next(_product_frames(), "library")


def _product_frames() -> Iterator[str]:
    frame = sys._getframe(2)
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        for package in PACKAGES:
            if package in path.parts and "site-packages" not in path.parts and "tests" not in path.parts:
                yield f"{'/'.join(path.parts[path.parts.index(package) :])}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
