"""Interrupting a run."""

from __future__ import annotations

import signal
import sys
import time
import weakref
from collections.abc import Iterator

import pytest

from orchestration.pipeline import interrupts_kept


class Thing:
    """Something to be collected."""


def collect(error: BaseException) -> None:
    """Raise an error where Python drops it: in the callback of a weak reference."""

    def fail(_: object) -> None:
        raise error

    thing = Thing()
    reference = weakref.ref(thing, fail)
    del thing
    assert reference() is None


@pytest.fixture
def ctrl_c_raises() -> Iterator[None]:
    """Python's own handler: a process started in the background ignores SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c_raises")
def test_ctrl_c_during_garbage_collection_is_not_lost() -> None:
    with pytest.raises(KeyboardInterrupt), interrupts_kept():
        collect(KeyboardInterrupt())
        time.sleep(5)


def test_other_errors_there_are_reported_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    reported: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda dropped: reported.append(dropped.exc_type))
    with interrupts_kept():
        collect(ValueError())
    assert reported == [ValueError]
