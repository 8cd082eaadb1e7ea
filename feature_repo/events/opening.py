"""Event log in Kafka by its settings."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any

from feature_repo.events.log import EventLog
from feature_repo.schema import stored_name

OWN = ("type", "topic", "truncated")
"""Settings that are not librdkafka's."""


def open_kafka_log(settings: Mapping[str, Any], dataset: str) -> EventLog:
    """Open the event log of a dataset.

    Args:
        settings: settings of librdkafka; `topic`, by default `gatehouse_{dataset}`; and
            `truncated`, if the files have the events that Kafka has deleted.
        dataset: name of the dataset.

    Raises:
        EventLogError: no broker answers, or the topic cannot be used.
        ValueError: the client of Kafka is not installed.
    """
    if importlib.util.find_spec("confluent_kafka") is None:
        raise ValueError("the event log is in Kafka, and its client is not installed: pip install 'gatehouse[kafka]'")
    from feature_repo.events.kafka_log import KafkaEventLog

    client = {name: value for name, value in settings.items() if name not in OWN}
    topic = settings.get("topic", f"gatehouse_{stored_name(dataset)}")
    return KafkaEventLog(client, topic, truncated=bool(settings.get("truncated", False)))
