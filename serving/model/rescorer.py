"""The re-scorer of a release: scores of user-item pairs beyond the inner product.

There are two kinds, and a release has at most one of them. A repeat head adds a learned term to the score of each item
in the user's history, from how often and how long ago the item was taken: one user vector cannot be near to all of them
at once. A reranker scores the best candidates of the index again from both embeddings.

Legend: Q users, L positions of a history, C candidates, D dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from feature_repo.encode import Encoder, InputKind
from feature_repo.program import Program

QUERIES_AT_ONCE = 256
"""The embeddings of a call take 256 · L · D numbers."""


@dataclass(frozen=True, kw_only=True)
class Rescorer:
    """An exported re-scorer: a repeat head or a reranker."""

    encoder: Encoder
    """The encoder of the user tower."""
    program: Program
    candidates: int = 0
    """Number of candidates that a reranker scores; 0 for a repeat head."""

    @cached_property
    def history(self) -> str:
        """Name of the history whose items are scored.

        ValueError unless the encoder has exactly one.
        """
        names = [each.name for each in self.encoder.inputs if each.kind is InputKind.HISTORY]
        if len(names) != 1:
            raise ValueError(f"a re-scorer needs one history of the user, and the encoder has {names or 'none'}")
        return names[0]

    def of_histories(self, users: Mapping[str, np.ndarray], user_QD: np.ndarray, vectors_QLD: np.ndarray) -> np.ndarray:
        """Score the items of histories by a repeat head: float32 [Q, L].

        Args:
            users: encoded users.
            user_QD: their embeddings.
            vectors_QLD: stored vectors of the items, position by position; any where there is none.
        """
        return self.program.in_parts({**users, "user_embedding": user_QD, "history_embeddings": vectors_QLD})

    def of_candidates(self, user_QD: np.ndarray, vectors_QCD: np.ndarray) -> np.ndarray:
        """Score candidates by a reranker: float32 [Q, C].

        Args:
            user_QD: embeddings of the users.
            vectors_QCD: stored vectors of the candidates, at most as many as it was trained for.
        """
        number = vectors_QCD.shape[1]
        missing = np.zeros((len(user_QD), self.candidates - number, user_QD.shape[1]), np.float32)
        given = np.concatenate([vectors_QCD, missing], axis=1)
        return self.program({"user_embedding": user_QD, "candidate_embeddings": given})[:, :number]
