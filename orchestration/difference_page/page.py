"""Page on a version beside the champion: one file, no script, nothing from elsewhere.

Names of items and values of fields are the data's: everything is escaped, and the page's
policy lets no script run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestration.data_page.html import POLICY, STYLE
from orchestration.difference import METRIC, Difference
from orchestration.difference_page import plots
from orchestration.evaluated import CHAMPION, TWO_TOWER, Evaluated
from orchestration.reporting.tables import VIEWS
from orchestration.reporting.text import plain
from serving.gate.verdict import Verdict

MOST_SLICES = 60
"""Slices of the plot and the table."""


@dataclass(frozen=True, kw_only=True)
class Slice:
    """One row of the table of slices."""

    name: str
    users: int
    own: float
    other: float
    effect: float
    low: float
    high: float
    gained: int
    lost: int


def difference_html(
    dataset: str, version: int, measured: Evaluated, verdict: Verdict, overrides: Mapping[int, str]
) -> str | None:
    """Write the page; None without a champion that was measured.

    Args:
        dataset: name of the dataset.
        version: number of the version.
        measured: its evaluation.
        verdict: the gate's decision on it.
        overrides: reasons of the two versions, by number, that were promoted against the gate.
    """
    if measured.difference is None:
        return None
    slices = slices_of(measured, measured.difference)
    found, zero = plots.rows([(each.name, each.low, each.effect, each.high) for each in slices])
    sides = (TWO_TOWER, CHAMPION)
    return _template().render(
        policy=POLICY,
        style=STYLE,
        dataset=dataset,
        version=version,
        champion=measured.champion,
        verdict=verdict,
        overrides=overrides,
        difference=measured.difference,
        metric=METRIC,
        users=measured.systems[TWO_TOWER].users["all"],
        slices=slices,
        bars=plots.bars(measured.difference.overlap_users),
        rows=found,
        zero=zero,
        plots=plots,
        height=len(found) * plots.ROW,
        drift=measured.drift,
        measures={name: [measured.sanity.get(side, {}).get(name) for side in sides] for name in _measures(measured)},
    )


def slices_of(measured: Evaluated, difference: Difference) -> list[Slice]:
    """Views beside the champion, and slices of `all`: those with most users first."""
    compared = measured.systems[CHAMPION].comparisons
    found = []
    named = {name: each for name, each in difference.moved.items() if "/" not in name or name.startswith("all/")}
    for name, moved in named.items():
        each = compared.get(f"{name}/{METRIC}")
        if each is not None and each.is_finite:
            effect = each.value / each.other - 1 if each.other else 0.0
            found.append(
                Slice(
                    name=name.removeprefix("all/"),
                    users=moved.users,
                    own=each.value,
                    other=each.other,
                    effect=effect,
                    low=each.low,
                    high=each.high,
                    gained=moved.gained,
                    lost=moved.lost,
                )
            )
    return sorted(found, key=lambda each: (each.name not in VIEWS, -each.users))[:MOST_SLICES]


def _measures(measured: Evaluated) -> list[str]:
    return list(measured.sanity.get(TWO_TOWER, {}))


def _template() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"line": plain, "printed": _printed}
    return environment.get_template("page.html")


def _printed(text: str) -> str:
    """Whole text without control characters."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
