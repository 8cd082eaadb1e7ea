"""A searcher as one file: safetensors with ids, vectors, fields, and the graph if there is one.

It holds nothing that could be code. The same searcher gives the same bytes. The half-precision vectors are not stored:
they are made from the vectors at load, which takes less time than to read and to hash them.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np

from serving.search.fields import Column, ItemFields
from serving.search.memory import MemorySearcher

FILE, FORMAT = "searcher.safetensors", 1
_HEADER, _VECTORS, _GRAPH = "header", "vectors", "graph"


class SearcherError(ValueError):
    """A stored searcher is not the one that was judged."""


def save(searcher: MemorySearcher, folder: Path) -> str:
    """Write a searcher to `FILE` in a folder, whole at once.

    Returns:
        The SHA-256 of the file.
    """
    content = to_bytes(searcher)
    partial = folder / f"{FILE}.{os.getpid()}.partial"
    partial.write_bytes(content)
    partial.replace(folder / FILE)
    return hashlib.sha256(content).hexdigest()


def load(folder: Path, *, sha256: str, rows: int, threads: int = 1) -> MemorySearcher:
    """Read a searcher after comparing it with the manifest.

    Args:
        folder: folder of the file.
        sha256: its hash in the manifest.
        rows: number of items in the manifest.
        threads: OpenMP threads of a search of several queries.

    Raises:
        SearcherError: the file has another hash, or holds another number of items.
    """
    content = (folder / FILE).read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise SearcherError(
            f"{folder / FILE} has the hash {found}, wanted {sha256}: build the release's searcher again"
        )
    searcher = from_bytes(content, threads=threads)
    if len(searcher.ids) != rows:
        raise SearcherError(
            f"{folder / FILE} holds {len(searcher.ids):,} items, wanted {rows:,}: it is another release's"
        )
    return searcher


def to_bytes(searcher: MemorySearcher) -> bytes:
    """Content of the file."""
    from safetensors.numpy import save as pack

    columns = searcher.fields.columns
    header = {
        "format": FORMAT,
        "ids": searcher.ids,
        "fields": [{"name": name, "texts": column.texts} for name, column in columns.items()],
    }
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":"))
    arrays = {_HEADER: np.frombuffer(text.encode(), np.uint8), _VECTORS: searcher.item_ND}
    arrays |= {f"field_{number}": column.values_N for number, column in enumerate(columns.values())}
    if searcher.graph is not None:
        arrays[_GRAPH] = searcher.graph
    content: bytes = pack(arrays)
    return content


def from_bytes(content: bytes, *, threads: int = 1) -> MemorySearcher:
    """Read the content of a file whose hash was verified.

    Raises:
        SearcherError: a format that this Gatehouse does not read.
    """
    from safetensors.numpy import load as unpack

    arrays = unpack(content)
    header = json.loads(arrays[_HEADER].tobytes())
    if header["format"] != FORMAT:
        raise SearcherError(f"the searcher has format {header['format']}, this Gatehouse reads {FORMAT}")
    columns = {
        field["name"]: Column(values_N=arrays[f"field_{number}"], texts=field["texts"] and tuple(field["texts"]))
        for number, field in enumerate(header["fields"])
    }
    fields = ItemFields(columns, len(header["ids"]))
    return MemorySearcher(header["ids"], arrays[_VECTORS], fields, arrays.get(_GRAPH), threads=threads)
