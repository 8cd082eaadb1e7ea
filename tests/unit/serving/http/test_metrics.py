"""Metrics are exported under the names that the dashboard in infra/ asks for."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from serving.http.metrics import Metrics

DASHBOARD = Path(__file__).parents[4] / "infra" / "grafana" / "serving.json"
NAME = re.compile(r"gatehouse_\w+")
LABELS = re.compile(r"by \(([^)]*)\)")


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
    metrics.shadow_answers.labels("eight", "compared").inc()
    metrics.shadow_seconds.labels("eight").observe(1)
    metrics.shadow_overlap.labels("eight").observe(1)
    metrics.observe_stages({"queue": 1.0})
    metrics.count_answer({"source": "popular", "flags": {"unknown": "nobody"}})
    families = text_string_to_metric_families(metrics.exposition().decode())
    samples = [sample for family in families for sample in family.samples]
    return {sample.name: set(sample.labels) for sample in samples if not sample.name.endswith("_created")}


def expressions() -> list[str]:
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return [target["expr"] for panel in board["panels"] for target in panel["targets"]]


@pytest.mark.parametrize("expression", expressions())
def test_each_name_and_label_of_the_dashboard_is_exported(expression: str) -> None:
    series = exported()
    names = NAME.findall(expression)
    assert names
    assert set(names) <= series.keys()
    wanted = {label for group in LABELS.findall(expression) for label in re.split(r",\s*", group)}
    assert all(wanted <= series[name] for name in names)


def test_the_dashboard_shows_every_metric() -> None:
    shown = {re.sub("_(bucket|sum|count)$", "", name) for each in expressions() for name in NAME.findall(each)}
    own = {re.sub("_(bucket|sum|count)$", "", name) for name in exported()}
    assert shown == own
