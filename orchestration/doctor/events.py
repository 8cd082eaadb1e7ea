"""Findings on the event log of a dataset: its file, and the consumer that brings it online."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from feature_repo.events.log_state import log_state
from orchestration.doctor.finding import Finding
from serving.settings import Settings

BEHIND = timedelta(minutes=5)
"""Wait of an event from which on the consumer is far behind, as for the alert `GatehouseConsumerBehind`."""


def event_findings(settings: Settings, dataset: str, now: datetime) -> Iterator[Finding]:
    """Examine the event log of a dataset, where it is a file.

    Args:
        settings: the home and its services.
        dataset: name of the dataset.
        now: present time (UTC, with zone).
    """
    path = settings.event_log(dataset)
    if settings.kafka or not path.is_file():
        return
    found = log_state(path, settings.feast_home, dataset)
    if found.damage:
        yield Finding(
            about=dataset,
            problem=f"the event log {path} is damaged: {found.damage}",
            way_out="end its service, and restore a copy, or move it away to begin a new one",
        )
    elif found.since and now.replace(tzinfo=None) - found.since > BEHIND:
        yield Finding(
            about=dataset,
            problem=f"{found.waiting:,} events of the log are not online, the oldest of {found.since:%Y-%m-%d %H:%M}",
            way_out="`gatehouse up` or `gatehouse serve` runs the consumer that brings them online; what stops it is in"
            " logs/consumer.log. The next `gatehouse run` loads them, too",
        )
