"""Event logs of all kinds, for tests of their contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from feature_repo.events.log import EventLog
from feature_repo.events.opening import open_kafka_log
from feature_repo.events.sqlite_log import SqliteEventLog
from tests.kafka_cluster import mock_cluster, real_servers

LOGS = ("sqlite", "kafka", "kafka broker")
"""The last one needs a real broker."""
Opener = Callable[[], EventLog]


@contextmanager
def opener(kind: str, folder: Path) -> Iterator[Opener]:
    """Function that opens one log as often as wanted."""
    if kind == "sqlite":
        yield lambda: SqliteEventLog(folder / "events" / "shop.db")
    elif kind == "kafka":
        with mock_cluster() as cluster:
            for topic in ("gatehouse_shop", "gatehouse_shop_forgotten"):
                cluster.make(topic)
            yield lambda: open_kafka_log({"bootstrap.servers": cluster.servers}, "shop")
    else:
        settings = {"bootstrap.servers": real_servers(), "topic": f"gatehouse_test_{uuid4().hex}"}
        yield lambda: open_kafka_log(settings, "shop")
