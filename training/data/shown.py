"""Impressions counted by what was shown, where, and to whom.

Legend: S answers, L items of an answer, K codes of the surrounding, E entries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.data.slates import UNKNOWN, Slates
from training.recipes.bias_models import POSITION

MOST_CODES = 50
"""Codes that are compared at most."""
BLOCKS, BLOCKS_OF_SHARED = 256, 32
"""Blocks of users, for pairs of user and item and for other units. An error that is
estimated from 256 blocks is right to 4 %, from 32 to 13 %; but what several users are shown
is compared within a block only, so its blocks must hold many users."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Shown:
    """Impressions and clicks of each unit at each code of a surrounding.

    A unit is a thing of one relevance wherever it stands: a user and an item, by default.
    Units never span blocks of users, so blocks are independent.
    """

    name: str
    """Name of the surrounding, such as `position`."""
    code_K: np.ndarray
    """Its codes that occur, ascending."""
    unit_E: np.ndarray
    """Unit of each entry, ascending from 0."""
    place_E: np.ndarray
    """Place of the entry's code in `code_K`."""
    block_E: np.ndarray
    """Block of users."""
    impressions_E: np.ndarray
    clicks_E: np.ndarray
    blocks: int
    """Number of blocks."""
    unknown: int
    """Impressions that are left out because their code is unknown."""

    @property
    def units(self) -> int:
        """Number of units."""
        return int(self.unit_E[-1]) + 1 if len(self.unit_E) else 0

    def sum_U(self, value_E: np.ndarray) -> np.ndarray:
        """Sum over the entries of each unit."""
        return np.bincount(self.unit_E, value_E, minlength=self.units)

    def sum_K(self, value_E: np.ndarray) -> np.ndarray:
        """Sum over the entries of each code."""
        return np.bincount(self.place_E, value_E, minlength=len(self.code_K))


def pairs(slates: Slates, user_S: np.ndarray) -> np.ndarray:
    """Units of a user and an item: int64 [S, L]."""
    unit_SL: np.ndarray = user_S[:, None] * (slates.item_SL.max(initial=0) + 1) + slates.item_SL
    return unit_SL


def count_shown(
    slates: Slates,
    *,
    name: str = POSITION,
    user_S: np.ndarray | None = None,
    unit_SL: np.ndarray | None = None,
    within: Sequence[str] = (),
    rarest: int = 1,
    blocks: int | None = None,
    seed: int = 0,
) -> Shown:
    """Count impressions by unit and code of a surrounding.

    Args:
        slates: the log.
        name: the surrounding.
        user_S: user of each answer; None where `query_S` is the user. With the snapshots
            of a training set it is `user_Q[query_S]`.
        unit_SL: units; None for pairs of user and item. Items alone (`item_SL`) or rows of
            features will do only where the order does not depend on who looks: a ranker that
            personalises shows an item first to those who like it, and the preference passes
            for a bias. Those of random orders are in `data.randomised`.
        within: other surroundings, which must be alike in what is compared: a unit with a
            value of theirs is another one than with another value.
        rarest: impressions of a code below which it is left out, as are codes behind the
            MOST_CODES with most impressions.
        blocks: blocks of users; None for 256, or 32 where units are given.
        seed: random seed of the blocks.
    """
    user_S = slates.query_S if user_S is None else user_S
    blocks = blocks or (BLOCKS if unit_SL is None else BLOCKS_OF_SHARED)
    unit_SL = pairs(slates, user_S) if unit_SL is None else unit_SL
    code_SL = slates.of(name)
    known_SL = slates.shown_SL & (code_SL != UNKNOWN)
    unknown = int(slates.shown_SL.sum() - known_SL.sum())
    count_C = np.bincount(code_SL[known_SL], minlength=1)
    # The comparison of all pairs is cubic in the codes.
    most_K = np.sort(np.argsort(-count_C, kind="stable")[:MOST_CODES])
    code_K = most_K[count_C[most_K] >= max(rarest, 1)]
    kept_SL = known_SL & np.isin(code_SL, code_K)
    # Random blocks, dealt like cards: their numbers of users differ by one at most.
    users, row_S = np.unique(user_S, return_inverse=True)
    blocks = max(1, min(blocks, len(users)))
    block_of_user = np.random.default_rng(seed).permutation(len(users)) % blocks
    block_P = np.broadcast_to(block_of_user[row_S][:, None], code_SL.shape)[kept_SL]
    _, unit_P = np.unique(unit_SL[kept_SL], return_inverse=True)
    for other in within:
        code_P = slates.of(other)[kept_SL]
        _, unit_P = np.unique(unit_P * (code_P.max(initial=0) + 1) + code_P, return_inverse=True)
    place_P = np.searchsorted(code_K, code_SL[kept_SL])
    key_P = (unit_P * blocks + block_P) * max(len(code_K), 1) + place_P
    key_E, entry_P = np.unique(key_P, return_inverse=True)
    rest_E, place_E = np.divmod(key_E, max(len(code_K), 1))
    _, unit_E = np.unique(rest_E, return_inverse=True)
    return Shown(
        name=name,
        code_K=code_K,
        unit_E=unit_E,
        place_E=place_E,
        block_E=rest_E % blocks,
        impressions_E=np.bincount(entry_P, minlength=len(key_E)).astype(float),
        clicks_E=np.bincount(entry_P, slates.click_SL[kept_SL], minlength=len(key_E)),
        blocks=blocks,
        unknown=unknown,
    )
