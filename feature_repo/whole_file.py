"""Files that are there whole or not at all, for readers of other processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a path to write to; what is there at the end takes the name of `path`.

    Each writer has a path of its own: of several, the last one's file stays. A block that fails leaves the former
    file, and nothing beside it.
    """
    partial = path.with_name(f"{path.name}.{uuid4().hex}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text to a file, whole."""
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")
