"""History reader that passes the items one by one.

Legend: B rows, L history length, D dimension of the embedding, H width of the recurrent
state.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.recipes.towers import GRUHistory
from training.towers.histories.reader import Reader, at_newest, fact_layers, in_time_order
from training.towers.item_vectors import ItemVectors


class GRUReader(Reader):
    """Recurrent network over the history, oldest item first: float32 [B, D].

        normalise(W s_newest),  s_l = GRU(A v_l + f(log age_l, log count_l), s_{l−1})

    [GRU4Rec: Hidasi et al., ICLR 2016]
    """

    def __init__(self, config: GRUHistory, dim: int) -> None:
        super().__init__(config.dropout)
        self.entry = nn.Linear(dim, config.width)
        self.facts = fact_layers(config.width)
        self.gru = nn.GRU(config.width, config.width, batch_first=True)
        self.exit = nn.Linear(config.width, dim)

    def forward(self, vectors: ItemVectors, items_BL: Tensor, ages_BL: Tensor, counts_BL: Tensor) -> Tensor:
        """See `Reader.forward`."""
        history = in_time_order(items_BL, torch.stack([ages_BL, counts_BL], dim=-1), self.kept(items_BL))
        inputs_BLH = self.entry(vectors.gathered(history.items_BL)) + self.facts(history.facts_BL2)
        # Steps behind the newest item are computed and not read.
        states_BLH, _ = self.gru(inputs_BLH)
        newest_BH = at_newest(states_BLH, history.length_B).squeeze(1)
        return F.normalize(self.exit(newest_BH), dim=1) * (history.length_B > 0)[:, None]
