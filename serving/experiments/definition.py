"""Definition of an experiment: variants, weights, salt and time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

CONTROL = "control"
"""Serves popular items."""
CHAMPION = "champion"
"""Serves what the champion recommends, whichever version that is."""

CLICK, PURCHASE = "click", "purchase"
"""Kinds of events that reports count unless an experiment names others."""


class Design(StrEnum):
    """Share of an answer that a variant has."""

    SPLIT = "split"
    """Each user has one variant for the whole experiment."""
    INTERLEAVED = "interleaved"
    """Each answer has items of both variants, by team draft."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """Source of answers within an experiment."""

    name: str
    serves: int | str
    """Number of a version, `champion` or `control`."""
    weight: float
    """Share of the users in proportion to the other weights; 0 for a shadow."""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Variants that are compared on users between two times."""

    name: str
    salt: str
    """Text in the hash of a user. Another salt gives an independent assignment."""
    start: datetime
    """First moment, UTC without a zone."""
    end: datetime
    """First moment after it, UTC without a zone."""
    variants: tuple[Variant, ...]
    """Variants that users see. The first is the baseline of every comparison."""
    shadows: tuple[Variant, ...] = ()
    """Variants that are computed after the answer and never shown."""
    design: Design = Design.SPLIT
    window: timedelta = timedelta(days=7)
    """Time after a user's first answer in which outcomes count."""
    users: int = 10_000
    """Number of users at which the anytime-valid intervals are tightest."""
    clicks: tuple[str, ...] = (CLICK,)
    """Kinds of events that count as a click of an answer."""
    purchases: tuple[str, ...] = (PURCHASE,)
    """Kinds of events that count as a purchase, with their value."""
    dataset: str | None = None
    """Dataset that it runs on; None for each of the home."""

    @property
    def baseline(self) -> str:
        """Name of the variant that the others are compared with."""
        return self.variants[0].name

    @property
    def propensities(self) -> dict[str, float]:
        """Probability of each variant that a user can be assigned to.

        Every user of an interleaved experiment has the variant `interleaved`.
        """
        if self.design is Design.INTERLEAVED:
            return {Design.INTERLEAVED.value: 1.0}
        total = sum(variant.weight for variant in self.variants)
        return {variant.name: variant.weight / total for variant in self.variants}

    @property
    def versions(self) -> tuple[int, ...]:
        """Numbers of the versions that it names, those of variants first."""
        named = [each.serves for each in (*self.variants, *self.shadows)]
        return tuple(dict.fromkeys(each for each in named if isinstance(each, int)))

    def runs_at(self, moment: datetime) -> bool:
        """Whether users are assigned at a moment."""
        return self.start <= moment < self.end

    def is_of(self, dataset: str) -> bool:
        """Whether it runs on a dataset."""
        return self.dataset in (None, dataset)
