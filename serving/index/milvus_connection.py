"""Connections to Milvus, and the engines of Milvus Lite that this process runs.

One process at a time can open the folder of Milvus Lite.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from serving.settings import Settings

if TYPE_CHECKING:
    from pymilvus import MilvusClient


class IndexBusyError(RuntimeError):
    """Another process holds the Milvus Lite folder."""


class IndexAwayError(RuntimeError):
    """The Milvus server does not answer."""


AWAY = 2
"""Code of pymilvus's error for a server that does not answer."""
# One Milvus Lite engine per folder and process, shared by the indexes that are open on it.
_users: Counter[str] = Counter()
_lock = threading.Lock()


def connect(settings: Settings) -> tuple[MilvusClient, str]:
    """Connect, and return the client with its address.

    Wait while another command holds the Lite folder. IndexAwayError if a server does not answer.
    """
    from pymilvus import MilvusClient
    from pymilvus.exceptions import ConnectionConfigException

    deadline = time.monotonic() + settings.lite_wait_seconds
    while True:
        uri = settings.milvus_uri  # `gatehouse up` may have started a server meanwhile
        if "://" in uri:
            return _server(uri), uri
        with _lock, quiet("milvus_lite", "pymilvus"):
            Path(uri).parent.mkdir(parents=True, exist_ok=True)
            try:
                client = MilvusClient(uri)
            except ConnectionConfigException as error:
                if time.monotonic() > deadline:
                    raise IndexBusyError(busy(uri)) from error
            else:
                if not _users[uri]:
                    _forget_schemas()
                _users[uri] += 1
                return client, uri
        time.sleep(0.5)


def _server(uri: str) -> MilvusClient:
    from pymilvus import MilvusClient
    from pymilvus.exceptions import MilvusException

    try:
        with quiet("pymilvus"):
            return MilvusClient(uri)
    except MilvusException as error:
        if error.code != AWAY:
            raise
        address = re.sub(r"//[^/@]*@", "//", uri)  # without user and password
        raise IndexAwayError(f"Milvus at {address} does not answer: start it, or mend GATEHOUSE_MILVUS_URI") from error


def _forget_schemas() -> None:
    """Drop the schemas that pymilvus remembers by address and name of the collection.

    A new engine may get the port of one that stopped, and has other collections of the same names.
    """
    from pymilvus.client.cache import GlobalCache

    GlobalCache.schema.clear()


def busy(uri: str) -> str:
    """Say that the folder is in use, and what to do."""
    return (
        f"another process holds the item index in {uri}: wait until it ends, or let `gatehouse up` run,"
        " whose server all commands share"
    )


def release(uri: str) -> None:
    """Stop a Lite engine that no index of this process uses.

    Closing its client alone keeps the folder locked.
    """
    if "://" in uri:
        return
    from milvus_lite.server_manager import server_manager_instance

    with _lock:
        _users[uri] -= 1
        if _users[uri] <= 0:
            server_manager_instance.release_server(uri)


@contextmanager
def quiet(*names: str) -> Iterator[None]:
    """Silence loggers that repeat, with a trace, the error that is raised anyway."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
