"""Series that /metrics exports, with their labels."""

from __future__ import annotations

import re

from prometheus_client.parser import text_string_to_metric_families

from serving.http.metrics import Metrics

NAME = re.compile(r"gatehouse_\w+")


def exported() -> dict[str, set[str]]:
    """Labels by series, once each metric has a value."""
    metrics = Metrics()
    metrics.requests.labels("/", "200").inc()
    metrics.request_seconds.labels("/").observe(1)
    metrics.refused.labels("overload").inc()
    metrics.events.labels("accepted").inc()
    metrics.items.labels("new").inc()
    metrics.variant_answers.labels("newer", "seven").inc()
    metrics.variant_degraded.labels("newer", "seven").inc()
    metrics.exposures.labels("kept").inc()
    metrics.randomised.labels("swap").inc()
    metrics.shadow_answers.labels("eight", "compared").inc()
    metrics.shadow_seconds.labels("eight").observe(1)
    metrics.shadow_overlap.labels("eight").observe(1)
    metrics.observe_stages({"queue": 1.0})
    metrics.count_answer({"source": "popular", "flags": {"unknown": "nobody"}})
    families = text_string_to_metric_families(metrics.exposition().decode())
    samples = [sample for family in families for sample in family.samples]
    return {sample.name: set(sample.labels) for sample in samples if not sample.name.endswith("_created")}
