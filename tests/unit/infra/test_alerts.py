"""Alert rules ask for metrics that exist, and the runbook has an answer to each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from serving.alert_settings import WEBHOOK
from serving.http.metrics import Metrics
from tests.unit.serving.http.exported_metrics import NAME, exported

ROOT = Path(__file__).parents[3]
RULES = ROOT / "infra" / "prometheus" / "alerts.yaml"
LABELS = re.compile(r"by \(([^)]*)\)|\{([^}]*)\}")
OF_PROMETHEUS = {"job", "instance", "le"}
"""Labels that Prometheus adds, or that a histogram has."""


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_what_is_exported(rule: dict[str, Any]) -> None:
    promql = pytest.importorskip("promql_parser", reason="requirements-dev.lock")
    promql.parse(rule["expr"])
    names, series = set(NAME.findall(rule["expr"])), exported()
    assert names <= series.keys()
    assert names or rule["expr"].startswith("up{")
    asked = {
        re.split(r"[=!]", label)[0].strip()
        for groups in LABELS.findall(rule["expr"])
        for label in "".join(groups).split(",")
    }
    assert asked - OF_PROMETHEUS <= set().union(*(series[name] for name in names))


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_the_first_event_that_an_alert_asks_for_is_an_increase(rule: dict[str, Any]) -> None:
    """A series that begins with its first event has none: it is there, at zero, before that."""
    registry = Metrics().registry
    for name, label, value in re.findall(r"(gatehouse_\w+)\{(\w+)=\"(\w+)\"\}", rule["expr"]):
        assert registry.get_sample_value(name, {label: value}) == 0


def test_each_alert_has_a_severity_and_a_summary() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"]
    assert len({rule["alert"] for rule in rules()}) == len(rules())


def test_the_runbook_answers_every_alert_and_no_other() -> None:
    runbook = (ROOT / "docs" / "operations" / "runbook.md").read_text(encoding="utf-8")
    answered = re.findall(r"^\| `(Gatehouse\w+)` \| \S.* \| \S.* \|$", runbook, flags=re.MULTILINE)
    assert answered == [rule["alert"] for rule in rules()]


def test_prometheus_reads_the_rules() -> None:
    config = yaml.safe_load((RULES.parent / "prometheus.yml").read_text(encoding="utf-8"))
    assert config["rule_files"] == [RULES.name]
    (job,) = config["scrape_configs"]
    assert f'job="{job["job_name"]}"' in rules()[0]["expr"]


def test_a_service_that_prometheus_does_not_know_is_down_too() -> None:
    (down,) = (rule for rule in rules() if rule["alert"] == "GatehouseDown")
    assert 'absent(up{job="gatehouse"})' in down["expr"]


def test_alerts_reach_the_channel_whose_address_is_a_secret() -> None:
    prometheus = yaml.safe_load((RULES.parent / "prometheus.yml").read_text(encoding="utf-8"))
    compose = yaml.safe_load((ROOT / "infra" / "compose.yaml").read_text(encoding="utf-8"))
    manager = compose["services"]["alertmanager"]
    (asked,) = prometheus["alerting"]["alertmanagers"]
    assert asked["static_configs"] == [{"targets": ["alertmanager:9093"]}]
    assert manager["ports"] == ["127.0.0.1:9093:9093"]

    folder, mounted, _ = manager["volumes"][0].split(":")
    path = ROOT / "infra" / folder / "alertmanager.yml"
    assert f"--config.file={mounted}/{path.name}" in manager["command"]
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    (receiver,) = config["receivers"]
    assert config["route"]["receiver"] == receiver["name"]
    (slack,) = receiver["slack_configs"]
    (secret,) = manager["secrets"]
    assert slack["api_url_file"] == f"/run/secrets/{secret}"
    # The variable that Dagster's alerts have their address from.
    assert compose["secrets"][secret] == {"environment": WEBHOOK}
