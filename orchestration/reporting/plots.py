"""Figures of a version, for its MLflow run and for Dagster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from orchestration.evaluated import TWO_TOWER, Evaluated
from orchestration.reporting.tables import views_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from training.artifacts.bias import BiasReport
    from training.evaluation.result import Evaluation

SLICES = {
    "recall by popularity of the item": ("head_items", "torso_items", "tail_items"),
    "recall by length of the history": ("cold_users", "light_users", "regular_users", "heavy_users"),
}
BESIDE = ("popularity", "personal_recency", "ease", "tifu_knn", "als", "personal_frequency")
"""Baselines of `recall_figure`: the first four that were measured. They differ most in what they know."""
BASELINES_SHOWN = 4
COLOURS = ("#8a8f98", "#2a9d8f", "#e9a03b", "#8d6bb8")
NORMAL_95 = 1.96
"""Standard errors on each side of a mean, for 95 %."""


def training_figure(epochs: Sequence[Mapping[str, float]]) -> Figure:
    """Plot the loss by epoch, and after a trial each view's recall@20."""
    views = [name for name in epochs[0] if name.count("/") == 1 and name.endswith("recall@20")]
    figure, (left, *right) = _axes(2 if views else 1)
    numbers = range(1, len(epochs) + 1)
    left.plot(numbers, [epoch["loss"] for epoch in epochs], marker="o")
    left.set(title="training loss", xlabel="epoch", ylabel="loss")
    for axis in right:
        for name in views:
            axis.plot(numbers, [epoch[name] for epoch in epochs], marker="o", label=name)
        axis.set(title="validation", xlabel="epoch", ylabel="recall@20", ylim=(0, None))
        axis.legend()
    return figure


def evaluation_figures(measured: Evaluated) -> dict[str, Figure]:
    """Plot recall@k by view, recall@20 by slice, and who looks where; figures by file name."""
    found = {
        "plots/recall_at_k.png": recall_figure(measured),
        "plots/recall_curve.png": _curves(measured),
        "plots/slices.png": _slices(measured),
    }
    if measured.bias and measured.bias.examination:
        found["plots/examination.png"] = examination_figure(measured.bias)
    return found


def examination_figure(bias: BiasReport) -> Figure:
    """Plot looks by place with 95 % intervals, a panel for each feature, and what a bias model has learned."""
    figure, axes = _axes(len(bias.examination), width=9.0 if len(bias.examination) == 1 else 5.5)
    learned_of = "a look" if (bias.model or "").startswith("Product") else "a click"
    for axis, (feature, places) in zip(axes, bias.examination.items(), strict=True):
        look_K, low_K, high_K = np.array(list(places.values())).T
        # An interval of resamples need not hold the estimate.
        error_2K = np.maximum([look_K - low_K, high_K - look_K], 0)
        place_K = np.arange(len(places))
        axis.errorbar(
            place_K, look_K, error_2K, marker="o", capsize=3, color=COLOURS[1], label="looks, 95 % over users"
        )
        if feature == "position" and bias.values:
            odds_K = np.exp([bias.values.get(place, np.nan) for place in places])
            axis.plot(place_K, odds_K, marker="s", color="#c1121f", label=f"learned odds of {learned_of}")
        axis.set_xticks(place_K, list(places))
        axis.set(xlabel=feature, ylabel="beside the first", ylim=(0, None))
        axis.set_title(f"bias model: {bias.outcome}", fontsize="medium")
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25)
        axis.legend(frameon=False)
    return figure


def recall_figure(measured: Evaluated) -> Figure:
    """Plot recall@k of `all` beside four baselines, with 95 % bands over users."""
    figure, (axis,) = _axes(1, width=9.0)
    baselines = [name for name in BESIDE if name in measured.systems][:BASELINES_SHOWN]
    # The towers last, so that their line lies on top.
    for name, colour in [*zip(baselines, COLOURS, strict=False), (TWO_TOWER, "#c1121f")]:
        _banded(axis, measured.systems[name], name, colour)
    users = measured.systems[TWO_TOWER].users["all"]
    axis.set(xlabel="k", ylabel="recall@k", xlim=(1, None), ylim=(0, None))
    axis.set_title(f"{users:,} users, {measured.items:,} items, bands: 95 % over users", fontsize="medium")
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(alpha=0.25)
    axis.legend(frameon=False, loc="upper left", reverse=True)
    return figure


def _banded(axis: Axes, system: Evaluation, name: str, colour: str) -> None:
    mean_K, error_K = np.asarray(system.curves["all"]), np.asarray(system.curve_errors["all"])
    ks, is_own = np.arange(1, len(mean_K) + 1), name == TWO_TOWER
    axis.plot(ks, mean_K, color=colour, linewidth=3 if is_own else 1.2, label=name.replace("_", " "))
    low_K, high_K = mean_K - NORMAL_95 * error_K, mean_K + NORMAL_95 * error_K
    axis.fill_between(ks, low_K, high_K, color=colour, alpha=0.15, linewidth=0)


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
        axis.bar([position + offset * width for position in range(len(names))], heights, width, label=system)
    users = measured.systems[TWO_TOWER].users
    axis.set_xticks([position + 0.4 - width / 2 for position in range(len(names))])
    axis.set_xticklabels([f"{name.replace('_', ' ')}\n{users[f'all/{name}']:,} users" for name in names])


def _many_colours(axis: Axes) -> None:
    """Take twenty colours: there are more systems than the usual ten."""
    from matplotlib import color_sequences

    axis.set_prop_cycle(color=color_sequences["tab20"])


def _axes(columns: int, *, width: float = 5.5) -> tuple[Figure, Sequence[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * columns, 4), layout="constrained")
    return figure, [figure.add_subplot(1, columns, column + 1) for column in range(columns)]
