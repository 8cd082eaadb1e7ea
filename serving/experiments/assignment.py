"""Assignment of users to variants by a hash: sticky, and the same in every process."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass

from serving.experiments.definition import Design, Experiment, Variant

_BITS = 64


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """Variant of a user, with its probability."""

    variant: str
    propensity: float


def assign(experiment: Experiment, user_id: str) -> Assignment:
    """Assign a user to a variant, with probability in proportion to its weight.

    The variants race: each arrives after an exponential time whose rate is its weight,
    and the first one has the user. A weight that is raised therefore takes users from
    the other variants and moves none between them.
    """
    if experiment.design is Design.INTERLEAVED:
        return Assignment(variant=Design.INTERLEAVED.value, propensity=1.0)
    first = min(experiment.variants, key=lambda variant: _arrival(experiment.salt, variant, user_id))
    return Assignment(variant=first.name, propensity=experiment.propensities[first.name])


def _arrival(salt: str, variant: Variant, user_id: str) -> float:
    return -math.log(uniform(salt, variant.name, user_id)) / variant.weight


def uniform(*parts: str) -> float:
    """Number inside (0, 1) that a hash of texts decides."""
    # JSON keeps the borders of the texts: ("a", "bc") and ("ab", "c") differ.
    digest = hashlib.blake2b(json.dumps(parts).encode(), digest_size=_BITS // 8).digest()
    # 53 bits are what a float holds; with more of them the quotient could round to 1.
    return ((int.from_bytes(digest, "big") >> (_BITS - 53)) + 0.5) / 2**53
