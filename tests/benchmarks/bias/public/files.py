"""Files of public logs: where they come from, and how they are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from feature_repo.errors import InputError

HOW = """wanted a folder with a checkout of each source that shall be read:
    git clone https://github.com/DongHande/AutoDebias FOLDER/AutoDebias
    git clone https://github.com/st-tech/zr-obp FOLDER/zr-obp"""


def read_numbers(path: Path, names: tuple[str, ...], *, separator: str) -> dict[str, np.ndarray]:
    """Columns of a text file of whole numbers without a header.

    Args:
        path: the file.
        names: names of its columns.
        separator: what stands between two numbers.

    Raises:
        InputError: no such file, another number of columns, or something else than numbers from 0 on.
    """
    table = read_table(path, separator=separator, has_header=False)
    if len(table.columns) != len(names):
        raise InputError(f"{path} has {len(table.columns)} columns; wanted {len(names)}: {', '.join(names)}\n{HOW}")
    table.columns = list(names)
    try:
        whole = table.cast(pl.Int64)
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{path} holds something else than whole numbers: {error}\n{HOW}") from error
    if whole.height == 0 or whole.null_count().sum_horizontal()[0] or whole.min().min_horizontal()[0] < 0:
        raise InputError(f"{path} has no rows, gaps, or numbers below 0; wanted whole numbers from 0 on\n{HOW}")
    return {name: whole[name].to_numpy() for name in names}


def read_matrix(path: Path, shape: tuple[int, int]) -> np.ndarray:
    """Matrix of numbers, separated by spaces: float64.

    Args:
        path: the file.
        shape: rows and columns that it must have.

    Raises:
        InputError: no such file, no numbers, or another shape.
    """
    try:
        matrix = np.loadtxt(present(path), ndmin=2)
    except ValueError as error:
        raise InputError(f"{path} holds something else than numbers: {error}\n{HOW}") from error
    if matrix.shape != shape or not np.isfinite(matrix).all():
        raise InputError(f"{path} has the shape {matrix.shape}, or gaps; wanted {shape} numbers\n{HOW}")
    return matrix


def read_table(path: Path, *, separator: str = ",", has_header: bool = True) -> pl.DataFrame:
    """Table of a text file.

    Args:
        path: the file.
        separator: what stands between two values.
        has_header: whether the first line names the columns.

    Raises:
        InputError: no such file, or no table.
    """
    try:
        return pl.read_csv(present(path), separator=separator, has_header=has_header)
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{path} is no table: {error}\n{HOW}") from error


def present(path: Path) -> Path:
    """A file that is there.

    Raises:
        InputError: it is not.
    """
    if not path.is_file():
        raise InputError(f"no file {path}; {HOW}")
    return path
