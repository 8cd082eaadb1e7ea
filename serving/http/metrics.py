"""Metrics of the service for Prometheus. A test holds the Grafana dashboard in infra/ to these names."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


class Metrics:
    """All metrics of one service, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = own = CollectorRegistry()
        self.requests = Counter(
            "gatehouse_requests", "Requests by route and HTTP status.", ["route", "status"], registry=own
        )
        self.request_seconds = Histogram(
            "gatehouse_request_seconds", "Time of a request in the front.", ["route"], buckets=SECONDS, registry=own
        )
        self.stage_seconds = Histogram(
            "gatehouse_stage_seconds", "Time of a batch by stage.", ["stage"], buckets=SECONDS, registry=own
        )
        self.answers = Counter("gatehouse_answers", "Answers to users by source.", ["source"], registry=own)
        self.flagged = Counter(
            "gatehouse_flagged_answers", "Answers by flag: unknown, stale, degraded.", ["flag"], registry=own
        )
        self.refused = Counter(
            "gatehouse_refused_requests",
            "Requests refused for overload, without a token, and others.",
            ["reason"],
            registry=own,
        )
        self.batch_users = Histogram(
            "gatehouse_batch_users", "Users of a batch of the engine.", buckets=SIZES, registry=own
        )
        self.load = Gauge("gatehouse_load_users", "Users that wait or are being answered.", registry=own)
        self.ready = Gauge("gatehouse_ready", "1 if an engine answers.", registry=own)
        self.version = Gauge("gatehouse_release_version", "Version that serves; 0 before the first.", registry=own)
        self.champion = Gauge(
            "gatehouse_champion_version", "Version of the champion alias; 0 without one.", registry=own
        )
        self.feature_age = Gauge(
            "gatehouse_feature_age_seconds", "Age of the online features of the newest answer.", registry=own
        )
        self.events = Counter(
            "gatehouse_events", "Events by outcome: accepted, known, invalid, refused.", ["outcome"], registry=own
        )
        self.event_seconds = Histogram(
            "gatehouse_event_seconds",
            "Time until the events of a request are on the disk.",
            buckets=SECONDS,
            registry=own,
        )
        self.items = Counter(
            "gatehouse_new_items",
            "New items by outcome: new, replaced, known, invalid, refused.",
            ["outcome"],
            registry=own,
        )
        self.item_seconds = Histogram(
            "gatehouse_new_item_seconds",
            "Time until the new items of a request can be found.",
            buckets=SECONDS,
            registry=own,
        )
        self.lag_events = Gauge(
            "gatehouse_consumer_lag_events", "Events of the log that are not online yet.", registry=own
        )
        self.lag_seconds = Gauge(
            "gatehouse_consumer_lag_seconds", "Age of the oldest event that is not online yet.", registry=own
        )
        self.consumer_deaths = Counter(
            "gatehouse_consumer_deaths", "Consumers of events that ended by themselves.", registry=own
        )
        self.swaps = Counter("gatehouse_swaps", "Releases that began to serve.", registry=own)
        self.refusals = Counter("gatehouse_release_refusals", "Releases that an engine refused.", registry=own)
        self.deaths = Counter("gatehouse_engine_deaths", "Engines that ended by themselves.", registry=own)
        self.registry_failures = Counter(
            "gatehouse_registry_failures", "Looks for the champion that failed.", registry=own
        )
        self.variant_engines = Gauge(
            "gatehouse_variant_engines", "Engines of variants and shadows beside the champion's.", registry=own
        )
        self.variant_answers = Counter(
            "gatehouse_variant_answers",
            "Answers to users of an experiment by variant.",
            ["experiment", "variant"],
            registry=own,
        )
        self.variant_degraded = Counter(
            "gatehouse_variant_degraded",
            "Answers that are flagged as degraded or fallback, and are no exposure of the variant.",
            ["experiment", "variant"],
            registry=own,
        )
        self.exposures = Counter(
            "gatehouse_exposures", "Exposures by outcome: kept, known, lost.", ["outcome"], registry=own
        )
        self.shadow_answers = Counter(
            "gatehouse_shadow_answers",
            "Answers of shadows by outcome: compared, failed, dropped.",
            ["shadow", "outcome"],
            registry=own,
        )
        self.shadow_seconds = Histogram(
            "gatehouse_shadow_seconds", "Time of a shadow's engine.", ["shadow"], buckets=SECONDS, registry=own
        )
        self.shadow_overlap = Histogram(
            "gatehouse_shadow_overlap",
            "Share of the shown items that the shadow has among as many.",
            ["shadow"],
            buckets=SHARES,
            registry=own,
        )

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
