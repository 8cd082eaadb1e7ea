"""Parquet tables written part by part; each part is a row group of its own."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetWriter


class TableWriter:
    """Tables of one folder that grow by parts; use it as a context manager.

    Args:
        folder: folder of the files `{name}.parquet`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writers: dict[str, ParquetWriter] = {}
        self._open = ExitStack()

    def write(self, name: str, part: pl.DataFrame) -> None:
        """Append rows to a table; the first part decides its columns."""
        from pyarrow import parquet

        table = part.to_arrow(compat_level=pl.CompatLevel.oldest())
        if name not in self._writers:
            path = self.folder / f"{name}.parquet"
            writer = parquet.ParquetWriter(path, table.schema, compression="zstd")
            self._writers[name] = self._open.enter_context(writer)
        self._writers[name].write_table(table)

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)
