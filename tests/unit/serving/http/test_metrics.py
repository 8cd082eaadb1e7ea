"""Metrics are exported under the names that the dashboard in infra/ asks for."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.unit.serving.http.exported_metrics import NAME, exported

DASHBOARD = Path(__file__).parents[4] / "infra" / "grafana" / "serving.json"
LABELS = re.compile(r"by \(([^)]*)\)")


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
