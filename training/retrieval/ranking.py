"""Top k of scores, exact.

**Ties.** Higher score first; among equal scores the lower item row first, also across
the boundary at rank k. Equal means equal as computed: two items with the same
embedding can still differ in the last bit of a matrix product.

Legend: Q queries, N items, C candidates of a query.
"""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

Ranked = tuple[np.ndarray, np.ndarray]
"""(item rows int64 [Q, K], their scores [Q, K]), best first; -1 and -inf where there is no further item."""
MIN_CHUNK = 4
"""Items of a chunk below which chunks save nothing."""


def top_k(scores_QN: np.ndarray, k: int) -> np.ndarray:
    """Item rows of the k highest scores, int32 [Q, k].

    Items scored -inf are never returned; ranks that stay empty hold -1.

    Raises:
        ValueError: a NaN among the scores, or k < 1.
    """
    ids, _ = ranked(scores_QN, k)
    found = np.full((len(scores_QN), k), -1, dtype=np.int32)
    found[:, : ids.shape[1]] = ids
    return found


def ranked(scores_QN: np.ndarray, k: int) -> Ranked:
    """The k highest scores with their item rows, K = min(k, N) of each query.

    Raises:
        ValueError: a NaN among the scores, or k < 1.
    """
    import torch

    if k < 1:
        raise ValueError(f"k = {k}; wanted at least 1")
    scores = torch.from_numpy(scores_QN)
    chunk = isqrt(scores.shape[1] // k)
    ids, best = _by_chunks(scores, k, chunk) if chunk >= MIN_CHUNK else _plain(scores, k)
    return ids.masked_fill(best == -torch.inf, -1).numpy(), best.numpy()


def merged(first: Ranked, second: Ranked, k: int) -> Ranked:
    """The k best of two ranked parts of the corpus.

    All item rows of `first` are the lower ones.
    """
    ids_QC, scores_QC = (np.concatenate(pair, axis=1) for pair in zip(first, second, strict=True))
    # Equal scores already stand in order of their item rows, so the tie rule holds on positions.
    columns_QK, best_QK = ranked(scores_QC, k)
    return np.where(columns_QK < 0, -1, np.take_along_axis(ids_QC, columns_QK, axis=1)), best_QK


def _by_chunks(scores: torch.Tensor, k: int, chunk: int) -> tuple[torch.Tensor, torch.Tensor]:
    """As `_plain`, which sees only the items of the k chunks with the highest maxima.

    The k best items lie in these chunks: any other chunk has k better items before its
    best. Only where two chunks tie at the boundary must all items be looked at.
    """
    import torch

    queries, items = scores.shape
    chunks = items // chunk
    # Chunk j holds the items j, j + chunks, ...: maxima over strided rows are the fastest.
    maxima = scores[:, : chunks * chunk].unflatten(1, (chunk, chunks)).amax(dim=1)
    best, chosen = maxima.topk(k + 1, dim=1)
    tied = (best[:, k] == best[:, k - 1]) & (best[:, k] > -torch.inf)
    columns = chosen[:, None, :k].sort(dim=2).values + chunks * torch.arange(chunk)[:, None]
    rest = torch.arange(chunks * chunk, items).expand(queries, -1)
    columns = torch.cat([columns.flatten(1), rest], dim=1)  # ascending, as the tie rule wants them
    found, best = _plain(scores.gather(1, columns), k)
    ids = columns.gather(1, found)
    if tied.any():
        ids[tied], best[tied] = _plain(scores[tied], k)
    return ids, best


def _plain(scores: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Columns and scores of the k best of all columns, those at -inf included."""
    import torch

    number = min(k, scores.shape[1])
    # One more than wanted shows whether rank k ties with what was cut off.
    best, ids = torch.topk(scores, min(number + 1, scores.shape[1]), dim=1)
    if best.isnan().any():  # topk ranks NaN first
        raise ValueError("scores contain NaN; check the embeddings")
    last = best[:, number - 1 : number]
    cut_off = best[:, number:]
    tied = ((cut_off == last) & (last > -torch.inf)).any(dim=1).nonzero().squeeze(1)
    ids = ids[:, :number]
    for part in tied.split(32):  # few at a time: each row is copied
        ids[part] = _lowest_rows_among_ties(scores[part], last[part], number)
    ids = ids.sort(dim=1).values
    best, order = scores.gather(1, ids).sort(dim=1, descending=True, stable=True)
    return ids.gather(1, order), best


def _lowest_rows_among_ties(scores: torch.Tensor, last: torch.Tensor, number: int) -> torch.Tensor:
    """The `number` items with score above `last`, or equal to it.

    Of equal ones as many as fit, from the lowest row up.
    """
    import torch

    above, equal = scores > last, scores == last
    room = number - above.sum(dim=1, keepdim=True)
    chosen = above | (equal & (equal.cumsum(dim=1, dtype=torch.int32) <= room))
    return chosen.nonzero()[:, 1].view(len(scores), number)
