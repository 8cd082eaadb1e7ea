"""Weights of interactions in the loss: declarations, no third-party import."""

from __future__ import annotations

from dataclasses import dataclass

from training.recipes.validation import positive


@dataclass(frozen=True, kw_only=True)
class Reward:
    """Weight of an interaction by its value: money spent, time watched, a rating.

        weight = log(1 + value) / mean of it over all interactions, within [floor, cap]

    Towers that learn p(i|u) then rank by p(i|u) times the worth of an interaction with
    i. Values are skewed, and without the logarithm a few large ones would dominate. A
    value below 0, as of returned goods, counts as 0, and an unknown one as the mean.
    [Yi et al., RecSys 2019: the reward r_i]
    """

    floor: float = 0.1
    """Least weight. Above 0: an interaction without a price is a sign of interest too,
    and a batch of weights 0 would have no mean."""
    cap: float = 5.0
    """Largest weight."""

    def __post_init__(self) -> None:
        if not 0 < self.floor <= 1 <= self.cap:
            raise ValueError(
                "Reward bounds the weight of an interaction around the mean one, which is 1: wanted 0 < floor <= 1 <= "
                f"cap, got floor {self.floor} and cap {self.cap}"
            )


@dataclass(frozen=True, kw_only=True)
class Weighting:
    """Weights of interactions in the loss, and the fewest that give an item an id."""

    half_life_days: float = 90.0
    """Days after which an interaction counts half."""
    discovery_weight: float = 4.5
    """Weight of a user's first interaction with an item, against 1 of a repetition."""
    user_balance: float = 0.0
    """Power b of the weight n^-b of a user with n interactions. With 0 all interactions
    count the same, with 1 all users do, as in a mean over users [Covington et al.,
    RecSys 2016, section 3.4: a fixed number of examples per user]."""
    reward: Reward | None = None
    """Weight by the value of the events; None for equal weights."""
    min_count: int = 10
    """Interactions below which an item has the trained default for its id."""

    def __post_init__(self) -> None:
        positive(
            self,
            half_life_days=self.half_life_days,
            discovery_weight=self.discovery_weight,
            min_count=self.min_count,
        )
        if not 0 <= self.user_balance <= 1:
            raise ValueError(f"user_balance is 0 for interactions alike, 1 for users alike, got {self.user_balance}")
