"""Reranker of retrieved candidates: a score of user and item beside <u, v>.

Legend: B rows, C items of each row, D dimension of the embeddings, W width of the first
hidden layer.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from training.recipes.objective import MLPReranker


class Reranker(nn.Module):
    """f(u, v) = MLP(u, v, u∘v), on the scale of logits: float32 [B, C].

    It starts at zero, so that the order is at first that of the towers.
    """

    def __init__(self, dim: int, config: MLPReranker) -> None:
        super().__init__()
        self.candidates = config.candidates
        # Coordinates of a unit vector are about 1 / √D, of a product 1 / D; layers want them near 1.
        self.scale = dim**0.5
        first, last = config.widths[0], config.widths[-1]
        # One layer over (u, v, u∘v) in three parts: that of the user is computed once a
        # row.
        self.of_user = nn.Linear(dim, first)
        self.of_item = nn.Linear(dim, first, bias=False)
        self.of_product = nn.Linear(dim, first, bias=False)
        deeper = [layer for sizes in pairwise(config.widths) for layer in (nn.Linear(*sizes), nn.ReLU())]
        # Without a bias: a constant ranks nothing.
        self.layers = nn.Sequential(nn.ReLU(), *deeper, nn.Linear(last, 1, bias=False))
        nn.init.zeros_(self.layers[-1].get_parameter("weight"))

    def forward(self, user_BD: Tensor, item_BCD: Tensor) -> Tensor:
        """Score of each item for its row's user: float32 [B, C]."""
        user_B1D, item_BCD = self.scale * user_BD.unsqueeze(1), self.scale * item_BCD
        hidden_BCW = self.of_user(user_B1D) + self.of_item(item_BCD) + self.of_product(user_B1D * item_BCD)
        return self.layers(hidden_BCW).squeeze(-1)
