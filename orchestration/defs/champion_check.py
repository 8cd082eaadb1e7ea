"""Who serves, as a check of the asset `champion`.

The asset itself shows what the last run left. A command, a page or another home may have moved the champion since, and
leaves no trace in Dagster.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from html import escape
from typing import Any

import dagster as dg

from orchestration.defs.apart import apart
from orchestration.defs.moves import CHAMPION, SECONDS, datasets
from orchestration.reporting.markdown import one_a_line
from serving.gate.verdict import Outcome
from serving.registry import OUTCOME, Registry
from serving.registry.override import override_of
from serving.registry.sqlite import open_registry
from serving.settings import Settings

BY_THE_GATE = dg.AssetCheckSpec(
    "by_the_gate",
    asset=CHAMPION,
    description="The champion of each dataset serves by a passed verdict. One that serves by an override warns.",
)
Served = Mapping[str, Mapping[str, Any]]
"""By dataset: its champion, the outcome of its verdict, and the reason of an override where it has one."""


@dg.sensor(
    minimum_interval_seconds=SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Keeps the check `by_the_gate` of the champion: which version serves, and whether it does by an"
    " override, whoever promoted it.",
)
def champion_overrides(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Check the champions anew where one of them has changed."""
    settings = Settings.from_environment(os.environ)
    told: Served = json.loads(context.cursor or "{}")
    said: list[str] = []
    now = served(settings, context.log, said, told)
    said += [_sentence(dataset, facts) for dataset, facts in now.items() if not _is_earned(facts)]
    event = dg.AssetCheckEvaluation(asset_key=CHAMPION, **check_of(now))
    return dg.SensorResult(
        skip_reason="; ".join(said) or "every champion serves by a passed verdict",
        cursor=json.dumps(now),
        asset_events=[event] if now != told else [],
    )


def served(settings: Settings, log: logging.Logger, said: list[str], told: Served) -> Served:
    """Look which version serves each dataset of a home.

    Args:
        settings: the home and its services.
        log: log of the look, for what cannot be read.
        said: sentences of the look, to which that is added.
        told: as of an earlier look, for datasets that cannot be read now.
    """
    now: dict[str, Mapping[str, Any]] = {}
    for dataset in datasets(settings):
        facts = told.get(dataset)
        with apart(dataset, log, said):
            registry = open_registry(settings, dataset)
            champion = registry.champion()
            facts = champion_facts(registry, champion) if champion else None
        now |= {dataset: facts} if facts else {}
    return now


def champion_facts(registry: Registry, version: int) -> dict[str, Any]:
    """Metadata on a champion: its number, outcome, and override where it has one."""
    reason = override_of(registry, version)
    facts = {"champion": version, "outcome": registry.tags(version).get(OUTCOME, "missing")}
    return facts | ({"override": reason} if reason else {})


def check_of(now: Served) -> dict[str, Any]:
    """Fields of the check's result, from a sensor as from a run."""
    sentences = [_sentence(dataset, facts) for dataset, facts in now.items()]
    return {
        "check_name": BY_THE_GATE.name,
        "passed": all(map(_is_earned, now.values())),
        "severity": dg.AssetCheckSeverity.WARN,
        "description": one_a_line(sentences) or "nothing serves yet",
        "metadata": {f"champion of {dataset}": facts["champion"] for dataset, facts in now.items()},
    }


def _is_earned(facts: Mapping[str, Any]) -> bool:
    return facts["outcome"] == Outcome.PASSED


def _sentence(dataset: str, facts: Mapping[str, Any]) -> str:
    serves = f"{dataset}: version {facts['champion']} serves"
    if _is_earned(facts):
        return f"{serves}, by a passed verdict"
    by = f"by an override: {escape(facts['override'], quote=False)}" if "override" in facts else "without an override"
    return f"{serves} {by}; its verdict is {facts['outcome']}"
