"""Figures for the MLflow run of a version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from orchestration.evaluation import TWO_TOWER, Evaluated
from orchestration.reporting.report import views_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SLICES = {
    "recall by popularity of the item": ("head_items", "torso_items", "tail_items"),
    "recall by length of the history": ("cold_users", "light_users", "regular_users", "heavy_users"),
}


def training_figure(epochs: Sequence[Mapping[str, float]]) -> Figure:
    """Plot the loss, and the validation recall@20 of each view, by epoch."""
    figure, (left, right) = _axes(2)
    numbers = range(1, len(epochs) + 1)
    left.plot(numbers, [epoch["loss"] for epoch in epochs], marker="o")
    left.set(title="training loss", xlabel="epoch", ylabel="loss")
    for name in (name for name in epochs[0] if name.count("/") == 1 and name.endswith("recall@20")):
        right.plot(numbers, [epoch[name] for epoch in epochs], marker="o", label=name)
    right.set(title="validation", xlabel="epoch", ylabel="recall@20", ylim=(0, None))
    right.legend()
    return figure


def evaluation_figures(measured: Evaluated) -> dict[str, Figure]:
    """Plot recall@k by view, and recall@20 by slice; figures by file name."""
    return {"plots/recall_curve.png": _curves(measured), "plots/slices.png": _slices(measured)}


def _curves(measured: Evaluated) -> Figure:
    views = views_of(measured.systems)
    figure, axes = _axes(len(views))
    for view, axis in zip(views, axes, strict=True):
        _many_colours(axis)
        for name, system in measured.systems.items():
            curve = system.curves[view]
            axis.plot(range(1, len(curve) + 1), curve, label=name, linewidth=2.5 if name == TWO_TOWER else 1)
        axis.set(title=view, xlabel="k", ylabel="recall@k", xscale="log", ylim=(0, None))
    axes[0].legend(fontsize="small")
    return figure


def _slices(measured: Evaluated) -> Figure:
    figure, axes = _axes(len(SLICES))
    for (title, slices), axis in zip(SLICES.items(), axes, strict=True):
        _bars(axis, measured, slices)
        axis.set(title=f"{title} (view all)", ylabel="recall@20")
    axes[0].legend(fontsize="small")
    return figure


def _bars(axis: Axes, measured: Evaluated, slices: Sequence[str]) -> None:
    _many_colours(axis)
    names = [name for name in slices if f"all/{name}/recall@20" in measured.systems[TWO_TOWER].metrics]
    width = 0.8 / len(measured.systems)
    for offset, (system, evaluated) in enumerate(measured.systems.items()):
        heights = [evaluated.metrics[f"all/{name}/recall@20"] for name in names]
        axis.bar([place + offset * width for place in range(len(names))], heights, width, label=system)
    users = measured.systems[TWO_TOWER].users
    axis.set_xticks([place + 0.4 - width / 2 for place in range(len(names))])
    axis.set_xticklabels([f"{name.replace('_', ' ')}\n{users[f'all/{name}']:,} users" for name in names])


def _many_colours(axis: Axes) -> None:
    """Take twenty colours: there are more systems than the usual ten."""
    from matplotlib import color_sequences

    axis.set_prop_cycle(color=color_sequences["tab20"])


def _axes(columns: int) -> tuple[Figure, Sequence[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.5 * columns, 4), layout="constrained")
    return figure, [figure.add_subplot(1, columns, column + 1) for column in range(columns)]
