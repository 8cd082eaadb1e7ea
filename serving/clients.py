"""Packages that the address of a service needs, and the extras that bring them."""

from __future__ import annotations

import importlib.util
from urllib.parse import urlsplit

_BY_SCHEME = {"postgresql": ("psycopg", "postgres"), "s3": ("boto3", "s3")}
"""Package of the client and name of the extra, by the scheme of an address."""
DAGSTER_CLIENT, DAGSTER_SCHEME = "dagster_postgres", "postgresql+psycopg2"
"""Dagster's queries are written for this client; SQLAlchemy takes another one by itself."""


def check_client(variable: str, uri: str) -> str:
    """Check that the client of a service is installed.

    Args:
        variable: variable that holds the address, for the message.
        uri: address of the service.

    Returns:
        The address.

    Raises:
        ValueError: it is not; the message has the command that installs it, and no password.
    """
    scheme = urlsplit(uri).scheme.partition("+")[0]  # postgresql+psycopg names a client too
    package, extra = _BY_SCHEME.get(scheme, (None, ""))
    if package is not None:
        _require(variable, scheme, package, extra)
    return uri


def check_dagster_storage(variable: str, uri: str) -> str:
    """Check that an address can be the storage of Dagster.

    Args:
        variable: variable that holds the address, for the message.
        uri: address of the database.

    Returns:
        The address.

    Raises:
        ValueError: it has another scheme than Dagster's queries need, or its client is not installed.
    """
    scheme = urlsplit(uri).scheme
    if scheme != DAGSTER_SCHEME:
        wanted = f"{DAGSTER_SCHEME}://user:password@host:port/database"
        raise ValueError(f"{variable}: wanted {wanted}, got an address with the scheme {scheme!r}")
    _require(variable, scheme, DAGSTER_CLIENT, "postgres")
    return uri


def _require(variable: str, scheme: str, package: str, extra: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise ValueError(
            f"{variable} names {scheme}://…, whose client {package} is missing: pip install 'gatehouse[{extra}]'"
        )
