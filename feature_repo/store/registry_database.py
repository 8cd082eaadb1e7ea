"""Database of the feature registry: SQLite in the home, or one on a server."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from feature_repo.errors import OnlineStoreError
from feature_repo.store.sqlite_rows import number_of_writes

_NEW, _OLD = "postgresql+psycopg://", "postgresql://"
"""Feast warns of an address that does not name the client."""


class RegistryDatabase:
    """Database of Feast's registry.

    Args:
        home: folder of the database, where it is SQLite's.
        uri: address of a database on a server, as of SQLAlchemy; None for SQLite.
    """

    def __init__(self, home: Path, uri: str | None = None) -> None:
        self.server = uri
        """Address of a database on a server, as given; None for SQLite."""
        self.file = None if uri else home / "registry.db"
        """File of the database; None for one on a server."""
        self.uri = uri.replace(_OLD, _NEW, 1) if uri else f"sqlite:///{self.file}"
        """Address of the database."""

    def may_exist(self) -> bool:
        """Whether anything may be registered; a server always may know something."""
        return self.file is None or self.file.is_file()

    def state(self, seconds: float = 0.0) -> object:
        """Value that differs from the former one if something was written since.

        SQLite counts its writes. A server has to be asked: there the value differs at
        every call, or at the first call of each span of `seconds`.
        """
        if self.file is not None:
            return number_of_writes(self.file)
        return int(time.monotonic() / seconds) if seconds else object()

    @contextmanager
    def reached(self) -> Iterator[None]:
        """Name the address, without a password, in the errors of a connection.

        Raises:
            OnlineStoreError: the database does not answer.
        """
        from sqlalchemy.exc import OperationalError

        try:
            yield
        except OperationalError as error:
            why = str(error.orig).partition("\n")[0]
            place = re.sub(r"//[^/@]*@", "//", self.uri)
            raise OnlineStoreError(
                f"feature registry at {place}: {why}; start it, or name another one (GATEHOUSE_FEATURE_REGISTRY)"
            ) from error
