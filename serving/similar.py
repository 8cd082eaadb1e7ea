"""Items whose embeddings are nearest to that of an item.

Legend: D dimensions.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from serving.index.base import ItemIndex
from serving.release.manifest import Manifest
from serving.retriever import Recommended


def similar_items(
    index: ItemIndex,
    manifest: Manifest,
    item_id: str,
    k: int,
    *,
    where: str | None = None,
    left_out: Collection[str] = (),
) -> tuple[Recommended, ...]:
    """Find the items of the highest cosine with an item, best first.

    Args:
        index: index of the release.
        manifest: manifest of the release.
        item_id: the item, which is not in the answer.
        k: number of items.
        where: filter, in the grammar of `serving.index.filters`; None for all items.
        left_out: further items that are not in the answer.

    Raises:
        LookupError: the release does not have the item.
        FilterError: the filter cannot be used.
    """
    name = manifest.collection
    stored = index.vectors(name, [item_id])
    if item_id not in stored:
        raise LookupError(f"version {manifest.version} has no item {item_id!r}")
    unwanted = {item_id, *left_out}
    wanted = min(k + len(unwanted), manifest.item_count)
    hits = index.search(name, _direction(stored[item_id])[np.newaxis], wanted, where)
    found = zip(hits.ids[0], hits.scores[0].tolist(), strict=True)
    best = [(id_, score) for id_, score in found if id_ not in unwanted][:k]
    fields = index.fetch(name, [id_ for id_, _ in best])
    return tuple(Recommended(item_id=id_, score=score, fields=fields[id_]) for id_, score in best)


def _direction(vector_D: np.ndarray) -> np.ndarray:
    """Unit vector of an item without the coordinate of an item prior, where it has one."""
    if abs(float(np.linalg.norm(vector_D)) - 1) < 1e-3:
        return vector_D
    # The prior says how popular an item is, not what it is like.
    return np.concatenate([vector_D[:-1], np.zeros(1, dtype=vector_D.dtype)])
