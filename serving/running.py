"""Services that run on a home: `services.json` has the process id and the address of each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from feature_repo.whole_file import write_text
from serving.probe import listens

FILE = "services.json"
Entries = dict[str, dict[str, Any]]
"""Process id and address of a service, as `pid` and `uri`, by its name."""


def service_name(dataset: str) -> str:
    """Name of the service that serves a dataset over HTTP."""
    return f"serve-{dataset}"


def entries(home: Path) -> Entries:
    """Read what is noted, whether it still runs or not."""
    try:
        found: Entries = json.loads((home / FILE).read_text())
    except FileNotFoundError:  # no check beforehand: a service may end at any moment
        return {}
    return found


def running(home: Path, name: str) -> str | None:
    """Return the address of a service; None unless it is alive and answers."""
    entry = entries(home).get(name)
    return entry["uri"] if entry and _alive(entry["pid"]) and listens(entry["uri"]) else None


def note(home: Path, name: str, pid: int, uri: str) -> None:
    """Note a service, unless one of its name runs already.

    Args:
        home: the home.
        name: name of the service.
        pid: its process id.
        uri: its address.
    """
    with _changed(home) as found:
        if running(home, name) is None:
            found[name] = {"pid": pid, "uri": uri}


def forget(home: Path, name: str, pid: int) -> None:
    """Forget a service that has ended; one of its name that another process noted stays."""
    with _changed(home) as found:
        if found.get(name, {}).get("pid") == pid:
            del found[name]


@contextmanager
def _changed(home: Path) -> Iterator[Entries]:
    """Yield what is noted, and write it back; without any entry there is no file."""
    from filelock import FileLock

    path = home / FILE
    with FileLock(home / f"{FILE}.lock"):
        found = entries(home)
        yield found
        if not found:
            path.unlink(missing_ok=True)
            return
        write_text(path, json.dumps(found, indent=1))  # other commands read the file at any moment


def _alive(pid: int) -> bool:
    import psutil

    return psutil.pid_exists(pid)
