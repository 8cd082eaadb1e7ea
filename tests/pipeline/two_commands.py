"""Pairs of commands at once on one home, as forks of one process that has imported everything.

`python -m tests.pipeline.two_commands ROOT ARTIFACTS SEED NUMBER` runs NUMBER pairs one after the other on a home in
ROOT, and prints what each came to as a line of JSON. Each command sleeps at random, by the seed, wherever it takes a
lock or writes what another one reads. Trainings are left out: a run takes the towers of ARTIFACTS for its own. All
else is as it is.

This process itself only imports, forks and waits: the threads of Polars and gRPC do not survive a fork.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import feast.infra.offline_stores.duckdb
import feast.infra.online_stores.sqlite  # noqa: F401
import filelock
import milvus_lite.server_manager  # noqa: F401
import mlflow.pyfunc
import mlflow.store.model_registry.sqlalchemy_store
import mlflow.store.tracking.sqlalchemy_store  # noqa: F401
import polars as pl
import torch

import training.artifacts.export
import training.strangers
from feature_repo.store.offline import AsOfDuckDBOfflineStore  # noqa: F401
from orchestration import cli
from orchestration.defs import training as training_assets
from serving.index.milvus import MilvusIndex
from serving.registry import Registry
from tests.pipeline.planted import Home
from tests.pipeline.two_commands_check import state_of
from training.data.popularity import popular_items
from training.recipes.serialization import to_json

DATASET = "pairs"
COMMANDS = ("run", "update", "promote", "rollback", "recommend", "clean")
POLICY: dict[str, Any] = {"regression": {"metrics": ["all/recall@20"], "max_drop": 0.9}, "min_holdout_users": 5}
LONGEST_PAUSE, SLOWEST = 0.3, 150.0
"""Seconds of a pause, and after which a command is taken to hang."""
FOLLOWED = 4
"""Of so many pairs, one is followed by a command alone."""
CRASHED = 99
"""Exit code of a command that ended with a traceback."""
POINTS = (
    (filelock.UnixFileLock, "_acquire"), (filelock.UnixFileLock, "_release"), (Path, "replace"), (shutil, "rmtree"),
    (Registry, "set_tags"), (Registry, "set_model_tags"), (Registry, "set_champion"), (Registry, "delete"),
    (MilvusIndex, "build"), (MilvusIndex, "point"), (MilvusIndex, "drop"),
)  # fmt: skip
"""Where locks are taken and results written."""


@dataclass(kw_only=True)
class Pairs:
    """A home on which pairs of commands run."""

    home: Home
    artifacts: Path
    """Files of a version whose towers are those of every version here."""
    exports: Sequence[Path]
    """Files of events, each with more of them."""
    exported: int = 0
    state: dict[str, Any] = field(default_factory=dict)
    """What `state_of` found last."""

    @property
    def folder(self) -> Path:
        return self.home.root / DATASET

    def export(self) -> None:
        """The next day's export, as long as there is one."""
        if self.exported < len(self.exports):
            shutil.copy(self.exports[self.exported], self.folder / "events.partial")
            (self.folder / "events.partial").replace(self.folder / "events.csv")
            self.exported += 1

    def arguments(self, command: str, dice: Random) -> list[str]:
        """Arguments of `gatehouse` for a command of COMMANDS."""
        run = ["run", "--data", str(self.folder), "--recipe", "quick", "--json"]
        versions = self.state.get("versions", [1])
        given = {
            "run": run,
            "update": [*run, "--update", "champion"],
            "promote": ["promote", str(dice.choice(versions)), "--json"],
            "rollback": ["rollback", "--json"],
            "recommend": ["recommend", f"u{dice.randrange(60):03}", "--json"],
            "clean": ["clean", "--keep", str(dice.choice((1, 3))), "--json"],
        }[command]
        return given if given[0] == "run" else [*given, "--dataset", DATASET]

    def together(self, *commands: list[str], dice: Random | None = None) -> list[dict[str, Any]]:
        """Run commands at once, and return how each ended."""
        forks = [_Fork(self._command(command, dice and dice.getrandbits(32))) for command in commands]
        return [{"arguments": command, **fork.result()} for command, fork in zip(commands, forks, strict=True)]

    def look(self) -> dict[str, Any]:
        """State of the home, and whatever is wrong with it."""
        found = _Fork(lambda: state_of(self.home.settings, DATASET)).result()
        self.state = found["value"] or self.state
        return found

    def _command(self, arguments: list[str], seed: int | None) -> Callable[[], None]:
        def work() -> None:
            torch.set_num_threads(1)
            with ExitStack() as stack:
                for owner, name in POINTS if seed is not None else ():
                    stack.enter_context(patch.object(owner, name, _paused(getattr(owner, name), Random(seed))))
                sys.argv = ["gatehouse", *arguments]
                cli.main()

        return work


def _paused(function: Callable[..., Any], dice: Random) -> Callable[..., Any]:
    def wrapper(*arguments: Any, **more: Any) -> Any:
        time.sleep(dice.choice((0, 0, LONGEST_PAUSE * dice.random())))
        return function(*arguments, **more)

    return wrapper


class _Fork:
    """A forked process at work."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.folder = Path(os.environ["TWO_COMMANDS_SCRATCH"]) / f"{time.monotonic_ns()}"
        self.folder.mkdir()
        self.pid = os.fork()
        if not self.pid:
            self._work(work)

    def _work(self, work: Callable[[], Any]) -> None:
        """In the fork: work, keep what was said and returned, and end."""
        code = 0
        with (
            (self.folder / "out").open("w") as out,
            (self.folder / "err").open("w") as err,
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            try:
                (self.folder / "value").write_text(json.dumps(work()))
            except SystemExit as end:
                code = int(end.code or 0)
            except BaseException:  # noqa: BLE001
                code = CRASHED
                traceback.print_exc()
        (self.folder / "modules").write_text("\n".join(sys.modules))
        os._exit(code)  # not back into the process that forked

    def result(self) -> dict[str, Any]:
        deadline = time.monotonic() + SLOWEST
        while True:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > deadline:
                os.kill(self.pid, 9)
                os.waitpid(self.pid, 0)
                return {"code": "hangs", "value": None, "seconds": SLOWEST, "out": "", "err": ""}
            time.sleep(0.02)
        texts = {name: path.read_text() if (path := self.folder / name).exists() else "" for name in ("out", "err")}
        value = self.folder / "value"
        found = json.loads(value.read_text()) if value.exists() and value.read_text() else None
        self._import()
        seconds = round(usage.ru_utime + usage.ru_stime, 1)
        return {"code": os.waitstatus_to_exitcode(status), "value": found, "seconds": seconds, **texts}

    def _import(self) -> None:
        """Import what the fork had to, so that the next one has it."""
        for name in (self.folder / "modules").read_text().splitlines():
            if name not in sys.modules:
                with suppress(Exception):
                    importlib.import_module(name)


def _export(folder: Path, *_: Any, schema: Any, config: Any, popular: Any, **more: Any) -> None:
    """Instead of an export: towers of another version, in this version's files."""
    shutil.copytree(os.environ["TWO_COMMANDS_ARTIFACTS"], folder)
    (folder / "schema.json").write_text(schema.to_json())
    (folder / "recipe.json").write_text(to_json(config))
    (folder / "popular.json").write_text(json.dumps(list(popular)))


def _untrained(workspace: Any, frames: Any, *_: Any) -> Any:
    """Instead of a training: the recipe alone."""
    config = training_assets._recipe(workspace, frames.source)
    nothing = dict.fromkeys(("model", "user_encoder", "item_encoder", "examples"))
    return SimpleNamespace(config=config, epochs=[], tried=(), passes=1, bias=None, **nothing)


def _popular(model: Any, encoder: Any, corpus: pl.Series, events: pl.DataFrame) -> list[tuple[str, int]]:
    """Instead of a model's own list for strangers."""
    return popular_items(events, corpus)


def main(root: Path, artifacts: Path, seed: int, number: int) -> None:
    scratch = root / "forks"
    scratch.mkdir()
    os.environ |= {"TWO_COMMANDS_SCRATCH": str(scratch), "TWO_COMMANDS_ARTIFACTS": str(artifacts)}
    home = Home(root=root).light()
    pairs = Pairs(home=home, artifacts=artifacts, exports=sorted((root / "exports").glob("*.csv")))
    with (
        home.entered(**POLICY),
        patch.object(training_assets, "_fit", _untrained),
        patch.object(training.artifacts.export, "export", _export),
        patch.object(training.strangers, "items_for_strangers", _popular),
    ):
        pairs.export()
        say({"first": pairs.together(pairs.arguments("run", Random(0))), "look": pairs.look()})
        every = list(product(COMMANDS, repeat=2))
        Random(seed).shuffle(every)
        for index in range(number):
            dice, pair = Random(f"{seed} {index}"), every[index % len(every)]
            if dice.random() < 0.4:
                pairs.export()
            before, commands = pairs.state, [pairs.arguments(each, dice) for each in pair]
            ended, look, after = pairs.together(*commands, dice=dice), pairs.look(), []
            if index % FOLLOWED == 0:
                after = pairs.together(pairs.arguments(dice.choice(("run", "rollback")), dice))
                pairs.look()
            say({"pair": pair, "index": index, "before": before, "ended": ended, "look": look, "after": after})


def say(found: dict[str, Any]) -> None:
    sys.stdout.write(f"{json.dumps(found)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
