"""Trials: a command is killed before one of its writes; what is left is compared with what may be."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tests.crashes.forked import KilledError, forked
from tests.crashes.scenario import Answers, Scenario, State
from tests.crashes.writes import Writes


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One kill and what came of it."""

    scenario: str
    point: int
    place: str
    """Place in the product and kind of the write that did not happen."""
    faults: tuple[str, ...]
    named: int
    """Findings of the doctor after the kill."""


class Trials:
    """Trials of one scenario.

    Args:
        scenario: the scenario.
        folder: folder for its worlds; those of the same preparation share it.
    """

    def __init__(self, scenario: Scenario, folder: Path) -> None:
        self._scenario, self._log = scenario, folder / "log"
        # Addresses in a home are absolute: each world stands in the same place.
        self._world, self._template = folder / "world", folder / scenario.name
        prepared = folder / f"{scenario.module}.{scenario.prepare}"
        if prepared.exists():
            self._lay_out(prepared)
        else:
            shutil.rmtree(self._world, ignore_errors=True)  # of another preparation
            self._do(scenario.prepare, self._world)
            shutil.copytree(self._world, prepared, symlinks=True)
        if scenario.arrange:
            self._do(scenario.arrange, self._world)
        shutil.copytree(self._world, self._template, symlinks=True)
        self.before = self._observed()
        self.writes: list[str] = forked(self._watched(None), self._log)
        """Writes of the uninterrupted command."""
        self.after = self._observed()
        self._may_answer: list[tuple[int | None, Answers]] = [
            (state.champion, state.answers) for state in (self.before, self.after)
        ]
        if scenario.also:
            self._do(scenario.also, self._world)
            state = self._observed()
            self._may_answer.append((state.champion, state.answers))

    def points(self, only: str = "all") -> Sequence[int]:
        """Numbers of the writes to be killed before: all, or the first of each place."""
        if only == "all":
            return range(len(self.writes))
        first: dict[str, int] = {}
        for point, place in enumerate(self.writes):
            first.setdefault(place, point)
        return sorted(first.values())

    def run(self, points: Sequence[int]) -> Iterator[Trial]:
        """Try the points, each in the same world as before the command."""
        for point in points:
            self._lay_out(self._template)
            faults, named = self._try(point)
            yield Trial(scenario=self._scenario.name, point=point, place=self.writes[point], faults=faults, named=named)

    def _try(self, point: int) -> tuple[tuple[str, ...], int]:
        try:
            forked(self._watched(point), self._log)
        except KilledError:
            pass
        except RuntimeError as error:
            return (str(error),), 0
        else:
            return ("the command has other writes than before: it was not killed",), 0
        scenario, world = self._scenario, self._world

        def look_and_complete() -> list[dict[str, Any]]:
            left = scenario.call(scenario.observe, world)
            scenario.call(scenario.again, world, left.champion != self.before.champion)
            return [asdict(left), asdict(scenario.call(scenario.observe, world))]

        try:
            left, completed = (State(**each) for each in forked(look_and_complete, self._log))
        except (RuntimeError, KilledError) as error:
            return (str(error),), 0
        return (*self._left(left), *self._completed(completed)), len(left.findings)

    def _lay_out(self, world: Path) -> None:
        """Put a copy of a world in the place of the last one."""
        shutil.rmtree(self._world, ignore_errors=True)
        shutil.copytree(world, self._world, symlinks=True)

    def _left(self, left: State) -> Iterator[str]:
        """What is wrong after a kill."""
        for user, items in left.answers.items():
            if not any((left.champion, items) == (champion, each[user]) for champion, each in self._may_answer):
                yield f"version {left.champion} answers {user} otherwise: {items}"
        if not left.answers:
            yield f"version {left.champion} does not answer"
        # Not by its answers: newer features are loaded before anything else has changed.
        whole = [replace(each, answers={}) for each in (self.before, self.after)]
        if replace(left, answers={}) not in whole and not left.findings:
            yield f"the doctor does not name what is half-done: {asdict(left)}"

    def _completed(self, state: State) -> Iterator[str]:
        """What is wrong after the same command again."""
        wanted = self.after
        if not self._scenario.is_repeatable:  # another version of the same content
            state, wanted = (
                replace(each, champion=0, history=[], versions={}, collections=[], mirror=None)
                for each in (state, wanted)
            )
        if state != wanted:
            yield f"not completed: {asdict(state)}, wanted {asdict(wanted)}"
        if state.findings != wanted.findings:
            yield f"the doctor finds {state.findings}, after an uninterrupted command {wanted.findings}"

    def _watched(self, kill_before: int | None) -> Callable[[], list[str]]:
        def act() -> list[str]:
            writes = Writes(self._world / "home", kill_before)
            writes.watch()
            self._scenario.call(self._scenario.act, self._world)
            return writes.seen

        return act

    def _do(self, name: str, *arguments: Any) -> None:
        def call() -> None:
            self._scenario.call(name, *arguments)

        forked(call, self._log)

    def _observed(self) -> State:
        scenario = self._scenario
        return State(**forked(lambda: asdict(scenario.call(scenario.observe, self._world)), self._log))
