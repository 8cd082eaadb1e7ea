"""Reasons of overrides as people are shown them."""

from __future__ import annotations

import pytest

from serving.registry import OVERRIDE
from serving.registry.override import SHOWN, describe_override, override_of, shown_override
from tests.unit.serving.memory_registry import MemoryRegistry

NASTY = "<script>alert(1)</script> & \"quotes'"


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ("the old index is lost", "the old index is lost"),
        (NASTY, NASTY),
        (" two\n\tlines ", "two lines"),
        ("\x1b[31mred\u202e", r"\x1b[31mred\u202e"),
        ("é" * SHOWN, "é" * SHOWN),
        ("é" * (SHOWN + 1), "é" * (SHOWN - 1) + "…"),
    ],
)
def test_a_reason_is_one_line_of_bounded_length(reason: str, shown: str) -> None:
    assert shown_override({OVERRIDE: reason}) == shown


def test_a_version_without_an_override_and_one_that_was_removed_have_no_reason() -> None:
    registry = MemoryRegistry()
    registry.add("passed")
    registry.add("failed", **{OVERRIDE: "on purpose"})
    reasons = [override_of(registry, version) for version in (None, 1, 2, 3)]  # type: ignore[arg-type]
    assert reasons == [None, None, "on purpose", None]


def test_a_description_has_the_reason_and_no_markup_of_it() -> None:
    registry, said = MemoryRegistry(), {}
    registry.describe = said.__setitem__  # type: ignore[attr-defined]
    registry.add("passed")
    registry.add("failed", **{OVERRIDE: NASTY})
    for version in (1, 2):
        describe_override(registry, version)  # type: ignore[arg-type]
    escaped = "&lt;script&gt;alert(1)&lt;/script&gt; &amp; \"quotes'"
    assert said == {2: f"Promoted against the gate, by an override: {escaped}"}
