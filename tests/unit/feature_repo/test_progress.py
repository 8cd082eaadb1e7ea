"""Loops that tell how far they are."""

from __future__ import annotations

import pytest

from feature_repo.progress import listening, track


def test_a_listener_hears_of_the_outermost_loop() -> None:
    heard: list[tuple[str, int, int]] = []
    with listening(lambda *said: heard.append(said)):
        seen = [(a, b) for a in track("xy", "letters") for b in track([1, 2], "numbers")]
        list(track(iter("z"), "last", 1))
    assert seen == [("x", 1), ("x", 2), ("y", 1), ("y", 2)]
    assert heard == [("letters", 0, 2), ("letters", 1, 2), ("letters", 2, 2), ("last", 0, 1), ("last", 1, 1)]


def test_without_a_listener_it_is_a_plain_loop() -> None:
    assert list(track(iter("xy"), "letters", 2)) == ["x", "y"]


def test_after_an_error_the_next_loop_is_heard() -> None:
    heard: list[tuple[str, int, int]] = []
    with listening(lambda *said: heard.append(said)):
        with pytest.raises(ZeroDivisionError):
            [1 / number for number in track([0], "numbers")]
        list(track("x", "letters"))
    assert heard[-1] == ("letters", 1, 1)
