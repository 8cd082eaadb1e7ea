"""Metrics of the service for Prometheus. A test holds the Grafana dashboard in infra/ to these names."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from feature_repo.utc import present_time

SECONDS = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


class Metrics:
    """All metrics of one service, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._make_answers()
        self._make_intake()
        self._make_engines()
        self._make_experiments()

    def _make_answers(self) -> None:
        """Metrics of requests and answers, and of the release and the features that they are from."""
        counter = partial(Counter, registry=self.registry)
        gauge = partial(Gauge, registry=self.registry)
        seconds = partial(Histogram, buckets=SECONDS, registry=self.registry)
        self.requests = counter("gatehouse_requests", "Requests by route and HTTP status.", ["route", "status"])
        self.request_seconds = seconds("gatehouse_request_seconds", "Time of a request in the front.", ["route"])
        self.stage_seconds = seconds("gatehouse_stage_seconds", "Time of a batch by stage.", ["stage"])
        self.answers = counter("gatehouse_answers", "Answers to users by source.", ["source"])
        self.flagged = self._counter_of(
            "gatehouse_flagged_answers", "Answers by flag", "flag", ("unknown", "stale", "degraded")
        )
        self.refused = self._counter_of(
            "gatehouse_refused_requests", "Requests refused by reason", "reason", ("overload", "access", "body")
        )
        self.batch_users = Histogram(
            "gatehouse_batch_users", "Users of a batch of the engine.", buckets=SIZES, registry=self.registry
        )
        self.load = gauge("gatehouse_load_users", "Users that wait or are being answered.")
        self.ready = gauge("gatehouse_ready", "1 if an engine answers.")
        self.version = gauge("gatehouse_release_version", "Version that serves; 0 before the first.")
        self.champion = gauge("gatehouse_champion_version", "Version of the champion alias; 0 without one.")
        self.feature_age = gauge(
            "gatehouse_feature_age_seconds",
            "Time since the end of the data that the newest answer is from.",
        )
        self.load_age = gauge(
            "gatehouse_feature_load_age_seconds", "Time since a run last loaded the online features; NaN before it."
        )

    def _make_intake(self) -> None:
        """Metrics of what clients post, and of its way online."""
        counter = partial(Counter, registry=self.registry)
        gauge = partial(Gauge, registry=self.registry)
        seconds = partial(Histogram, buckets=SECONDS, registry=self.registry)
        self.events = self._counter_of(
            "gatehouse_events", "Events by outcome", "outcome", ("accepted", "known", "invalid", "refused")
        )
        self.event_seconds = seconds("gatehouse_event_seconds", "Time until the events of a request are on the disk.")
        self.items = self._counter_of(
            "gatehouse_new_items", "New items by outcome", "outcome", ("new", "replaced", "known", "invalid", "refused")
        )
        self.item_seconds = seconds("gatehouse_new_item_seconds", "Time until the new items of a request can be found.")
        self.lag_events = gauge("gatehouse_consumer_lag_events", "Events of the log that are not online yet.")
        self.lag_seconds = gauge("gatehouse_consumer_lag_seconds", "Age of the oldest event that is not online yet.")
        self.consumer_stuck = gauge(
            "gatehouse_consumer_stuck", "1 while the consumer begins, or new events do not reach the answers."
        )
        self.consumer_deaths = counter("gatehouse_consumer_deaths", "Consumers of events that ended by themselves.")

    def _make_engines(self) -> None:
        """Metrics of releases that come and go."""
        counter = partial(Counter, registry=self.registry)
        self.swaps = counter("gatehouse_swaps", "Releases that began to serve.")
        self.refusals = counter("gatehouse_release_refusals", "Releases that an engine refused.")
        self.deaths = counter("gatehouse_engine_deaths", "Engines that ended by themselves.")
        self.registry_failures = counter("gatehouse_registry_failures", "Looks for the champion that failed.")

    def _make_experiments(self) -> None:
        """Metrics of variants, randomised answers and shadows."""
        counter = partial(Counter, registry=self.registry)
        gauge = partial(Gauge, registry=self.registry)
        seconds = partial(Histogram, buckets=SECONDS, registry=self.registry)
        self.variant_engines = gauge(
            "gatehouse_variant_engines", "Engines of variants and shadows beside the champion's."
        )
        self.variant_answers = counter(
            "gatehouse_variant_answers", "Answers to users of an experiment by variant.", ["experiment", "variant"]
        )
        self.variant_degraded = counter(
            "gatehouse_variant_degraded",
            "Answers that are flagged as degraded or fallback, and are no exposure of the variant.",
            ["experiment", "variant"],
        )
        self.randomised = counter("gatehouse_randomised_answers", "Answers in a randomised order by kind.", ["kind"])
        self.exposures = self._counter_of(
            "gatehouse_exposures", "Exposures by outcome", "outcome", ("kept", "known", "lost")
        )
        self.shadow_answers = counter(
            "gatehouse_shadow_answers",
            "Answers of shadows by outcome: compared, failed, dropped.",
            ["shadow", "outcome"],
        )
        self.shadow_seconds = seconds("gatehouse_shadow_seconds", "Time of a shadow's engine.", ["shadow"])
        self.shadow_overlap = Histogram(
            "gatehouse_shadow_overlap",
            "Share of the shown items that the shadow has among as many.",
            ["shadow"],
            buckets=SHARES,
            registry=self.registry,
        )

    def _counter_of(self, name: str, what: str, label: str, values: Sequence[str]) -> Counter:
        """Counter of one label, all of whose values are exported from the start.

        Args:
            name: name of the metric.
            what: what it counts.
            label: the label.
            values: values of the label.
        """
        counter = Counter(name, f"{what}: {', '.join(values)}.", [label], registry=self.registry)
        # Prometheus sees an increase between two values only: that of a first loss needs a zero before it.
        for value in values:
            counter.labels(value)
        return counter

    def count_answer(self, answer: Mapping[str, object]) -> None:
        """Count an answer to a user by its source and its flags."""
        self.answers.labels(answer["source"]).inc()
        for flag in answer["flags"]:  # type: ignore[attr-defined]
            self.flagged.labels(flag).inc()

    def observe_stages(self, timings: Mapping[str, float]) -> None:
        """Count the milliseconds by stage of a request."""
        for stage, milliseconds in timings.items():
            self.stage_seconds.labels(stage).observe(milliseconds / 1000)

    def exposition(self) -> bytes:
        """Metrics in the text format of Prometheus."""
        return generate_latest(self.registry)


def age_of(moment: datetime | None) -> float:
    """Seconds since a moment, naive UTC; NaN without one, which no alert is below or above."""
    return (present_time() - moment).total_seconds() if moment else math.nan
