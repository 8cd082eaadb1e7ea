"""Recommendations and releases as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from serving.one_line import one_line
from serving.registry import PARENT, TRAINING

if TYPE_CHECKING:
    from serving.answer import Recommendations
    from serving.registry import VersionSummary


SHOWN = 80
"""Characters of a value in a line for people."""


def plain(value: object) -> str:
    """One line of a value: control characters are escaped, long texts cut."""
    # Features are stored as floats, and people read a year as 1997.
    whole = isinstance(value, float) and value.is_integer()
    return one_line(f"{value:.0f}" if whole else str(value), SHOWN)


def recommendations_text(answer: Recommendations, override: str | None = None) -> str:
    """Word an answer for people, with the reason of an override by which its version serves."""
    until = (
        f"features as of {answer.features_as_of:%Y-%m-%d %H:%M}"
        if answer.features_as_of
        else "features of an unknown time"
    )
    lines = [f"user {plain(answer.user_id)}, version {answer.version}, from {answer.source}, {until}"]
    for rank, item in enumerate(answer.items, 1):
        shown = ", ".join(plain(value) for value in item.fields.values() if value is not None)
        new = "  (new)" if item.new else ""
        lines.append(f"{rank:>4}  {item.score:>8.4f}  {plain(item.item_id):>10}  {shown}{new}")
    notes = [f"version {answer.version} serves by an override: {override}"] if override else []
    return "\n".join([*lines, *(f"note: {note}" for note in [*notes, *answer.notes])])


def releases_text(versions: Sequence[VersionSummary]) -> str:
    """List versions for people; `*` marks the champion.

    A line shows the base of an update or a warm start, and the reason of an override.
    """
    from serving.registry.override import shown_override
    from serving.release.history import may_serve

    lines = []
    for each in versions:
        mark = "*" if each.champion else " "
        shown = "  ".join(
            f"{name} {each.metrics[name]:.4f}" for name in ("all/recall@20", "all/ndcg@20") if name in each.metrics
        )
        override = shown_override(each.tags)
        reason = f"  promoted against the gate: {override}" if override else ""
        outcome = each.outcome or "not judged"
        origin = f"  {each.tags[TRAINING]} of v{each.tags[PARENT]}" if PARENT in each.tags else ""
        if each.champion and not may_serve(each.tags):
            reason = "  does not serve: the alias was moved to it by hand"
        lines.append(f"{mark} v{each.version}  {each.created:%Y-%m-%d %H:%M}  {outcome:<10}  {shown}{origin}{reason}")
    return "\n".join(lines) or "no versions yet"
