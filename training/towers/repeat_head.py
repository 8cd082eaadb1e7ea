"""Repeat head: a term of the score for items of the user's history.

Legend: B rows, L positions of a history, F facts, X inputs of the head, Y features of the
user, W width of the hidden layer, V item vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from feature_repo.encode import PAD, RESERVED, Input, InputKind
from training.recipes.objective import RepeatTerm
from training.towers.item_vectors import ItemVectors
from training.towers.side_features import Features

FACTS, ITEM_FACTS, SUMMARIES = 5, 3, 5


class RepeatHead(nn.Module):
    """Term r(u, i) of every position of a user's history.

        r = w·x + MLP(x, y),  x = (a, c, d, a + c − a_oldest, s, f_i, e_i)

    a is the log age, c the log count, d the log of the decayed count, and a_oldest − c
    about the log of the typical gap of this user and item. s is the logit without r, f_i
    the facts of `repeat_facts` about the item, and e_i a vector of the item and its
    categories. y describes the user: summaries of the history, and numbers among the
    features. The head starts as decayed count · count / sqrt(age).

    Args:
        user_inputs: inputs of the user tower, one history among them.
        item_inputs: inputs of the item tower, its id first.
        codes_of: see `ItemVectors`.
        config: declaration of the head.

    Raises:
        ValueError: the user has no history, or several.
    """

    def __init__(
        self,
        user_inputs: Sequence[Input],
        item_inputs: Sequence[Input],
        codes_of: Mapping[str, Tensor],
        config: RepeatTerm,
    ) -> None:
        super().__init__()
        histories = [each.name for each in user_inputs if each.kind is InputKind.HISTORY]
        if len(histories) != 1:
            raise ValueError(
                f"a repeat term reads one history of the user, got {histories or 'none'}: leave the others out of the "
                "towers, or repeat out of the recipe"
            )
        (self.history,) = histories
        self.numbers = tuple(each.name for each in user_inputs if each.kind is InputKind.NUMBER)
        categories = [each for each in item_inputs[1:] if each.kind is InputKind.CODE]
        self.vectors = ItemVectors(item_inputs[0], categories, codes_of, config.embedding, id_dropout=0.0)
        self.register_buffer("facts_VF", torch.zeros(item_inputs[0].size, ITEM_FACTS))
        width = FACTS + ITEM_FACTS + config.embedding
        self.linear = nn.Linear(width, 1, bias=False)
        with torch.no_grad():
            # exp(−a/2 + c + d): a fair order before the first step.
            self.linear.weight.zero_()[0, :3] = torch.tensor([-0.5, 1.0, 1.0])
        # One layer over (x, y) in two parts: that of the user is computed once a row.
        self.of_position = nn.Linear(width, config.width)
        self.of_user = nn.Linear(SUMMARIES + 2 * len(self.numbers), config.width, bias=False)
        self.exit = nn.Sequential(nn.ReLU(), nn.Dropout(config.dropout), nn.Linear(config.width, 1))

    def forward(self, features: Features, score_BL: Tensor) -> Tensor:
        """Term of each position, -inf where no known item stands: float32 [B, L].

        Args:
            features: encoded features of users.
            score_BL: logits of the history items without the term.
        """
        parts = ("items", "ages", "counts", "decayed")
        items_BL, age_BL, count_BL, decayed_BL = (features[f"{self.history}_{part}"] for part in parts)
        user_BY = torch.cat([summaries(items_BL, age_BL, count_BL), *(features[name] for name in self.numbers)], dim=1)
        own_BL = age_BL + count_BL - age_BL.amax(dim=1, keepdim=True)
        facts_BLF = torch.stack([age_BL, count_BL, decayed_BL, own_BL, score_BL], dim=-1)
        of_item_BLF = self.get_buffer("facts_VF")[items_BL.long()]
        position_BLX = torch.cat([facts_BLF, of_item_BLF, self.vectors.gathered(items_BL)], dim=-1)
        hidden_BLW = self.of_position(position_BLX) + self.of_user(user_BY)[:, None]
        term_BL = (self.linear(position_BLX) + self.exit(hidden_BLW)).squeeze(-1)
        return term_BL.masked_fill(items_BL < RESERVED, -torch.inf)


def summaries(items_BL: Tensor, age_BL: Tensor, count_BL: Tensor) -> Tensor:
    """Summaries of a history: float32 [B, 5], zeros for an empty one.

    They are the log number of interactions, the log number of items, the share of
    interactions that were repetitions, and the mean and least log age.
    """
    there_BL = (items_BL != PAD).float()
    items_B = there_BL.sum(dim=1)
    total_B = (torch.expm1(count_BL) * there_BL).sum(dim=1)
    newest_B = (age_BL + (1 - there_BL) * age_BL.amax(dim=1, keepdim=True)).amin(dim=1)
    return torch.stack(
        [
            torch.log1p(total_B),
            torch.log1p(items_B),
            (total_B - items_B) / total_B.clamp_min(1.0),
            (age_BL * there_BL).sum(dim=1) / items_B.clamp_min(1.0),
            newest_B,
        ],
        dim=1,
    )
