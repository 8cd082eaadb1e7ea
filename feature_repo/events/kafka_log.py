"""Event log in Kafka: one topic of one partition, and a small one of forgotten users.

A record is an event. Its key is the user with the id of the event, so that compaction
never joins two events, and a record without a value deletes one for good.

One process writes at a time. It knows the ids of the newest events, and refuses or
recognises those that come again. Older ids are written once more, and counted once:
whoever reads the log takes the first of each id.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from threading import RLock
from typing import Any

import orjson

from feature_repo.events.event import Event
from feature_repo.events.group_commit import GroupCommit
from feature_repo.events.kafka_topic import Record, Topic
from feature_repo.events.log import EventLogError, Forgotten, Kept, Logged, user_digest
from feature_repo.events.log_rows import CONTENT, EPOCH, Row, event_of
from feature_repo.events.numbering import numbered
from feature_repo.utc import microseconds

WINDOW = 50_000
"""Newest events whose ids are known when they come again."""
MAX_WAITING = 20_000
"""Events that may wait for the broker, or come in one call."""
_AT_ONCE = 10_000


class KafkaEventLog:
    """Event log in Kafka, for many threads.

    Args:
        client: settings of librdkafka, `bootstrap.servers` among them.
        topic: name of the topic; made if missing, as is `{topic}_forgotten`.
        truncated: whether the topic may lack its oldest events, because the files of
            the dataset have them.
        max_waiting: events that may wait for the broker.

    Raises:
        EventLogError: no broker answers, or the topic cannot be used.
    """

    def __init__(
        self, client: Mapping[str, Any], topic: str, *, truncated: bool = False, max_waiting: int = MAX_WAITING
    ) -> None:
        self._events, self._notes = Topic(client, topic), Topic(client, f"{topic}_forgotten")
        self._truncated = truncated
        self._group: GroupCommit[Event, list[Kept]] = GroupCommit(self._write, max_waiting)
        self._lock = RLock()
        self._forgotten: list[Forgotten] = []
        self._notes_until = 0
        self._known: OrderedDict[str, tuple[int, Row]] = OrderedDict()
        self._written = self._newest = -1

    def keep(self, events: Sequence[Event]) -> list[Kept]:
        """Keep events, as of `EventLog.keep`."""
        return self._group.submit(events) if events else []

    def append(self, events: Sequence[Event]) -> list[int]:
        """Keep events, as of `EventLog.append`."""
        return [kept.sequence for kept in self.keep(events)]

    def read(self, after: int, limit: int) -> list[Logged]:
        """Events behind a number, as of `EventLog.read`."""
        self._refuse_truncated(after)
        numbers = {note.digest: note.sequence for note in self.forgotten(0)}
        found: list[Logged] = []
        while len(found) < limit and (records := self._events.read(after, limit - len(found))):
            after = records[-1].number
            found += [Logged(each.number, event_of(_row(each))) for each in records if _is_event(each, numbers)]
        return found

    def newest(self) -> int:
        """Number of the newest record, as of `EventLog.newest`."""
        return self._events.ends()[1]

    def committed(self, consumer: str) -> int:
        """Number up to which a consumer has worked, as of `EventLog.committed`."""
        return self._events.committed(consumer)

    def commit(self, consumer: str, sequence: int) -> None:
        """Note how far a consumer has worked, as of `EventLog.commit`."""
        if sequence > self._events.committed(consumer):
            self._events.commit(consumer, sequence)

    def count(self, user_id: str) -> int:
        """Number of a user's events, as of `EventLog.count`."""
        return len(self._keys(user_id))

    def forget(self, user_id: str, at: datetime) -> int:
        """Delete the events of a user for good, as of `EventLog.forget`.

        Nobody reads them from now on; the bytes go when Kafka compacts the topic.
        """
        keys, digest = self._keys(user_id), user_digest(user_id)
        numbers = self._events.write([*((key, None) for key in keys), (_key("", digest), None)])
        note = {"sequence": numbers[-1], "arrived": microseconds(at)}
        self._notes.write([(digest.encode(), orjson.dumps(note))])
        return len(keys)

    def forgotten(self, after: int) -> list[Forgotten]:
        """Notes of forgotten users, as of `EventLog.forgotten`."""
        with self._lock:
            while records := self._notes.read(self._notes_until, _AT_ONCE):
                self._notes_until = records[-1].number
                self._forgotten += [_note(each) for each in records if each.value]
            return [each for each in self._forgotten if each.sequence > after]

    def close(self) -> None:
        """Close the connections, as of `EventLog.close`."""
        self._events.close()
        self._notes.close()

    def _keys(self, user_id: str) -> list[bytes]:
        """Keys of a user's events."""
        note = max((each.sequence for each in self.forgotten(0) if each.digest == user_digest(user_id)), default=0)
        keys: dict[bytes, None] = {}
        after = 0
        while records := self._events.read(after, _AT_ONCE):
            after = records[-1].number
            for each in records:
                if each.value and each.number > note and orjson.loads(each.key)[0] == user_id:
                    keys[each.key] = None
        return list(keys)

    def _write(self, calls: list[Sequence[Event]]) -> list[list[Kept] | Exception]:
        """Write the events of some calls; one thread at a time."""
        self._catch_up()
        asked = {event.event_id for events in calls for event in events}
        known = {id_: self._known[id_] for id_ in asked if id_ in self._known}
        outcomes, rows = numbered(calls, known, self._written, self._newest)
        numbers = self._events.write([(_key(row[4], row[2]), _value(row)) for row in rows])
        if numbers == [row[0] for row in rows]:
            self._note_written(rows)  # else another process has written too: it is read
        actual = dict(zip([row[0] for row in rows], numbers, strict=True))
        return [
            each if isinstance(each, Exception) else [Kept(actual.get(k.sequence, k.sequence), k.known) for k in each]
            for each in outcomes
        ]

    def _catch_up(self) -> None:
        """Read what this object did not write, from the start of the window on."""
        if self._written < 0:
            low, high = self._events.ends()
            self._written, self._newest = max(low, high - WINDOW), 0
        numbers = {note.digest: note.sequence for note in self.forgotten(0)}
        while records := self._events.read(self._written, _AT_ONCE):
            self._note_written([_row(each) for each in records if _is_event(each, numbers)])
            for each in records:
                if each.value is None:  # forgotten: its id is free again
                    self._known.pop(orjson.loads(each.key)[1], None)
            self._written = records[-1].number

    def _note_written(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._known.setdefault(row[2], (row[0], row[2:]))
            self._written, self._newest = row[0], max(self._newest, row[1])
        while len(self._known) > WINDOW:
            self._known.popitem(last=False)

    def _refuse_truncated(self, after: int) -> None:
        oldest = self._events.ends()[0]
        if after < oldest and not self._truncated:
            raise EventLogError(
                f"topic {self._events.name}: Kafka has deleted its events up to number {oldest:,}, and those behind "
                f"number {after:,} are wanted. Set cleanup.policy=compact for the topic; if the files of the dataset "
                'have these events, add "truncated": true to GATEHOUSE_EVENT_LOG'
            )


def _key(user_id: str, event_id: str) -> bytes:
    return orjson.dumps([user_id, event_id])


def _value(row: Row) -> bytes:
    return orjson.dumps(dict(zip(("arrived", *CONTENT), row[1:], strict=True)))


def _row(record: Record) -> Row:
    """Row of an event as `log_rows` has it."""
    fields = orjson.loads(record.value or b"")
    return (record.number, *(fields.get(name) for name in ("arrived", *CONTENT)))


def _is_event(record: Record, forgotten: Mapping[str, int]) -> bool:
    """Whether a record is an event of a user who was not forgotten after it."""
    if record.value is None:
        return False
    return not forgotten or forgotten.get(user_digest(orjson.loads(record.key)[0]), 0) < record.number


def _note(record: Record) -> Forgotten:
    fields = orjson.loads(record.value or b"")
    arrived = EPOCH + timedelta(microseconds=fields["arrived"])
    return Forgotten(fields["sequence"], arrived, record.key.decode())
