"""Progress on a terminal and in a log file."""

from __future__ import annotations

import io
import sys

import pytest

from orchestration.reporting import display as module
from orchestration.reporting.display import LiveDisplay, PlainDisplay, display_on


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be moved by hand."""
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_plain_lines_come_now_and_then_with_the_time_left(clock: list[float]) -> None:
    stream = io.StringIO()
    display = display_on(stream)
    assert isinstance(display, PlainDisplay)
    display.begin("towers")
    display.count("batches", 0, 1200)
    for done in range(1, 1201):
        clock[0] += 0.125
        display.count("batches", done, 1200)
    display.end()
    lines = stream.getvalue().splitlines()
    assert lines[0] == "▸ towers"
    assert lines[1].endswith(" s left")
    assert "120 of 1,200 batches, about 135 s left" in lines[1]
    assert len(lines) == 10
    assert "\r" not in stream.getvalue()


def test_a_terminal_has_one_live_line_that_goes(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    display = display_on(screen)
    assert isinstance(display, LiveDisplay)
    display.line("before")
    display.begin("towers")
    display.count("batches", 0, 200)
    clock[0] += 30
    display.count("batches", 50, 200)
    display.line("epoch 1")
    display._progress.refresh()  # type: ignore[union-attr]
    display.end()
    display.end()
    display.line("✓ towers")
    shown = screen.getvalue()
    assert "50 of 200 batches, about 90 s left" in shown
    assert shown.endswith("✓ towers\n")
    assert shown.index("before") < shown.index("epoch 1")
