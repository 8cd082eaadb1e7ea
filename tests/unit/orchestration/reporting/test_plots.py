"""Figures of a run: what they draw, and where the nodes of the asset graph stand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from orchestration.evaluated import TWO_TOWER, Evaluated
from orchestration.reporting.plots import evaluation_figures, examination_figure, recall_figure, training_figure
from tests.benchmarks.figures import arranged, read_graph
from training.artifacts.bias import BiasReport
from training.evaluation.result import Evaluation


def system(recall: float) -> Evaluation:
    return Evaluation(
        metrics={},
        ceilings={},
        repeat_share=0.0,
        users={"all": 7},
        curves={"all": [recall / 2, recall]},
        curve_errors={"all": [0.01, 0.02]},
    )


def measured(*names: str) -> Evaluated:
    return Evaluated(
        systems={name: system(0.1 * number) for number, name in enumerate(names, 1)},
        core={},
        core_items=0,
        items=1_000,
        index_recall=1.0,
        index_users=7,
        champion=None,
        champion_cut=None,
        champion_note=None,
    )


def test_the_two_tower_is_drawn_thick_beside_four_baselines() -> None:
    names = ("popularity", "als", "ease", "tifu_knn", "personal_recency", "item_knn", TWO_TOWER)
    (axis,) = recall_figure(measured(*names)).axes
    widths = {line.get_label(): line.get_linewidth() for line in axis.lines}
    assert list(widths) == ["popularity", "personal recency", "ease", "tifu knn", "two tower"]
    assert all(widths["two tower"] > 2 * width for name, width in widths.items() if name != "two tower")


def test_bands_hold_95_per_cent() -> None:
    (axis,) = recall_figure(measured(TWO_TOWER)).axes
    corners = axis.collections[0].get_paths()[0].vertices
    at_two = corners[corners[:, 0] == 2, 1]
    assert (at_two.min(), at_two.max()) == pytest.approx((0.1 - 1.96 * 0.02, 0.1 + 1.96 * 0.02))
    np.testing.assert_allclose(axis.lines[0].get_ydata(), [0.05, 0.1])


def test_looks_stand_with_their_intervals_beside_what_was_learned() -> None:
    looks = {"position": {"1": (1.0, 1.0, 1.0), "2": (0.5, 0.4, 0.7), "3": (0.3, 0.31, 0.5)}}
    bias = BiasReport(model="Additive()", outcome="advised", reasons=(), examination=looks, values={"1": 0, "2": -1})
    figure = evaluation_figures(replace(measured(TWO_TOWER), bias=bias))["plots/examination.png"]
    (axis,) = figure.axes
    (bars,) = axis.containers
    line, _, (segments,) = bars
    np.testing.assert_allclose(line.get_ydata(), [1, 0.5, 0.3])
    ends = [segment[:, 1].tolist() for segment in segments.get_segments()]
    np.testing.assert_allclose(ends, [[1, 1], [0.4, 0.7], [0.3, 0.5]])
    np.testing.assert_allclose(axis.lines[-1].get_ydata(), [1, np.exp(-1), np.nan])
    assert [label.get_text() for label in axis.get_xticklabels()] == ["1", "2", "3"]
    assert axis.lines[-1].get_label() == "learned odds of a click"
    assert "plots/examination.png" not in evaluation_figures(
        replace(measured(TWO_TOWER), bias=replace(bias, examination={}))
    )


def test_looks_by_each_feature_have_a_panel() -> None:
    looks = {"device": {"tv": (1.0, 1.0, 1.0), "pc": (0.5, 0.4, 0.7)}, "position": {"1": (1.0, 1.0, 1.0)}}
    bias = BiasReport(model="Product()", outcome="advised", reasons=(), examination=looks, values={"1": 0})
    device, position = examination_figure(bias).axes
    assert [axis.get_xlabel() for axis in (device, position)] == ["device", "position"]
    assert "learned odds of a look" in [line.get_label() for line in position.lines]
    assert not any(str(line.get_label()).startswith("learned") for line in device.lines)


def test_each_asset_stands_right_of_its_inputs() -> None:
    graph = read_graph()
    places = arranged(graph)
    assert len(set(places.values())) == len(places)
    for name, asset in graph.items():
        assert all(places[above][0] < places[name][0] for above in asset.above), name


def test_validation_is_drawn_where_there_was_a_trial() -> None:
    losses = [{"loss": 7.0, "temperature": 0.1}, {"loss": 6.5, "temperature": 0.1}]
    (axis,) = training_figure(losses).axes
    assert axis.lines[0].get_ydata().tolist() == [7.0, 6.5]
    scores = {"all/recall@20": 0.2, "all/head/recall@20": 0.1, "all/ndcg@20": 0.3}
    _, validation = training_figure([{**each, **scores} for each in losses]).axes
    assert [line.get_label() for line in validation.lines] == ["all/recall@20"]
