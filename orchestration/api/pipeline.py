"""Pipeline of the Python API: `gatehouse run`, and what its champion serves.

Unlike the rest of the API it keeps state, in the folder that GATEHOUSE_HOME names.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.cli.home import current_dataset, guess_dataset, prepare

if TYPE_CHECKING:
    from serving.retriever import Retriever


def run(data: str | Path | None = None, *, dataset: str | None = None, **options: Any) -> dict[str, Any]:
    """Take a log to a judged release, promoted if it earns it.

    It is what `gatehouse run` does.

    Args:
        data: folder with a gatehouse.yaml, or of MovieLens; None for a dataset without one.
        dataset: completejourney, tiny, movielens or own; None guesses it from the folder.
        options: further fields of `orchestration.workspace.Workspace`: as_of, seed, recipe, device,
            retrain, update, warm_start, refit.

    Returns:
        Summary of the run: version, outcome and reasons of the gate, champion, metrics by system.

    Raises:
        InputError: data or options that cannot be used.
        CheckError: a blocking check of the features failed.

    >>> gh.run("no_such_folder")
    Traceback (most recent call last):
    feature_repo.errors.InputError: --data no_such_folder: no such folder
    """
    folder = None if data is None else Path(data)
    name = dataset or guess_dataset(folder)
    settings = prepare()
    from orchestration.pipeline import run_pipeline
    from orchestration.reporting.summary import run_summary

    config = {"dataset": name, "data": None if folder is None else str(folder)}
    judged = run_pipeline(config | options)
    return run_summary(settings, judged)


@contextmanager
def open_champion(dataset: str | None = None) -> Iterator[Retriever]:
    """Open the champion of a dataset.

    Its `recommend` answers as `gatehouse recommend` does.

    Args:
        dataset: name of the dataset, which its gatehouse.yaml gives; None for that of the last run.

    Raises:
        LookupError: nothing was run yet.
        ReleaseError: the dataset has no champion.

    >>> with gh.open_champion() as champion:
    ...     champion.recommend("u1", k=20)
    Traceback (most recent call last):
    LookupError: nothing was run yet in ...: `gatehouse run` comes first
    """
    settings = prepare()
    name = dataset or current_dataset(settings)
    from serving.open import open_retriever

    with open_retriever(settings, name) as retriever:
        yield retriever
