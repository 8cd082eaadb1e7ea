"""What an interaction is worth, declared: no third-party import."""

from __future__ import annotations

from dataclasses import dataclass


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
