"""How much an interaction counts in the loss: frozen declarations, no third-party import."""

from __future__ import annotations

from dataclasses import dataclass

from training.recipes.validation import positive


@dataclass(frozen=True, kw_only=True)
class Reward:
    """An interaction counts in the loss by the value of its events: money spent, time watched, a rating.
        weight = log(1 + value) / mean of it over all interactions, no less than floor and no more than cap.
    Towers that learn p(i|u) then rank by p(i|u) times what an interaction with i is worth. The logarithm, because
    values are skewed, and a few large ones would be all that is learned. [Yi et al., RecSys 2019: the reward r_i]

    A value below 0, as of goods returned, counts as 0; one that nobody knows as the mean. floor: above 0, because an
    interaction without a price is a sign of interest too, and a batch of weights 0 would have no mean.
    """

    floor: float = 0.1
    cap: float = 5.0

    def __post_init__(self) -> None:
        if not 0 < self.floor <= 1 <= self.cap:
            raise ValueError(
                "Reward bounds the weight of an interaction around the mean one, which is 1: wanted 0 < floor <= 1 <= "
                f"cap, got floor {self.floor} and cap {self.cap}"
            )


@dataclass(frozen=True, kw_only=True)
class Weighting:
    """Weight of each interaction in the loss, and the fewest of them that give an item an id."""

    half_life_days: float = 90.0
    """An interaction so much older counts half."""
    discovery_weight: float = 4.5
    """Weight of a user's first interaction with an item, against 1 of a repetition."""
    user_balance: float = 0.0
    """An interaction of a user who has n of them counts n^-user_balance: with 0 interactions are alike, with 1 users
    are, as in a measure that is a mean over users [Covington et al., RecSys 2016, section 3.4: a fixed number of
    examples per user]."""
    reward: Reward | None = None
    """Weight by the value of the events; None for all alike."""
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
