"""The re-scorer of a release: exact scores of the items that a user had before.

One user vector cannot be near to all of them at once, but serving knows them: a learned term, which reads how often and
how long ago each was taken, is added to the score that the index would give. So both merge into one list.

Legend: Q users, L places of a history, D dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from feature_repo.encode import RESERVED, Encoder, InputKind
from feature_repo.schema import Entity

if TYPE_CHECKING:
    import torch

ITEM, QUERY = Entity.ITEM.key, "query"
USERS_PER_CALL = 256
"""Their histories' embeddings take 256 · L · D numbers."""


@dataclass(frozen=True, kw_only=True)
class Rescorer:
    """An exported re-scorer. encoder: the user tower's."""

    encoder: Encoder
    program: torch.nn.Module

    @cached_property
    def history(self) -> str:
        """Name of the history that is scored. ValueError unless the encoder has just one."""
        names = [each.name for each in self.encoder.inputs if each.kind is InputKind.HISTORY]
        if len(names) != 1:
            raise ValueError(f"a re-scorer needs one history of the user, and the encoder has {names or 'none'}")
        return names[0]

    def owned(self, users: pl.DataFrame) -> list[str]:
        """The distinct items of the users' histories, sorted."""
        return users[f"{self.history}_items"].explode().drop_nulls().unique().sort().to_list()

    def score(self, users: pl.DataFrame, user_QD: np.ndarray, vectors: Mapping[str, np.ndarray]) -> pl.DataFrame:
        """<u, v_i> + τ·r(u, i) of the items of users' histories: query (row of users), item_id, score (float64).

        users: features as of event_timestamp; user_QD: their embeddings. vectors: of the items that may be scored, by
        id; the others are left out, and so are items that the term does not know.
        """
        empty = pl.DataFrame(schema={QUERY: pl.Int64, ITEM: pl.String, "score": pl.Float64})
        starts = range(0, len(users) if vectors else 0, USERS_PER_CALL)
        blocks = (slice(start, start + USERS_PER_CALL) for start in starts)
        parts = [self._block(block.start, users[block], user_QD[block], vectors) for block in blocks]
        return pl.concat([empty, *parts])

    def _block(
        self, first: int, users: pl.DataFrame, user_QD: np.ndarray, vectors: Mapping[str, np.ndarray]
    ) -> pl.DataFrame:
        import torch

        arrays = self.encoder.encode(users)
        codes_QL = arrays[f"{self.history}_items"]
        placed = self._places(users, codes_QL.shape[1]).filter(pl.col(ITEM).is_in(list(vectors)))
        query, place = placed[QUERY].to_numpy(), placed["place"].to_numpy()
        vectors_QLD = np.zeros((*codes_QL.shape, user_QD.shape[1]), np.float32)
        if len(placed):
            vectors_QLD[query, place] = np.stack([vectors[id_] for id_ in placed[ITEM]])
        given = arrays | {"user_embedding": user_QD, "history_embeddings": vectors_QLD}
        with torch.inference_mode():
            scores_QL = self.program({name: torch.from_numpy(np.array(array)) for name, array in given.items()}).numpy()
        known = codes_QL[query, place] >= RESERVED
        scored = placed.with_columns(score=pl.Series(scores_QL[query, place].astype(np.float64)))
        return scored.filter(known).select(pl.col(QUERY) + first, ITEM, "score")

    def _places(self, users: pl.DataFrame, length: int) -> pl.DataFrame:
        """query, place, item_id of the first `length` items of each history, as the encoder cuts it."""
        cut = users.select(pl.col(f"{self.history}_items").list.head(length).alias(ITEM))
        place = pl.int_range(pl.len(), dtype=pl.Int64).over(QUERY)
        rows = cut.with_row_index(QUERY).explode(ITEM).select(pl.col(QUERY).cast(pl.Int64), ITEM, place=place)
        return rows.drop_nulls(ITEM)
