"""A self-supervised loss of items, declared: no third-party import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class SelfSupervised:
    """Besides the loss of interactions, `weight` times one of items alone: two views of an item, each of which lacks
    the features that the other one shows, must find each other among the views of other items. So items with few
    interactions learn from what they are. [Yao et al., arXiv 2007.12865]

    masking: which features a view lacks. `correlated`: one drawn at random and those that say most about it, so that
    none can be filled in from its twin; `random`: any half. temperature: of the views' cosines. items: so many of the
    corpus in each step, each item as likely. id_share: share of the steps in which one of the views, never both, shows
    the item id: an id says everything about its item, so with it in both there would be nothing to learn.
    """

    weight: float = 0.1
    masking: Literal["correlated", "random"] = "correlated"
    temperature: float = 0.1
    items: int = 512
    id_share: float = 0.5

    def __post_init__(self) -> None:
        for name in ("weight", "temperature"):
            if getattr(self, name) <= 0:
                raise ValueError(f"SelfSupervised.{name} must be positive, got {getattr(self, name)}")
        if self.masking not in ("correlated", "random"):
            raise ValueError(f"SelfSupervised.masking must be 'correlated' or 'random', got {self.masking!r}")
        if not isinstance(self.items, int) or self.items < 2:
            raise ValueError(
                f"SelfSupervised.items must be a whole number from 2, as a view is told from those of other items; got "
                f"{self.items!r}"
            )
        if not 0 <= self.id_share <= 1:
            raise ValueError(f"SelfSupervised.id_share is a share in [0, 1], got {self.id_share}")
