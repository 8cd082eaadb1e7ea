"""Figures of the README: recall beside all baselines, and the asset graph.

    gatehouse run --baselines all
    python -m tests.benchmarks.figures

Writes docs/images/recall_at_k.png and docs/images/asset_graph.svg.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.evaluated import Evaluated
from orchestration.local.home import prepare_home
from serving.settings import Settings
from training.baselines import BASELINES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

IMAGES = Path(__file__).parents[2] / "docs" / "images"
WIDTH, HEIGHT = 0.86, 0.6
COLOURS = {"source": "#e8eaed", "features": "#d7ece8", "training": "#fbe3c4", "index": "#e3daf0", "release": "#f6d3d1"}
Place = tuple[float, float]


def main() -> None:
    """Draw both figures."""
    import matplotlib

    from orchestration.reporting.plots import recall_figure

    settings = Settings.from_environment(os.environ)
    prepare_home(settings)
    IMAGES.mkdir(exist_ok=True)
    recall_figure(last_evaluation(settings.home)).savefig(IMAGES / "recall_at_k.png", dpi=130)
    with matplotlib.rc_context({"svg.hashsalt": "asset graph"}):  # the same names in every drawing
        graph_figure().savefig(IMAGES / "asset_graph.svg", metadata={"Date": None})


def last_evaluation(home: Path) -> Evaluated:
    """Read the newest evaluation of a home that measured all baselines.

    Raises:
        LookupError: there is none yet.
    """
    found = sorted(home.glob("data/*/*/*/evaluation_*/evaluation.json"), key=lambda path: -path.stat().st_mtime)
    for each in (Evaluated.from_json(path.read_text()) for path in found):
        if set(BASELINES) <= set(each.systems):
            return each
    raise LookupError(f"{home}: no evaluation beside all baselines yet; `gatehouse run --baselines all` makes one")


def graph_figure() -> Figure:
    """Dagster's asset graph: a column for each step, a colour for each group."""
    from matplotlib.figure import Figure

    graph = read_graph()
    places = arranged(graph)
    figure = Figure(figsize=(11, 2.6), layout="constrained")
    axis = figure.add_subplot()
    for name, asset in graph.items():
        for above in asset.above:
            _arrow(axis, places[above], places[name])
        _box(axis, places[name], name, asset)
    axis.set(xlim=(-0.55, max(x for x, _ in places.values()) + 0.55), ylim=(-2.5, 0.5))
    axis.axis("off")
    return figure


@dataclass(frozen=True, kw_only=True)
class Asset:
    """One node of the asset graph."""

    group: str
    """Group of the asset."""
    tool: str
    """Name of the tool that computes it; empty if the code names none."""
    above: tuple[str, ...]
    """Assets that it is computed from."""
    checked: bool
    """Whether expectations block it."""


def read_graph() -> dict[str, Asset]:
    """Assets of a release in Dagster's definitions, each behind those that it is computed from."""
    from orchestration.definitions import defs

    graph = defs.resolve_asset_graph()
    checked = {check.asset_key for check in graph.asset_check_keys if graph.get(check).blocking}
    found = {}
    for key in graph.toposorted_asset_keys:
        if graph.get(key).group_name not in COLOURS:
            continue  # not of a run
        spec, definition = graph.get(key), defs.get_assets_def(key)
        found[key.to_user_string()] = Asset(
            group=spec.group_name or "",
            tool=definition.op.tags.get("dagster/compute_kind", ""),
            above=tuple(sorted(parent.to_user_string() for parent in spec.parent_keys)),
            checked=key in checked,
        )
    return found


def arranged(graph: Mapping[str, Asset]) -> dict[str, Place]:
    """Positions of the assets: each in the last column that its users allow.

    The longest chain is the top row.
    """
    depth: dict[str, int] = {}
    for name, asset in graph.items():
        depth[name] = max((depth[above] + 1 for above in asset.above), default=0)
    columns = dict.fromkeys(graph, max(depth.values()))
    for name, asset in reversed(graph.items()):
        for above in asset.above:
            columns[above] = min(columns[above], columns[name] - 1)
    rows = Counter[int]()
    places = {}
    for name in sorted(graph, key=lambda name: -depth[name]):
        places[name] = (float(columns[name]), -float(rows[columns[name]]))
        rows[columns[name]] += 1
    return places


def _box(axis: Axes, place: Place, name: str, asset: Asset) -> None:
    from matplotlib.patches import FancyBboxPatch

    x, y = place
    style = {"facecolor": COLOURS[asset.group], "edgecolor": "#6b7280", "linewidth": 0.8}
    corner = (x - WIDTH / 2, y - HEIGHT / 2)
    axis.add_patch(FancyBboxPatch(corner, WIDTH, HEIGHT, boxstyle="round,pad=0,rounding_size=0.08", zorder=2, **style))
    remark = asset.tool + (" + expectations" if asset.checked else "")
    axis.text(x, y + (0.09 if remark else 0), name, ha="center", va="center", fontsize=7.2, weight="bold", zorder=3)
    axis.text(x, y - 0.14, remark, ha="center", va="center", fontsize=6, color="#4b5563", zorder=3)


def _arrow(axis: Axes, start: Place, end: Place) -> None:
    from matplotlib.patches import FancyArrowPatch

    (x, y), (to_x, to_y) = start, end
    # A long arrow to another row leaves from below, so that it passes behind no box.
    begin = (x, y - HEIGHT / 2) if to_x - x > 1 and to_y != y else (x + WIDTH / 2, y)
    ends = begin, (to_x - WIDTH / 2, to_y)
    axis.add_patch(FancyArrowPatch(*ends, arrowstyle="-|>", mutation_scale=8, color="#9ca3af", linewidth=1, zorder=1))


if __name__ == "__main__":
    main()
