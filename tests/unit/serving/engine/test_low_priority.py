"""Work at low priority."""

from __future__ import annotations

import os
import sys

import pytest

from serving.engine.low_priority import LOW, at_low_priority


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a priority for each thread")
def test_only_the_work_has_the_low_priority() -> None:
    before = niceness()
    assert at_low_priority(niceness) == LOW
    assert niceness() == before < LOW


def test_its_error_is_that_of_the_caller() -> None:
    def fail() -> None:
        raise LookupError("no such version")

    with pytest.raises(LookupError, match="no such version"):
        at_low_priority(fail)
