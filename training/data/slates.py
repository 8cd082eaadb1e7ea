"""Impressions as arrays: one row for each answer, one column for each shown item.

Legend: S answers, L items of the longest answer, C features of the surroundings, Q user
snapshots.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

NO_ITEM = -1
"""Item of a column behind the end of an answer."""
NO_GROUP = 0
"""Group of an item whose position the ranker chose."""
UNKNOWN = 0
"""Code of an unknown value of the surroundings; its weight is learned."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Slates:
    """Answers: what each showed, where, and what was clicked."""

    query_S: np.ndarray
    """User snapshot of each answer, as a row of the training set's queries: int64."""
    item_SL: np.ndarray
    """Shown items, as rows of the corpus; NO_ITEM behind the last: int64."""
    context_SLC: np.ndarray
    """Codes of the surroundings of each item; UNKNOWN for a missing value: int64."""
    names: tuple[str, ...]
    """Names of the surroundings, such as `position`."""
    sizes: tuple[int, ...]
    """Number of codes of each of them, UNKNOWN counted."""
    click_SL: np.ndarray
    """1 for a clicked item, else 0: float32."""
    propensity_SL: np.ndarray | None = None
    """Probability of showing the item there, NaN where unknown; None if all are: float32."""
    reward_SL: np.ndarray | None = None
    """Reward of each item, 0 without one; None without rewards: float32."""
    group_SL: np.ndarray | None = None
    """Group of items of the answer of which each order was as likely as any other, from 1;
    NO_GROUP for others; None if no order was random: int64."""

    def __post_init__(self) -> None:
        shape = self.item_SL.shape
        if self.context_SLC.shape != (*shape, len(self.names)) or len(self.sizes) != len(self.names):
            raise ValueError(
                f"got surroundings of shape {self.context_SLC.shape} with {len(self.sizes)} sizes for answers of shape "
                f"{shape} and the names {self.names}; wanted one code and one size for each name"
            )
        for name in ("click_SL", "propensity_SL", "reward_SL", "group_SL"):
            array = getattr(self, name)
            if array is not None and array.shape != shape:
                raise ValueError(f"{name} has shape {array.shape}; wanted that of the items, {shape}")

    def __len__(self) -> int:
        return len(self.item_SL)

    @property
    def shown_SL(self) -> np.ndarray:
        """Whether an item stands there: bool."""
        shown_SL: np.ndarray = self.item_SL != NO_ITEM
        return shown_SL

    def take(self, rows: np.ndarray) -> Slates:
        """Some answers, in the order of their rows."""
        arrays = ("query_S", "item_SL", "context_SLC", "click_SL", "propensity_SL", "reward_SL", "group_SL")
        taken = {name: getattr(self, name)[rows] for name in arrays if getattr(self, name) is not None}
        return replace(self, **taken)

    def of(self, name: str) -> np.ndarray:
        """Codes of one feature of the surroundings: int64 [S, L].

        Raises:
            ValueError: the impressions have no such feature.
        """
        if name not in self.names:
            raise ValueError(
                f"impressions have no {name!r}; they have {', '.join(self.names) or 'nothing beside items'}"
            )
        codes_SL: np.ndarray = self.context_SLC[:, :, self.names.index(name)]
        return codes_SL
