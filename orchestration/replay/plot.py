"""Plot of a replay: quality and cost over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from orchestration.replay.report import METRIC, Found
from orchestration.replay.strategies import NEVER

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#c1121f", "#8d6bb8", "#2a9d8f", "#8a8f98")
BASELINE = "#e9a03b"


def replay_figure(found: Found, dataset: str) -> Figure:
    """Plot the main metric of each night by system, and the seconds so far."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 6.0), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    days = [night.moment for night in found.nights]
    colours = {each.name: colour for each, colour in zip(found.strategies, COLOURS, strict=False)}
    for each in [*found.strategies, *([found.baseline] if found.baseline else [])]:
        style = "--" if each.name == NEVER else "-"
        colour = colours.get(each.name, BASELINE)
        upper.plot(days, each.quality, style, color=colour, marker=".", label=f"{each.name} ({each.mean(METRIC):.3f})")
        lower.plot(days, np.cumsum(each.seconds), style, color=colour)
    upper.set(title=f"{dataset}: what served each night, on the events until the next", ylabel="Recall@20")
    upper.set_ylim(bottom=0)
    upper.legend(loc="lower left", fontsize="small")
    lower.set(ylabel="seconds so far")
    for axis in (upper, lower):
        axis.grid(alpha=0.3)
    figure.autofmt_xdate()
    return figure
