"""The reason of a promotion against the gate, as it is shown.

It is a person's text: whoever writes it into a page or into Markdown escapes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from html import escape

from serving.one_line import one_line
from serving.registry.registry import Registry
from serving.registry.tags import OVERRIDE

SHOWN = 300
"""Characters of a reason that are shown; the tag has all of it."""


def shown_override(tags: Mapping[str, str]) -> str | None:
    """Return the reason by which a version may serve against the gate, as one line; None without one."""
    reason = tags.get(OVERRIDE)
    return None if reason is None else one_line(" ".join(reason.split()), SHOWN)


def override_of(registry: Registry, version: int | None) -> str | None:
    """Return the reason of a version by its number; None without one, or without that version."""
    if version is not None:
        with suppress(LookupError):  # it was removed
            return shown_override(registry.tags(version))
    return None


def describe_override(registry: Registry, version: int) -> None:
    """Say in a version's description in MLflow by which reason it may serve; nothing without one."""
    reason = override_of(registry, version)
    if reason is not None:
        registry.describe(version, f"Promoted against the gate, by an override: {escape(reason, quote=False)}")
