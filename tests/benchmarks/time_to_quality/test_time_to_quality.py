"""Curves, settings and tasks of the benchmark of seconds to quality."""

from __future__ import annotations

import numpy as np
import pytest

from tests.benchmarks.time_to_quality.curve import Point, first_past, highest, rank, ratio
from tests.benchmarks.time_to_quality.systems import overridden, walk
from tests.benchmarks.time_to_quality.task import Task


def curve(*recalls: float, seconds: float = 10.0) -> list[Point]:
    """Curve whose epochs take `seconds` each."""
    return [Point(epoch=n, seconds=n * seconds, recall=recall) for n, recall in enumerate(recalls, 1)]


def test_the_first_epoch_at_the_target_counts_and_not_a_better_one_later() -> None:
    reached = first_past(curve(0.1, 0.2, 0.15, 0.3), 0.2)
    assert reached is not None
    assert reached.seconds == 20
    assert first_past(curve(0.1, 0.2), 0.21) is None


def test_the_best_epoch_is_the_earliest_of_equals() -> None:
    assert highest(curve(0.1, 0.3, 0.3, 0.2)).epoch == 2


def test_whoever_is_sooner_at_the_target_ranks_higher_and_whoever_comes_nearer_among_the_rest() -> None:
    soon, late = curve(0.1, 0.2), curve(0.1, 0.1, 0.5)
    near, far = curve(0.19), curve(0.1)
    assert rank(soon, 0.2) > rank(late, 0.2) > rank(near, 0.2) > rank(far, 0.2)


def test_a_system_that_never_reached_the_target_has_a_lower_bound() -> None:
    ours = curve(0.1, 0.2)
    assert ratio(curve(0.1, 0.1, 0.2), ours, 0.2) == "1.5"
    assert ratio(curve(0.1, 0.1, 0.1, 0.1), ours, 0.2) == "> 2.0"
    assert ratio(curve(0.2), curve(0.1), 0.2) == "-"


def test_a_walk_finds_the_peak_of_a_hill_and_asks_for_nothing_twice() -> None:
    asked = []

    def height(settings: dict[str, int]) -> int:
        asked.append(tuple(settings.values()))
        return -((settings["x"] - 3) ** 2) - (settings["y"] - 1) ** 2

    assert walk({"x": 0, "y": 0}, {"x": (0, 3, 5), "y": (0, 1, 2)}, height) == {"x": 3, "y": 1}
    assert len(set(asked)) == len(asked) == 5


def test_settings_of_the_command_line_keep_their_type_and_unknown_ones_are_refused() -> None:
    settings = {"rate": 0.1, "epochs": 20, "precision": "float32"}
    assert overridden(settings, ["rate=1", "precision=bfloat16"]) == settings | {"rate": 1.0, "precision": "bfloat16"}
    for wrong in ("speed=3", "rate"):
        with pytest.raises(ValueError, match="wanted NAME=VALUE"):
            overridden(settings, [wrong])


def test_a_task_comes_back_from_its_folder_as_it_was(tmp_path) -> None:  # type: ignore[no-untyped-def]
    task = Task(user_I=np.array([0, 0, 2, 1]), item_I=np.array([1, 0, 1, 1]), users=3, items=3, settings={"rate": 0.1})
    task.save(tmp_path)
    loaded = Task.load(tmp_path)
    assert vars(loaded).keys() == vars(task).keys()
    assert (loaded.user_I == task.user_I).all()
    assert (loaded.item_I == task.item_I).all()
    assert (loaded.users, loaded.items, loaded.settings) == (3, 3, {"rate": 0.1})
    assert loaded.share_N == pytest.approx([0.25, 0.75, 0.25])  # item 2 was never taken, and has a logarithm still
