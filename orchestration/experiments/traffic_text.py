"""Traffic that an exploration needs, as text."""

from __future__ import annotations

from collections.abc import Sequence

from orchestration.experiments.planted_clicks import PlantedClicks
from orchestration.experiments.text import table
from orchestration.experiments.traffic import Traffic

SHOWN = (2, 3, 5, 10, 20, 50)
"""Positions of the table, beside the last one."""
TOO_FEW = "-"


def traffic_text(clicks: PlantedClicks, found: Sequence[Traffic]) -> str:
    """Word what was simulated, and its precision and cost.

    Args:
        clicks: what was planted.
        found: rows of the table.
    """
    depth = len(clicks.examination_K)
    positions = [*(each for each in SHOWN if each < depth), depth]
    planted = [("position", *map(str, [1, *positions]))]
    for name, values in (("examination", clicks.examination_K), ("relevance", clicks.relevance_J)):
        planted.append((name, *(f"{values[position - 1]:.4f}" for position in [1, *positions])))
    header = ("kind", "share", "days", "answers", *(f"at {position}" for position in positions), "clicks lost")
    lines = ["planted:", *table(planted), "", "standard error of the examination relative to position 1:"]
    lines += table([header, *(_row(each, positions) for each in found)])
    if any(error is None for each in found for error in each.errors):
        lines.append(f"{TOO_FEW}: some of the simulated logs have no click to tell it from")
    return "\n".join(lines)


def _row(found: Traffic, positions: Sequence[int]) -> tuple[str, ...]:
    errors = [found.errors[position - 1] for position in positions]
    told = [TOO_FEW if error is None else f"{error:.4f}" for error in errors]
    return (
        found.kind,
        f"{found.share:.2%}",
        f"{found.days:g}",
        f"{found.answers:,}",
        *told,
        f"{found.loss:.3%}",
    )
