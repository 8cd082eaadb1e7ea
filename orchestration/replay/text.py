"""A replay in words: its table, and the answer to "how often should I retrain?"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestration.replay.plan import ReplayPlan
from orchestration.replay.report import DISCOVERY, METRIC, SECOND_METRIC
from orchestration.replay.strategies import FULL_AND_REFIT, FULL_AND_UPDATES, FULL_ONLY, NEVER


def replay_markdown(dataset: str, plan: ReplayPlan, data: Mapping[str, Any]) -> str:
    """Table and answer as Markdown.

    Args:
        dataset: name of the dataset.
        plan: the replay.
        data: result, as of `report_data`.
    """
    nights, runs = data["nights"], data["runs"]
    head = (
        f"# Replay of {dataset}, {plan.start:%Y-%m-%d} to {plan.end:%Y-%m-%d}\n\n"
        f"A night {_each(plan.every)}, a full training {_each(plan.full)}, incremental updates between. Each"
        f" night's systems are measured on the events until the next; {nights} nights count, {data['left out']} do not."
    )
    if not nights:
        return f"{head}\n\nNo night had both active users and a version that had passed the gate: nothing to compare."
    gate = ", ".join(f"{count} {outcome}" for outcome, count in runs.items() if count and outcome != "none")
    return "\n\n".join([head, f"Verdicts: {gate}.", _table(data), _weeks(data), answer(plan, data)])


def _table(data: Mapping[str, Any]) -> str:
    lines = [
        "| system | Recall@20 | beside never (95 %) | nights better | NDCG@20 | discovery Recall@20 | seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in data["systems"].items():
        beside = "" if name == NEVER else _lead(row)
        better = "" if name == NEVER else f"{row['nights better']} of {data['nights']}"
        values = [_number(row[metric]) for metric in (METRIC, SECOND_METRIC, DISCOVERY)]
        cells = (name, values[0], beside, better, values[1], values[2], f"{row['seconds']:,.0f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _weeks(data: Mapping[str, Any]) -> str:
    lines = ["| week | nights | never retrained, as a share of the best strategy |", "|---|---|---|"]
    lines += [f"| {row['week']} | {row['nights']} | {_share(row['share'])} |" for row in data["by week"]]
    return "\n".join(lines)


def answer(plan: ReplayPlan, data: Mapping[str, Any]) -> str:
    """Say how often to retrain, by the cheapest strategy that none beats by more than chance."""
    chosen, rows = data["choice"], data["systems"]
    words = {
        NEVER: "these nights do not show that retraining matters: once is enough",
        FULL_ONLY: f"in full {_each(plan.full)}; incremental updates between do not show",
        FULL_AND_UPDATES: f"in full {_each(plan.full)}, and incrementally {_each(plan.every)}",
        FULL_AND_REFIT: f"in full {_each(plan.full)}, refitted to the newest events",
    }
    told = [f"**How often should I retrain?** {words[chosen][0].upper()}{words[chosen][1:]}."]
    if chosen != NEVER:
        row = rows[chosen]
        told.append(
            f"That is {_lead(row)} in Recall@20 beside never, for"
            f" {row['seconds'] / data['nights']:,.0f} seconds a night."
        )
    better = [name for name, row in rows.items() if name not in words and row[METRIC] > rows[chosen][METRIC]]
    if better:
        told.append(f"But {better[0]}, counted anew each night, has the higher Recall@20: read that first.")
    return " ".join(told)


def _lead(row: Mapping[str, Any]) -> str:
    """Say how much better than never a system is: as a share if never finds something, else as it is."""
    relative = row["beside never retrained"]
    difference, low, high = (f"{each:+.1%}" if relative else f"{each:+.4f}" for each in relative or row["difference"])
    return f"{difference} ({low} to {high})"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _each(days: int) -> str:
    return "every day" if days == 1 else f"every {days} days"
