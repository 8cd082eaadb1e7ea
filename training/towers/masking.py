"""Masking of item features: a learned default instead of a hidden value.

Legend: B rows, L elements of a bag, W width of a feature.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import nn

from feature_repo.encode import MISSING, PAD, UNKNOWN, Input, InputKind
from training.towers.side_features import Features

CODES = (InputKind.CODE, InputKind.BUCKET)
PLAIN = (InputKind.NUMBER, InputKind.VECTOR)


class Masking(nn.Module):
    """Replacement of hidden features by learned defaults, as if they had no value.

    A code becomes MISSING and a bag one element MISSING: their rows are trained, and an
    item without a value gets the same when it is served. Numbers and vectors, which
    have no table, become a vector that is learned here. The id becomes UNKNOWN. All
    arrays of a feature are hidden together, because a number's bucket would reveal the
    number; behavioural vectors follow the id.

    Args:
        inputs: inputs of the item tower, the id first.

    Raises:
        ValueError: fewer than two features besides the id, so that no two views differ.
    """

    def __init__(self, inputs: Sequence[Input]) -> None:
        super().__init__()
        self.key = inputs[0].name
        self.features = side_features(inputs)
        if len(self.features) < 2:
            raise ValueError(
                "self_supervised hides some features of an item from one view and the others from a second view, so "
                f"the item tower must see at least two besides the id, and it sees {list(self.features) or 'none'}; "
                "give items more features, or leave self_supervised out"
            )
        plain = [each for arrays in self.features.values() for each in arrays if each.kind in PLAIN]
        # By position, because a feature may be named as an attribute of a module is.
        self.defaults = nn.ParameterList(torch.zeros(each.width) for each in plain)
        self.default_of = {each.name: position for position, each in enumerate(plain)}

    def forward(self, features: Features, hidden: Collection[str]) -> Features:
        """Features with the hidden ones replaced, named by feature or by the id's key."""
        visible = dict(features)
        if self.key in hidden:
            visible[self.key] = torch.full_like(features[self.key], UNKNOWN)
        for each in (each for name, arrays in self.features.items() if name in hidden for each in arrays):
            given = features[each.name]
            if each.kind in PLAIN:
                visible[each.name] = self.defaults[self.default_of[each.name]].expand(len(given), -1)
            else:
                visible[each.name] = torch.full_like(given, MISSING if each.kind in CODES else PAD)
            if each.kind is InputKind.BAG:
                visible[each.name][:, 0] = MISSING
        return visible

    def thinned(self, features: Features, rng: torch.Generator) -> Features:
        """Features with half of each bag left out at random; the smaller half if odd."""
        visible = dict(features)
        for each in (each for arrays in self.features.values() for each in arrays if each.kind is InputKind.BAG):
            codes_BL = features[each.name]
            there_BL = codes_BL != PAD
            order_BL = torch.rand(codes_BL.shape, generator=rng).to(codes_BL.device).masked_fill(~there_BL, 2.0)
            # Ranks among random numbers below 1; padding, at 2, comes last.
            rank_BL = order_BL.argsort(dim=1).argsort(dim=1)
            out_BL = rank_BL < there_BL.sum(dim=1, keepdim=True) // 2
            visible[each.name] = codes_BL.masked_fill(out_BL, PAD)
        return visible


def side_features(inputs: Sequence[Input]) -> dict[str, list[Input]]:
    """Arrays of each feature besides the id.

    A number comes with its bucket, a time with its cycles.
    """
    found: dict[str, list[Input]] = {}
    for each in inputs[1:]:
        if each.kind in (*CODES, *PLAIN, InputKind.BAG):
            found.setdefault(each.feature or each.name, []).append(each)
    return found
