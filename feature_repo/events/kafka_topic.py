"""Topic of one partition in Kafka, written durably and read by number."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import RLock
from typing import TYPE_CHECKING, Any

from feature_repo.events.log import EventLogError, OutcomeUnknownError

if TYPE_CHECKING:
    from confluent_kafka import Consumer, Producer, TopicPartition

WAIT_SECONDS = 10.0
"""Longest wait for a broker."""
DEFAULTS = {"log_level": 2, "reconnect.backoff.max.ms": 1_000}
"""Settings of librdkafka that are not its own: it writes to stderr, and tries a broker
that was away every ten seconds."""
CREATED = {"cleanup.policy": "compact", "retention.ms": "-1"}
"""Settings of a topic that is made: nothing vanishes but what is deleted by its key."""
_AT_ONCE = 10_000
_AGAIN_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Record:
    """Record of a topic."""

    number: int
    """Offset and one: numbers begin with 1."""
    key: bytes
    """What a later record without a value deletes."""
    value: bytes | None
    """None deletes the earlier records of the key."""


class Topic:
    """Topic of one partition: a record has one number, and all are in one order.

    Args:
        client: settings of librdkafka, `bootstrap.servers` among them.
        name: name of the topic, which is made if it is missing.

    Raises:
        EventLogError: no broker answers, or the topic has several partitions.
    """

    def __init__(self, client: Mapping[str, Any], name: str) -> None:
        self._client, self.name = {**DEFAULTS, **client}, name
        self._lock = RLock()
        self._groups: dict[str, Consumer] = {}
        self._producer: Producer | None = None
        self._position = -1
        self._prepare()
        self._reader = self._consumer("gatehouse-reader")

    def ends(self) -> tuple[int, int]:
        """Number before the oldest record that there is, and that of the newest."""
        from confluent_kafka import KafkaException

        end = time.monotonic() + WAIT_SECONDS
        with self._lock, self._explained():
            while True:
                try:
                    low, high = self._reader.get_watermark_offsets(self._partition(), timeout=WAIT_SECONDS)
                except KafkaException:
                    # A client that has just lost its broker does not even know the partition.
                    if time.monotonic() > end:
                        raise
                    time.sleep(_AGAIN_SECONDS)
                else:
                    return low, high

    def read(self, after: int, limit: int) -> list[Record]:
        """Records behind a number, in order.

        Args:
            after: number behind which they lie.
            limit: largest number of records.
        """
        with self._lock:
            low, high = self.ends()
            if after >= high:
                return []
            if self._position != after:
                self._reader.assign([self._partition(max(after, low))])
            self._position = -1  # whatever breaks here, the next read begins anew
            found = self._poll(high, limit)
            self._position = found[-1].number if found else -1
        return found

    def write(self, records: Sequence[tuple[bytes, bytes | None]]) -> list[int]:
        """Write records, and return their numbers once all replicas in sync have them.

        Args:
            records: keys and values.

        Raises:
            OutcomeUnknownError: some may have been written.
        """
        from confluent_kafka import Producer

        self._producer = self._producer or Producer(self._settings(acks="all"))
        numbers, errors = [0] * len(records), list[Any]()

        def told(place: int, error: Any, message: Any) -> None:
            if error:
                errors.append(error)
            else:
                numbers[place] = message.offset() + 1

        with self._explained():
            for place, (key, value) in enumerate(records):
                report = lambda error, message, place=place: told(place, error, message)  # noqa: E731
                self._producer.produce(self.name, value, key, partition=0, on_delivery=report)
                if place % _AT_ONCE == _AT_ONCE - 1:
                    self._producer.flush()
            self._producer.flush()
        if errors:
            raise OutcomeUnknownError(
                f"topic {self.name}: {errors[0].str()}; some of the events may have been kept: send them again, and "
                "each counts once"
            )
        return numbers

    def committed(self, group: str) -> int:
        """Number that a group has committed; 0 before its first commit."""
        with self._lock, self._explained():
            found = self._group(group).committed([self._partition()], timeout=WAIT_SECONDS)[0]
        return max(0, int(found.offset))

    def commit(self, group: str, number: int) -> None:
        """Commit a number for a group."""
        with self._lock, self._explained():
            self._group(group).commit(offsets=[self._partition(number)], asynchronous=False)

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for each in (self._reader, *self._groups.values()):
                each.close()
            self._groups.clear()

    def _poll(self, high: int, limit: int) -> list[Record]:
        """Records up to a number: compaction leaves the newest one where it is."""
        found: list[Record] = []
        end = time.monotonic() + WAIT_SECONDS
        while len(found) < limit and (not found or found[-1].number < high):
            message = self._reader.poll(0.5)
            if message is None:  # not `not`: a message without a value is false
                if time.monotonic() > end:
                    raise EventLogError(f"topic {self.name}: no broker has answered for {WAIT_SECONDS:g} s")
                continue
            if message.error():
                raise self._error(message.error())
            offset, key, value = message.offset(), message.key(), message.value()
            assert offset is not None, "a message that was read has an offset"
            found.append(Record(offset + 1, key or b"", value))
        return found

    def _group(self, name: str) -> Consumer:
        if name not in self._groups:
            # Names of consumers are longer than the tools of Kafka show.
            self._groups[name] = self._consumer(f"gatehouse-{hashlib.sha256(name.encode()).hexdigest()[:32]}")
        return self._groups[name]

    def _consumer(self, group: str) -> Consumer:
        from confluent_kafka import Consumer

        options = {"enable.auto.commit": False, "fetch.wait.max.ms": 20}
        return Consumer(self._settings(**options, **{"group.id": group, "auto.offset.reset": "error"}))

    def _settings(self, **own: Any) -> dict[str, Any]:
        """Settings of a client; those that durability rests on cannot be changed."""
        if "acks" in own:
            own |= {"enable.idempotence": True, "message.timeout.ms": int(1000 * WAIT_SECONDS)}
        return {**self._client, **own}

    def _partition(self, offset: int = -1001) -> TopicPartition:
        from confluent_kafka import TopicPartition

        return TopicPartition(self.name, 0, offset)

    def _prepare(self) -> None:
        """Make the topic if it is missing; refuse one of several partitions."""
        from confluent_kafka.admin import AdminClient, NewTopic

        admin = AdminClient(dict(self._client))
        with self._explained():
            # All topics: asked for one by its name, a broker may make it with its own defaults.
            found = admin.list_topics(timeout=WAIT_SECONDS).topics.get(self.name)
            if found is None:
                made = admin.create_topics(
                    [NewTopic(self.name, num_partitions=1, replication_factor=-1, config=CREATED)]
                )
                made[self.name].result()
            elif len(found.partitions) != 1:
                raise EventLogError(
                    f"topic {self.name} has {len(found.partitions)} partitions; wanted 1, in which all events have one "
                    "order: name another topic"
                )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn errors of Kafka into those of a log."""
        from confluent_kafka import KafkaException

        try:
            yield
        except KafkaException as error:
            raise self._error(error.args[0]) from error

    def _error(self, error: Any) -> EventLogError:
        reason = f"no answer of Kafka ({error.str()}): see to it, or to GATEHOUSE_EVENT_LOG"
        return EventLogError(f"topic {self.name}: {reason}")
