"""Proof of an index: facts that tell the judged vectors from others.

The fingerprint of a collection is a label that its build gave it. The proof is computed
from what is stored: a hash of all ids and vectors, a hash of the vectors of some probe
items, and the best items of some probe queries. A seal and a promotion compare
everything; a load compares everything where that is quick, else the probes.

Legend: N items, P probe items, Q probe queries, D dimensions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from feature_repo.schema import ITEM_ID
from serving.index.base import ItemIndex, fingerprint
from serving.index.exact import ExactIndex

PROBE_ITEMS, PROBE_QUERIES, ANSWERS = 256, 8, 10
QUICK_ITEMS = 20_000
"""Items whose vectors a service returns in less than a second."""
SCORE_TOLERANCE = 1e-3
SAME_SCORES = 0.9
"""Least share of the probe scores that are found again: a graph index is rebuilt now
and then, and misses others."""


@dataclass(frozen=True, kw_only=True)
class IndexProof:
    """Hashes and answers of a collection."""

    vectors: str
    """SHA-256 over all ids and vectors, in order of id."""
    items: tuple[str, ...]
    """Probe items, spread over the ids; the first ones are the probe queries too."""
    item_vectors: str
    """SHA-256 over their ids and vectors."""
    answers: tuple[tuple[str, ...], ...]
    """Best items of each probe query, best first."""
    scores: tuple[tuple[float, ...], ...]
    """Their scores."""

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> IndexProof:
        """Read the fields from JSON, which has lists for tuples."""
        nested = {name: tuple(map(tuple, raw[name])) for name in ("answers", "scores")}
        return cls(**{**raw, "items": tuple(raw["items"]), **nested})


def prove(index: ItemIndex, name: str) -> IndexProof:
    """Compute the proof of a collection from what it stores."""
    items, vectors_ND = index.contents(name)
    ids = items[ITEM_ID].to_list()
    rows = np.unique(np.linspace(0, len(ids) - 1, PROBE_ITEMS).astype(int))
    # In another order than that of the ids: queries are then spread as well.
    rows = np.random.default_rng(0).permutation(rows)
    answers, scores = _answers(index, name, vectors_ND[rows[:PROBE_QUERIES]])
    return IndexProof(
        vectors=vectors_hash(ids, vectors_ND),
        items=tuple(ids[row] for row in rows),
        item_vectors=vectors_hash([ids[row] for row in rows], vectors_ND[rows]),
        answers=answers,
        scores=scores,
    )


def vectors_hash(ids: Sequence[str], vectors_ND: np.ndarray) -> str:
    """Hash ids and vectors by SHA-256, in their order."""
    digest = hashlib.sha256("\n".join(ids).encode())
    digest.update(np.ascontiguousarray(vectors_ND, dtype=np.float32).tobytes())
    return digest.hexdigest()


def probe_problems(index: ItemIndex, name: str, proof: IndexProof, rows: int) -> list[str]:
    """Compare what a load can compare quickly, and word the differences.

    Args:
        index: the item index.
        name: the collection.
        proof: its proof when it was judged.
        rows: number of its items.
    """
    if isinstance(index, ExactIndex) or rows <= QUICK_ITEMS:
        items, vectors_ND = index.contents(name)
        return [] if vectors_hash(items[ITEM_ID].to_list(), vectors_ND) == proof.vectors else [OTHER_VECTORS]
    stored = index.vectors(name, proof.items)
    missing = [id_ for id_ in proof.items if id_ not in stored]
    if missing:
        return [f"{len(missing):,} of {len(proof.items):,} probe items are missing, such as {missing[0]!r}"]
    probes_PD = np.stack([stored[id_] for id_ in proof.items])
    problems = [] if vectors_hash(proof.items, probes_PD) == proof.item_vectors else [OTHER_VECTORS]
    return problems + _answer_problems(index, name, proof, probes_PD[:PROBE_QUERIES])


def content_problems(index: ItemIndex, name: str, proof: IndexProof, items_fingerprint: str) -> list[str]:
    """Compare everything that is stored, and word the differences.

    Args:
        index: the item index, with all fields of the collection.
        name: the collection.
        proof: its proof when it was judged.
        items_fingerprint: hash of its ids and fields then.
    """
    items, vectors_ND = index.contents(name)
    ids = items[ITEM_ID].to_list()
    problems = [] if vectors_hash(ids, vectors_ND) == proof.vectors else [OTHER_VECTORS]
    if fingerprint(items) != items_fingerprint:
        problems.append("it stores other ids or fields than were judged")
    row_of = {id_: row for row, id_ in enumerate(ids)}
    queries = [row_of[id_] for id_ in proof.items[:PROBE_QUERIES] if id_ in row_of]
    if len(queries) < len(proof.answers):
        return [*problems, "probe queries are missing"]
    return problems + _answer_problems(index, name, proof, vectors_ND[queries])


OTHER_VECTORS = "it stores other vectors than were judged"


def _answer_problems(index: ItemIndex, name: str, proof: IndexProof, queries_QD: np.ndarray) -> list[str]:
    """Compare the scores of the probe answers.

    Items of equal scores may change places.

    Args:
        index: the item index.
        name: the collection.
        proof: its proof when it was judged.
        queries_QD: vectors of the probe queries.
    """
    _, found = _answers(index, name, queries_QD)
    if [len(each) for each in found] != [len(each) for each in proof.scores]:
        return ["probe queries are answered by another number of items"]
    same = np.mean(np.abs(np.array(found) - np.array(proof.scores)) <= SCORE_TOLERANCE)
    return [] if same >= SAME_SCORES else [f"{1 - same:.0%} of the answers to probe queries differ"]


def _answers(
    index: ItemIndex, name: str, queries_QD: np.ndarray
) -> tuple[tuple[tuple[str, ...], ...], tuple[tuple[float, ...], ...]]:
    """Best items of some queries, and their scores."""
    hits = index.search(name, queries_QD, ANSWERS)
    scores = tuple(tuple(round(float(score), 6) for score in each) for each in hits.scores)
    return tuple(map(tuple, hits.ids)), scores


def embeddings_problem(index: ItemIndex, name: str, ids: pl.Series, vectors_ND: np.ndarray) -> str | None:
    """Compare a collection with embeddings, up to the last bits; None if they agree.

    Args:
        index: the item index.
        name: the collection.
        ids: ids of the embeddings.
        vectors_ND: the embeddings.
    """
    items, stored_ND = index.contents(name)
    order = ids.arg_sort().to_numpy()
    if items[ITEM_ID].to_list() != ids.gather(order).to_list():
        return "it stores other items than were evaluated"
    # The same weights give other last bits on another machine or number of threads.
    far = np.abs(stored_ND - vectors_ND[order]).max(axis=1) > SCORE_TOLERANCE
    return f"{far.sum():,} of {len(far):,} stored vectors are not those that were evaluated" if far.any() else None
