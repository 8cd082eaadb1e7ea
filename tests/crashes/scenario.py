"""A command that may be killed, in a world of its own, and what must be so afterwards."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import Any

Answers = dict[str, list[str]]
"""Items by user."""


@dataclass(frozen=True, kw_only=True)
class State:
    """What a home holds."""

    champion: int | None
    answers: Answers
    """Of the champion."""
    history: list[int]
    versions: dict[str, str | None]
    """Outcome by complete version."""
    interrupted: list[int]
    collections: list[str]
    mirror: str | None
    """Collection that the Milvus alias points at."""
    leftovers: list[str]
    findings: list[str] = field(compare=False)
    """Problems that the doctor names."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A command and its world, in a folder, by the names of functions.

    Their module is imported in the processes that call them: it may start threads, which a fork would lose.
    """

    name: str
    module: str
    prepare: str
    """Makes the world, which may be that of other scenarios too."""
    act: str
    """The command."""
    again: str
    """What completes it, or cleans up after it; told whether the champion has moved."""
    arrange: str | None = None
    """What comes before the command in this world."""
    observe: str = "observe"
    also: str | None = None
    """After the command: the former champion with what the command has loaded, which may answer meanwhile."""
    is_repeatable: bool = True
    """Whether the completed state is that of the uninterrupted command; a training makes another version."""

    def call(self, name: str, *arguments: Any) -> Any:
        """Call a function of the module."""
        return getattr(importlib.import_module(self.module), name)(*arguments)


SMALL, BEHIND, NIGHT = "tests.crashes.small", "tests.crashes.behind", "tests.crashes.night"
SCENARIOS = (
    Scenario(name="promote", module=SMALL, prepare="prepare", act="act_promote", again="again_promote"),
    Scenario(name="override", module=SMALL, prepare="prepare", act="act_override", again="again_override"),
    Scenario(
        name="rollback", module=SMALL, prepare="prepare", arrange="third", act="act_rollback", again="again_rollback"
    ),
    Scenario(name="rollback-load", module=BEHIND, prepare="prepare", act="act", again="again"),
    Scenario(
        name="by-hand", module=SMALL, prepare="prepare", arrange="by_hand", act="act_settle", again="again_settle"
    ),
    Scenario(name="clean", module=SMALL, prepare="prepare", arrange="third", act="act_clean", again="again_clean"),
    Scenario(
        name="release", module=SMALL, prepare="prepare", act="release", again="again_release", is_repeatable=False
    ),
    Scenario(
        name="night",
        module=NIGHT,
        prepare="prepare",
        arrange="more_data",
        act="act",
        again="again",
        also="roll_back",
        is_repeatable=False,
    ),
)
