"""Traffic for an exploration: the simulation agrees with formulas, and with logs drawn answer by answer."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from feature_repo.errors import InputError
from orchestration.cli import app
from orchestration.experiments.planted_clicks import PlantedClicks, planted_clicks
from orchestration.experiments.traffic import Traffic, displays, propensities, relative_examination, traffic_of
from serving.experiments.exploration import Exploration, Kind

CLICKS = planted_clicks(6, 0.1)
ANSWERS, SHARE = 200_000, 0.05


def one(kind: Kind, clicks: PlantedClicks = CLICKS, share: float = SHARE, repetitions: int = 2_000) -> Traffic:
    found = traffic_of(clicks, ANSWERS, shares=[share], days=[1], repetitions=repetitions)
    return next(each for each in found if each.kind is kind)


def first_two(exploration: Exploration, depth: int) -> dict[tuple[int, int], float]:
    """Probability of each pair of ranks at the first two positions."""
    share = exploration.share
    if exploration.kind is Kind.SWAP:
        return {(0, 1): 1 - share / 2, (1, 0): share / 4, (0, 2): share / 4}
    each = share / (depth * (depth - 1))
    return {pair: each + (1 - share) * (pair == (0, 1)) for pair in permutations(range(depth), 2)}


def delta_error(clicks: PlantedClicks, exploration: Exploration) -> float:
    """Standard error of the second position by the delta method, with all that one answer has in common."""
    depth = len(clicks.examination_K)
    propensity_JK, click_JK = propensities(exploration, depth)[:, :2], clicks.probability_JK[:, :2]
    counts_JK = click_JK * (propensity_JK > 0).all(axis=1, keepdims=True)
    weight_JK = 1 / np.where(propensity_JK > 0, propensity_JK, np.inf) / counts_JK.sum(axis=0)
    variance = 0.0
    for (one, two), probability in first_two(exploration, depth).items():
        first, second, a, b = counts_JK[one, 0], counts_JK[two, 1], weight_JK[one, 0], weight_JK[two, 1]
        variance += probability * (first * a * a + second * b * b - 2 * first * second * a * b)
    return float(clicks.examination_K[1] * np.sqrt(variance / ANSWERS))


@pytest.mark.parametrize("kind", Kind)
def test_the_error_of_the_second_position_is_that_of_the_formula(kind: Kind) -> None:
    exploration = Exploration(share=SHARE, kind=kind, depth=6)
    # 2,000 logs tell a standard error to 1.6 %.
    assert one(kind).errors[1] == pytest.approx(delta_error(CLICKS, exploration), rel=0.06)


@pytest.mark.parametrize("kind", Kind)
def test_four_times_the_traffic_halves_the_error(kind: Kind) -> None:
    found = traffic_of(CLICKS, ANSWERS, shares=[SHARE], days=[1, 4], repetitions=2_000)
    once, four = (each.errors for each in found if each.kind is kind)
    assert once[0] == four[0] == 0
    for slow, fast in zip(once[1:], four[1:], strict=True):
        assert slow and fast and slow / fast == pytest.approx(2, rel=0.15)


@pytest.mark.parametrize("kind", Kind)
def test_the_loss_is_that_of_all_that_may_happen(kind: Kind) -> None:
    exploration, click_JK = Exploration(share=SHARE, kind=kind, depth=6), CLICKS.probability_JK
    exact = 1 - (propensities(exploration, 6) * click_JK).sum() / np.trace(click_JK)
    assert one(kind).loss == pytest.approx(exact, rel=0.01)
    assert exact > 0


def test_equal_items_cost_nothing(tmp_path: Path) -> None:
    even = tmp_path / "even.txt"
    even.write_text("1\n" * 6)
    for kind in Kind:
        assert one(kind, planted_clicks(6, 0.1, relevance=even), repetitions=200).loss == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("kind", Kind)
def test_logs_that_are_drawn_answer_by_answer_have_the_same_error(kind: Kind) -> None:
    """The oracle hashes requests and shows items, as the service does, and users click each of them or not."""
    depth, answers, logs = 4, 600, 60
    clicks = planted_clicks(depth, 0.3)
    exploration = Exploration(share=1.0, kind=kind, depth=depth)
    rng = np.random.default_rng(3)
    told = []
    for log in range(logs):
        drawn = (exploration.order(f"{log}-{n}", "user", depth) for n in range(answers))
        rank_SK = np.array([order for order in drawn if order is not None])
        probability_SK = clicks.probability_JK[rank_SK, np.arange(depth)]
        clicked_SK = rng.random(rank_SK.shape) < probability_SK
        counts_JK = np.zeros((depth, depth))
        np.add.at(counts_JK, (rank_SK, np.broadcast_to(np.arange(depth), rank_SK.shape)), clicked_SK)
        told.append(relative_examination(counts_JK, propensities(exploration, depth)))
    told_LK = np.array(told)
    found = traffic_of(clicks, answers, shares=[1.0], days=[1])
    errors = next(each.errors for each in found if each.kind is kind)
    error_K = told_LK.std(axis=0, ddof=1)
    assert error_K[1:] == pytest.approx(np.array(errors[1:], float), rel=4 / np.sqrt(2 * logs))
    assert (abs(told_LK.mean(axis=0) - clicks.examination_K) <= 4 * error_K / np.sqrt(logs) + 0.01).all()


@pytest.mark.parametrize("kind", Kind)
def test_displays_have_the_propensities(kind: Kind) -> None:
    exploration = Exploration(share=0.3, kind=kind, depth=5)
    shown_RJK = displays(exploration, 5, 1_000, 4_000, np.random.default_rng(0))
    assert (shown_RJK.sum(axis=1) == 1_000).all()
    assert shown_RJK.mean(axis=0) / 1_000 == pytest.approx(propensities(exploration, 5), abs=0.003)


def test_logs_without_clicks_have_no_error() -> None:
    found = traffic_of(planted_clicks(10, 0.001), 1_000, shares=[0.005], days=[1])
    assert {each.errors[-1] for each in found} == {None}


def said(*arguments: str) -> str:
    ended = CliRunner().invoke(app, ["experiment", "traffic", *arguments], catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    return ended.stdout


def test_the_command_prints_both_kinds_and_the_same_again(tmp_path: Path) -> None:
    looked = tmp_path / "looked.txt"
    looked.write_text("0.8\n0.4\n0.2\n")
    options = ["--answers-a-day", "10000", "--positions", "3", "--examination", str(looked), "--share", "0.1"]
    text = said(*options, "--days", "7")
    assert text == said(*options, "--days", "7")
    lines = [line.split() for line in text.splitlines()]
    assert ["examination", "1.0000", "0.5000", "0.2500"] in lines
    assert [line[:4] for line in lines[-2:]] == [["swap", "10.00%", "7", "70,000"], ["slice", "10.00%", "7", "70,000"]]
    found = json.loads(said(*options, "--json"))
    assert [(each["kind"], each["days"]) for each in found] == [(kind, days) for kind in Kind for days in (1, 7, 28)]
    assert all(each["errors"][0] == 0 and each["errors"][2] > 0 for each in found)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--share", "2"], "--share is 2; wanted a number above 0, at most 1"),
        (["--days", "0"], "--days is 0; wanted a number above 0"),
        (["--click-rate", "0.9"], "name a rate below"),
    ],
)
def test_what_cannot_be_simulated_is_refused(options: list[str], error: str) -> None:
    with pytest.raises(InputError, match=error):
        CliRunner().invoke(
            app,
            ["experiment", "traffic", "--answers-a-day", "10", *options],
            catch_exceptions=False,
            standalone_mode=False,
        )


def test_a_file_with_too_few_numbers_is_refused(tmp_path: Path) -> None:
    short = tmp_path / "short.txt"
    short.write_text("1\n0.5\n")
    with pytest.raises(InputError, match="2 numbers; wanted 6 above 0, one a line"):
        planted_clicks(6, 0.1, short)
