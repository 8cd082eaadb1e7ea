"""Guards of versions that have learned from the hold-out of their judged twin."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, kw_only=True)
class GuardPolicy:
    """Bounds of what a version must show beside its judged twin."""

    overlap: float
    """Least mean share of the twin's lists of 20 that it keeps."""
    score_shift: float
    """Largest difference of the distribution functions of the scores."""
    dims: float
    """Least share of the twin's effective dimensions."""

    def __post_init__(self) -> None:
        for each in fields(GuardPolicy):
            value = getattr(self, each.name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
                raise ValueError(f"{each.name} is {value!r}, wanted a number from 0 to 1")


@dataclass(frozen=True, kw_only=True)
class RefitPolicy(GuardPolicy):
    """Guards of a refit: other weights, from the same recipe on more data."""

    after_pass: bool = False
    """Whether every run that passes refits, unless it says otherwise."""
    overlap: float = 0.3
    score_shift: float = 0.6
    dims: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.after_pass, bool):
            raise ValueError(f"after_pass is {self.after_pass!r}, wanted true or false")


@dataclass(frozen=True, kw_only=True)
class UpdatePolicy(GuardPolicy):
    """Guards of an update between two releases, which moves ids alone."""

    overlap: float = 0.5
    score_shift: float = 0.5
    dims: float = 0.7
