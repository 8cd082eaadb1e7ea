"""Recommendations for every known user, as one Parquet file."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from feature_repo.errors import InputError
from feature_repo.whole_file import whole_file
from serving.open import open_retriever
from serving.settings import Settings


def recommend_all(
    settings: Settings, dataset: str, k: int, where: str | None, out: Path, *, at: datetime | None = None
) -> int:
    """Write the k best items of every user in the feature store to a Parquet file.

    Args:
        settings: the home and its services.
        dataset: dataset whose champion answers.
        k: number of items per user.
        where: filter on items, in the grammar of `serving.index.filters`; None for all items.
        out: the file; it appears only when it is complete.
        at: time of the requests; None as of `Retriever.recommend`.

    Returns:
        The number of rows.

    Raises:
        InputError: the folder of the file does not exist.
        ReleaseError: the dataset has no champion, or the champion cannot be served.
    """
    if not out.absolute().parent.is_dir():
        raise InputError(f"{out}: the folder {out.absolute().parent} does not exist")
    # The folder is checked first: the answers take minutes, and could not be written.
    with open_retriever(settings, dataset) as retriever:
        rows = retriever.recommend_all(retriever.known_users(), k, where, at=at)
    with whole_file(out) as partial:
        rows.write_parquet(partial)
    return rows.height
