"""Mistakes in the event log that lies in Kafka."""

from __future__ import annotations

from tests.mistakes.mistake import Mistake

CONTRACT = "tests/unit/feature_repo/events/test_event_log.py"
KAFKA = "tests/unit/feature_repo/events/test_kafka_log.py"
KAFKA_CONSUMER = "tests/integration/test_kafka_consumer.py"

IN_KAFKA = [
    Mistake(
        name="an event of Kafka that comes again counted twice in training",
        module="feature_repo.events.history",
        right='return log.drop_nulls(ID).unique(ID, keep="first", maintain_order=True)',
        wrong="return log.drop_nulls(ID)",
        test=f"{KAFKA}::test_an_id_that_comes_again_after_the_window_is_written_twice_and_counts_once",
    ),
    Mistake(
        name="an event of Kafka that comes again counted twice online",
        module="feature_repo.events.user_events",
        right='.unique(ID, keep="first", maintain_order=True)',
        wrong="",
        test=f"{KAFKA}::test_an_id_that_comes_again_after_the_window_is_written_twice_and_counts_once",
    ),
    Mistake(
        name="ids of a log of Kafka held without a bound",
        module="feature_repo.events.kafka_log",
        right="while len(self._known) > WINDOW:",
        wrong="while False:",
        test=f"{KAFKA}::test_an_id_that_comes_again_after_the_window_is_written_twice_and_counts_once",
    ),
    Mistake(
        name="a log of Kafka that begins without the ids it has",
        module="feature_repo.events.kafka_log",
        right="self._written, self._newest = max(low, high - WINDOW), 0",
        wrong="self._written, self._newest = high, 0",
        test=f"{KAFKA}::test_a_log_that_is_opened_again_knows_the_newest_ids",
    ),
    Mistake(
        name="a write to Kafka that asks one replica",
        module="feature_repo.events.kafka_topic",
        right="return {**self._client, **own}",
        wrong="return {**own, **self._client}",
        test=f"{KAFKA}::test_nobody_can_set_durability_off",
    ),
    Mistake(
        name="events that Kafka refused acknowledged",
        module="feature_repo.events.kafka_topic",
        right="        if errors:\n",
        wrong="        if False:\n",
        test=f"{KAFKA}::test_a_broker_that_is_away_is_told_and_the_same_call_keeps_each_event_once",
    ),
    Mistake(
        name="numbers of Kafka as they were expected",
        module="feature_repo.events.kafka_log",
        right="actual.get(k.sequence, k.sequence)",
        wrong="k.sequence",
        test=f"{KAFKA}::test_a_write_beside_another_process_has_its_own_numbers",
    ),
    Mistake(
        name="what another process wrote to Kafka left unread",
        module="feature_repo.events.kafka_log",
        right="if numbers == [row[0] for row in rows]:",
        wrong="if True:",
        test=f"{KAFKA}::test_a_write_beside_another_process_has_its_own_numbers",
    ),
    Mistake(
        name="a topic of several partitions taken for one order",
        module="feature_repo.events.kafka_topic",
        right="elif len(found.partitions) != 1:",
        wrong="elif False:",
        test=f"{KAFKA}::test_a_topic_of_several_partitions_is_refused",
    ),
    Mistake(
        name="events that Kafka has deleted missing in silence",
        module="feature_repo.events.kafka_log",
        right="if after < oldest and not self._truncated:",
        wrong="if False:",
        test=f"{KAFKA}::test_a_topic_that_lacks_old_events_is_refused_unless_the_files_have_them",
    ),
    Mistake(
        name="a forgotten user of Kafka who is read before compaction",
        module="feature_repo.events.kafka_log",
        right="forgotten.get(user_digest(orjson.loads(record.key)[0]), 0) < record.number",
        wrong="True",
        test=f"{CONTRACT}::test_a_forgotten_user_is_read_no_more_and_begins_anew",
    ),
    Mistake(
        name="an id of a forgotten event that Kafka's log still knows",
        module="feature_repo.events.kafka_log",
        right="self._known.pop(orjson.loads(each.key)[1], None)",
        wrong="pass",
        test=f"{CONTRACT}::test_a_forgotten_user_is_read_no_more_and_begins_anew",
    ),
    Mistake(
        name="an offset of Kafka that goes back",
        module="feature_repo.events.kafka_log",
        right="if sequence > self._events.committed(consumer):",
        wrong="if True:",
        test=f"{CONTRACT}::test_a_consumers_offset_is_kept_and_never_goes_back",
    ),
    Mistake(
        name="forgotten events that stay a lag",
        module="feature_repo.events.consumer",
        right="if self._log.read(self._position, 1) else 0",
        wrong="",
        test=f"{KAFKA_CONSUMER}::test_a_forgotten_user_is_no_lag",
    ),
    Mistake(
        name="outcomes of Kafka that come again counted twice",
        module="orchestration.experiments.logged",
        right="once(read_frame(log))",
        wrong="read_frame(log)",
        test="tests/unit/orchestration/experiments/test_logged.py::test_outcomes_of_kafka_count_once",
    ),
    Mistake(
        name="outcomes of a file where the log is in Kafka",
        module="orchestration.experiments.logged",
        right="if settings.has_event_log(dataset):",
        wrong="if settings.event_log(dataset).is_file() and not settings.kafka:",
        test="tests/unit/orchestration/experiments/test_logged.py::test_outcomes_of_kafka_count_once",
    ),
]
