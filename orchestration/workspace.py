"""The workspace of a run: options and folders, the resource of all assets."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from importlib import metadata
from pathlib import Path

import dagster as dg

from feature_repo.errors import InputError
from feature_repo.utc import present_time, utc_time
from feature_repo.whole_file import write_text
from orchestration.options import PLAIN, check_options, chosen_baselines
from orchestration.run_locks import held
from serving.folder_store import FolderStore
from serving.gate.policy_file import read_policy
from serving.settings import Settings
from training.recipes.choice import CHOICE_SECONDS
from training.recipes.named import DEFAULT

BEGUN = "begun"
"""File beside the asset values that names the folder of the newest run, from its beginning on."""
COMPUTING = ("duckdb", "feast", "numpy", "pandas", "polars", "pyarrow", "scipy", "torch")
"""Packages that compute features and towers: another release of one may give others."""


class Workspace(dg.ConfigurableResource):
    """Options of `gatehouse run`, which Dagster's launchpad sets in the UI."""

    dataset: str = "completejourney"
    data: str | None = None
    past: bool = False
    """Whether the run stands in the past: it sees what was known before `as_of`, and no later event is an error."""
    history: str | None = None
    """Folder of canonical tables that a run in the past reads instead of the dataset."""
    as_of: str | None = None
    now: str | None = None
    """Present time; None for this machine's clock."""
    same_dataset: bool = False
    """Whether data that shares nothing with the former is the same dataset."""
    reset_online: bool = False
    """Whether to load the online features anew, even if those of a later time are there."""
    accept_data: bool = False
    """Whether the data are right, though they differ from the last version's so that the run would stop."""
    seed: int = 0
    retrain: bool = False
    recipe: str = DEFAULT
    update: str | None = None
    """Base of an incremental update: `champion` or a version's number."""
    warm_start: str | None = None
    """Base of a warm start, likewise."""
    refit: bool | None = None
    """Whether a passed version is trained again on all data; None for what the gate's policy says."""
    device: str = "cpu"
    choice_seconds: float = CHOICE_SECONDS
    """Budget of the trials that choose between switches of the default recipe; 0 for none."""
    baselines: str = PLAIN
    """Baselines beside the gate's and those that only count: `plain` (no other), `all`, or names with commas."""

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Workspace]:
        """Hold the lock of the run as long as its process lives, from the first asset to the last."""
        if context.run is None:  # an asset that is called as a function belongs to no run
            yield self
            return
        with held(self.settings.home, context.run.run_id):
            yield self

    @property
    def settings(self) -> Settings:
        """Settings of this process, from the environment."""
        return Settings.from_environment(os.environ)

    @property
    def moment(self) -> datetime | None:
        """Time of `as_of` in naive UTC, if it is given.

        Raises:
            InputError: it is no ISO time.
        """
        return None if self.as_of is None else utc_time("as_of", self.as_of)

    @property
    def clock(self) -> datetime:
        """Present time in naive UTC: that of `now`, by default this machine's.

        Raises:
            InputError: `now` is no ISO time.
        """
        return present_time() if self.now is None else utc_time("now", self.now)

    def check(self) -> None:
        """Check the options, as the command line did; those of Dagster's launchpad come here first.

        Raises:
            ValueError: the recipe is unknown, the device is not there, or the gate policy has mistakes.
            InputError: options exclude each other, name no version, or the past comes without its moment.
            FolderStoreError: the bucket of the data is away.
        """
        check_options(
            recipe=self.recipe,
            device=self.device,
            baselines=self.baselines,
            update=self.update,
            warm_start=self.warm_start,
            choice_seconds=self.choice_seconds,
            policy=self.settings.gate_policy,
        )
        _ = self.clock, self.moment
        if self.past and self.as_of is None:
            raise InputError("a run in the past needs as_of: the moment whose knowledge it has")
        store = self.settings.folder_store
        if store is not None:
            store.check()  # now, not after hours of work

    @property
    def chooses(self) -> bool:
        """Whether trials choose the recipe: the default one, trained from scratch."""
        # A named recipe is meant as it is, and a release's towers fit only its own.
        return self.recipe == DEFAULT and self.choice_seconds > 0 and not (self.update or self.warm_start)

    @property
    def refits(self) -> bool:
        """Whether a passed version is trained again on all data.

        Raises:
            ValueError: a gate policy with mistakes.
        """
        return read_policy(self.settings.gate_policy).refit.after_pass if self.refit is None else self.refit

    @property
    def baseline_names(self) -> tuple[str, ...]:
        """Names of the baselines that the evaluation measures.

        Raises:
            ValueError: a name that no baseline has.
        """
        return chosen_baselines(self.baselines, self.settings.gate_policy)

    @property
    def slice_fields(self) -> tuple[str, ...]:
        """Fields by whose values the gate's policy slices."""
        return read_policy(self.settings.gate_policy).fields

    @property
    def windows(self) -> int:
        """Windows into which the gate's policy parts the hold-out."""
        return read_policy(self.settings.gate_policy).windows

    @property
    def values_folder(self) -> Path:
        """Folder of the asset values of this dataset and data folder."""
        return self.past_values_folder if self.past else self._values_folder  # a run of today reads those of today

    @property
    def past_values_folder(self) -> Path:
        """The same of runs in the past."""
        return self._values_folder.with_name(f"{self._values_folder.name}-past")

    @property
    def _values_folder(self) -> Path:
        source = self.history or self.data
        suffix = f"-{_digest(str(Path(source).absolute()))[:8]}" if source else ""
        return self.settings.home / "values" / f"{self.dataset}{suffix}"

    def note_begun(self, folder: Path) -> None:
        """Note the folder of this run, so that no cleaning takes it for a former one's."""
        self.values_folder.mkdir(parents=True, exist_ok=True)
        write_text(self.values_folder / BEGUN, str(folder))

    def folder(self, dataset: str, *key: str) -> Path:
        """Name the folder of everything derived from one input.

        The same key means the same content.
        """
        return self.settings.data_folder / dataset / _digest("\n".join((*key, code_digest())))[:12]

    def fill(self, folder: Path, build: Callable[[Path], None]) -> bool:
        """Fill a folder that its name says all of, from the bucket where one is named; as of `fill`.

        Folders of a version are not of this kind: another registry's version has the same number.
        """
        return fill(folder, build, self.settings.folder_store)


def fill(folder: Path, build: Callable[[Path], None], store: FolderStore | None = None) -> bool:
    """Build a folder unless it is there, or in the bucket.

    The folder gets its name when it is complete, so a crash leaves no half folder. Of several processes one builds,
    and the others wait.

    Args:
        folder: the folder.
        build: writes its files into the folder that it is called with.
        store: bucket that is asked first, and has the folder afterwards; None for none.

    Returns:
        Whether it was built here.

    Raises:
        FolderStoreError: the bucket is away, or has another content than was stored.
    """
    from filelock import FileLock

    partial, lock = (folder.with_name(f"{folder.name}.{suffix}") for suffix in ("partial", "lock"))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):
        built = not folder.exists() and _filled(folder, partial, build, store)
        if store is not None:
            # After the folder has its name: what was built stays if the bucket is away, and comes there next time.
            store.keep(folder)
    return built


def _filled(folder: Path, partial: Path, build: Callable[[Path], None], store: FolderStore | None) -> bool:
    """Fill a folder that is not there; returns whether it was built."""
    shutil.rmtree(partial, ignore_errors=True)  # of a process that was killed
    partial.mkdir()
    try:
        built = store is None or not store.fetch(folder, partial)
        if built:
            build(partial)
        _flush(partial)
        partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return built


def _flush(folder: Path) -> None:
    """Write a folder to the disk.

    After a loss of power no named folder is half there.
    """
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb+") as file:
                os.fsync(file.fileno())
    if os.name == "posix":  # elsewhere folders cannot be opened
        for path in (*(path for path in folder.rglob("*") if path.is_dir()), folder):
            opened = os.open(path, os.O_RDONLY)
            os.fsync(opened)
            os.close(opened)


@cache
def code_digest() -> str:
    """Hash what computes a version.

    The code of feature_repo and training, and the packages below them.
    """
    import feature_repo
    import training

    roots = [Path(str(package.__file__)).parent for package in (feature_repo, training)]
    files = sorted(path for root in roots for path in root.rglob("*.py"))
    code = [_digest(path.read_text(encoding="utf-8")) for path in files]
    return _digest("".join([*code, *(f"{name}=={metadata.version(name)}" for name in COMPUTING)]))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
