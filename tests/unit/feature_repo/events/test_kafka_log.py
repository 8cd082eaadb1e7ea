"""What Kafka alone does: the window of known ids, brokers that are away, and topics that cannot be used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from feature_repo.events import kafka_log, kafka_topic
from feature_repo.events.event import Event
from feature_repo.events.frames import read_frame
from feature_repo.events.history import with_log
from feature_repo.events.kafka_log import KafkaEventLog
from feature_repo.events.log import EventLogError, OutcomeUnknownError
from feature_repo.events.user_events import UserEvents
from tests.kafka_cluster import MockCluster, mock_cluster
from tests.unit.feature_repo.events.events_world import NOW, click
from tests.worlds import taste_groups

TOPIC = "gatehouse_shop"


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    with mock_cluster() as cluster:
        cluster.make(TOPIC)
        cluster.make(f"{TOPIC}_forgotten")
        yield cluster


@pytest.fixture
def log(cluster: MockCluster) -> Iterator[KafkaEventLog]:
    log = opened(cluster)
    yield log
    log.close()


def opened(cluster: MockCluster, topic: str = TOPIC, **options: bool) -> KafkaEventLog:
    return KafkaEventLog({"bootstrap.servers": cluster.servers}, topic, **options)


def test_an_id_that_comes_again_after_the_window_is_written_twice_and_counts_once(
    log: KafkaEventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In training, and in the features of a consumer."""
    monkeypatch.setattr(kafka_log, "WINDOW", 3)
    files = taste_groups(users=12, items=8, days=9, per_day=8)
    sent = [click(number, user_id="u001", item_id=f"i00{number}") for number in range(5)]
    for event in sent:
        log.append([event])
    assert len(log._known) == 3
    later = NOW + timedelta(seconds=20)
    kept = log.keep([replace(sent[4], arrived=later), replace(sent[0], arrived=later)])
    assert [(each.sequence, each.known) for each in kept] == [(5, True), (6, False)]
    logged = log.read(0, 10)
    assert [each.event.event_id for each in logged] == ["e0", "e1", "e2", "e3", "e4", "e0"]
    whole = with_log(files, read_frame(log), later)
    assert whole.events.height == files.events.height + 5
    assert whole.log_until == 6
    events = UserEvents(files)
    before = events.of(["u001"]).height
    for each in logged:
        events.add([each])
    found = events.of(["u001"])
    assert found.height == before + 5
    assert found.sort("created")["created"].to_list()[-1] == sent[4].arrived


def test_a_log_that_is_opened_again_knows_the_newest_ids(
    cluster: MockCluster, log: KafkaEventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_log, "WINDOW", 2)
    log.append([click(number) for number in range(4)])
    again = opened(cluster)
    kept = again.keep([replace(click(number), arrived=NOW + timedelta(seconds=9)) for number in (3, 1)])
    assert [each.known for each in kept] == [True, False]
    again.close()


def kept(log: KafkaEventLog, events: list[Event]) -> list[int]:
    """Numbers of events that are sent until they are kept, as a client does, whose calls have a second each."""
    for _ in range(20):
        with suppress(OutcomeUnknownError):
            return log.append(events)
    raise AssertionError("never kept")


def test_a_broker_that_is_away_is_told_and_the_same_call_keeps_each_event_once(
    cluster: MockCluster, log: KafkaEventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_topic, "WAIT_SECONDS", 1.0)
    assert kept(log, [click(0)]) == [1]
    cluster.stop()
    with pytest.raises(EventLogError, match=f"topic {TOPIC}"):
        log.append([click(1), click(2)])
    with pytest.raises(EventLogError):
        log.read(0, 10)
    cluster.start()
    monkeypatch.setattr(kafka_topic, "WAIT_SECONDS", 10.0)
    assert kept(log, [click(1), click(2)]) == [2, 3]
    assert [each.event.event_id for each in log.read(0, 10)] == ["e0", "e1", "e2"]


def test_a_write_whose_outcome_is_unknown_is_found_by_the_next(
    log: KafkaEventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker kept the events, and its answer was lost."""
    write = kafka_topic.Topic.write

    def lost(topic: kafka_topic.Topic, records: list[tuple[bytes, bytes | None]]) -> list[int]:
        write(topic, records[:1])
        raise OutcomeUnknownError("lost")

    with monkeypatch.context() as patched:
        patched.setattr(kafka_topic.Topic, "write", lost)
        with pytest.raises(OutcomeUnknownError):
            log.append([click(1), click(2)])
    assert [each.known for each in log.keep([click(1), click(2)])] == [True, False]
    assert [each.event.event_id for each in log.read(0, 10)] == ["e1", "e2"]


def test_a_write_beside_another_process_has_its_own_numbers(
    cluster: MockCluster, log: KafkaEventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.append([click(0)])
    other = opened(cluster)
    other.append([click(1)])
    with monkeypatch.context() as patched:
        patched.setattr(log, "_catch_up", lambda: None)  # the other one writes after this look
        assert log.append([click(2), click(3)]) == [3, 4]
    assert [each.known for each in log.keep([click(1, arrived=NOW + timedelta(seconds=9)), click(10)])] == [True, False]
    assert [each.sequence for each in log.read(0, 10)] == [1, 2, 3, 4, 5]
    other.close()


def test_a_topic_of_several_partitions_is_refused(cluster: MockCluster) -> None:
    cluster.make("wide", partitions=4)
    with pytest.raises(EventLogError, match="topic wide has 4 partitions; wanted 1"):
        opened(cluster, "wide")


def test_a_topic_that_lacks_old_events_is_refused_unless_the_files_have_them(
    cluster: MockCluster, log: KafkaEventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.append([click(number) for number in range(5)])
    ends = kafka_topic.Topic.ends
    monkeypatch.setattr(kafka_topic.Topic, "ends", lambda topic: (3, 5) if topic.name == TOPIC else ends(topic))
    with pytest.raises(EventLogError, match=r"events up to number 3.*cleanup.policy=compact.*\"truncated\""):
        read_frame(log)
    assert [each.sequence for each in log.read(3, 10)] == [4, 5]
    shortened = opened(cluster, truncated=True)
    assert read_frame(shortened)["sequence"].to_list() == [4, 5]
    shortened.close()


def test_nobody_can_set_durability_off(cluster: MockCluster) -> None:
    """A lost replica cannot be tested here; what decides can."""
    log = KafkaEventLog({"bootstrap.servers": cluster.servers, "acks": "0", "enable.idempotence": False}, TOPIC)
    settings = log._events._settings(acks="all")
    assert (settings["acks"], settings["enable.idempotence"]) == ("all", True)
    log.append([click(1)])
    assert log.newest() == 1
    log.close()
