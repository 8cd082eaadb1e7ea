"""Cluster of Kafka inside the client's library: the real protocol on loopback, without a broker.

It has what the event log needs: durable acknowledgements, fetches, offsets of groups, and
records without a value. It neither compacts nor makes topics by a client's wish.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

BROKERS = "GATEHOUSE_TEST_KAFKA"
"""Variable with the addresses of real brokers, for the tests that name it."""


class MockCluster:
    """One broker in this process."""

    def __init__(self) -> None:
        library = _library()
        library.rd_kafka_conf_new.restype = ctypes.c_void_p
        library.rd_kafka_conf_set.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, *[ctypes.c_void_p] * 2]
        library.rd_kafka_new.restype = ctypes.c_void_p
        library.rd_kafka_new.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
        library.rd_kafka_mock_cluster_new.restype = ctypes.c_void_p
        library.rd_kafka_mock_cluster_new.argtypes = [ctypes.c_void_p, ctypes.c_int]
        library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
        library.rd_kafka_mock_cluster_bootstraps.argtypes = [ctypes.c_void_p]
        library.rd_kafka_mock_topic_create.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_int]
        for name in ("rd_kafka_mock_broker_set_down", "rd_kafka_mock_broker_set_up"):
            getattr(library, name).argtypes = [ctypes.c_void_p, ctypes.c_int32]
        library.rd_kafka_mock_cluster_destroy.argtypes = library.rd_kafka_destroy.argtypes = [ctypes.c_void_p]
        configured = library.rd_kafka_conf_new()
        library.rd_kafka_conf_set(configured, b"log_level", b"2", None, 0)
        self._library, self._client = library, library.rd_kafka_new(0, configured, None, 0)
        self._cluster = library.rd_kafka_mock_cluster_new(self._client, 1)
        self.servers: str = library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()

    def make(self, topic: str, partitions: int = 1) -> None:
        """Make a topic."""
        assert self._library.rd_kafka_mock_topic_create(self._cluster, topic.encode(), partitions, 1) == 0

    def stop(self) -> None:
        """Let the broker answer nobody."""
        self._library.rd_kafka_mock_broker_set_down(self._cluster, 1)

    def start(self) -> None:
        """Let the broker answer again."""
        self._library.rd_kafka_mock_broker_set_up(self._cluster, 1)

    def close(self) -> None:
        """End the cluster."""
        self._library.rd_kafka_mock_cluster_destroy(self._cluster)
        self._library.rd_kafka_destroy(self._client)


@contextmanager
def mock_cluster() -> Iterator[MockCluster]:
    """Run a cluster; skip the test where the client is not installed."""
    pytest.importorskip("confluent_kafka", reason="the extra kafka is not installed")
    cluster = MockCluster()
    try:
        yield cluster
    finally:
        cluster.close()


def real_servers() -> str:
    """Addresses of real brokers; skip the test where none are named."""
    pytest.importorskip("confluent_kafka", reason="the extra kafka is not installed")
    if not (named := os.environ.get(BROKERS)):
        pytest.skip(f"{BROKERS} names no broker of Kafka")
    return named


def _library() -> ctypes.CDLL:
    """Library of the installed client."""
    import confluent_kafka

    package = Path(confluent_kafka.__file__).parent
    found = [*package.parent.glob("confluent_kafka.libs/librdkafka*"), *package.glob(".dylibs/librdkafka*")]
    if not found:
        pytest.skip("the installed client of Kafka has no library of its own, which the mock cluster lies in")
    return ctypes.CDLL(str(found[0]))
