"""History readers by attention.

Legend: B rows, L history length, D dimension of the embedding, K heads, H width of the
blocks, Q query positions.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.recipes.towers import MultiHeadPooling, SelfAttention
from training.towers.histories.reader import Reader, at_newest, fact_layers, in_time_order
from training.towers.item_vectors import ItemVectors


class MultiHeadReader(Reader):
    """Attention poolings with learned queries, one per head: float32 [B, D].

        normalise(Σ_k W_k p_k),  p_k = Σ_l softmax_l(q_k·tanh(A v_l) + facts_kl) v_l

    The queries q_k are the same for all users, so each head looks for one kind of item
    whatever the target is. The facts are those of weighted pooling, per head. It starts
    near the mean of the heads. [structured self-attention: Lin et al., ICLR 2017]
    """

    def __init__(self, config: MultiHeadPooling, dim: int) -> None:
        super().__init__(config.dropout)
        self.key = nn.Linear(dim, dim)
        self.queries = nn.Linear(dim, config.heads, bias=False)
        self.linear = nn.Parameter(torch.tensor([[-0.5], [1.0]]).repeat(1, config.heads))
        self.exit = nn.Linear(config.heads * dim, dim, bias=False)
        with torch.no_grad():
            self.exit.weight.copy_(torch.eye(dim).repeat(1, config.heads) / config.heads)

    def forward(self, vectors: ItemVectors, items_BL: Tensor, ages_BL: Tensor, counts_BL: Tensor) -> Tensor:
        """See `Reader.forward`."""
        kept_BL = self.kept(items_BL)
        vectors_BLD = vectors.gathered(items_BL)
        scores_BLK = self.queries(torch.tanh(self.key(vectors_BLD)))
        scores_BLK = scores_BLK + torch.stack([ages_BL, counts_BL], dim=-1) @ self.linear
        # The softmax of an empty row would be 0/0: it gets the weights of a full one, and its vector
        # is made zero.
        filled_B1 = kept_BL.any(dim=1, keepdim=True)
        scores_BLK = scores_BLK.masked_fill((filled_B1 & ~kept_BL)[:, :, None], -torch.inf)
        pooled_BKD = scores_BLK.softmax(dim=1).transpose(1, 2) @ vectors_BLD
        return F.normalize(self.exit(pooled_BKD.flatten(1)), dim=1) * filled_B1


class SelfAttentionReader(Reader):
    """Causal self-attention over the history, read at the newest item: [B, D].

    Inputs are A v_l + f(log age_l, log count_l) + position_l, with positions counted
    from the newest item. Only the newest position of the last block is computed,
    because no other is read. [SASRec: Kang and McAuley, ICDM 2018]
    """

    def __init__(self, config: SelfAttention, dim: int) -> None:
        super().__init__(config.dropout)
        self.positions = config.positions
        self.entry = nn.Linear(dim, config.width)
        self.facts = fact_layers(config.width)
        # Released weights have this name.
        self.places = nn.Embedding(config.positions, config.width)
        nn.init.normal_(self.places.weight, std=config.width**-0.5)
        self.blocks = nn.ModuleList(AttentionBlock(config) for _ in range(config.blocks))
        self.exit = nn.Sequential(nn.LayerNorm(config.width), nn.Linear(config.width, dim))

    def forward(self, vectors: ItemVectors, items_BL: Tensor, ages_BL: Tensor, counts_BL: Tensor) -> Tensor:
        """See `Reader.forward`."""
        history = in_time_order(items_BL, torch.stack([ages_BL, counts_BL], dim=-1), self.kept(items_BL))
        position_BLH = self.places(history.rank_BL.clamp_max(self.positions - 1))
        x_BLH = self.entry(vectors.gathered(history.items_BL)) + self.facts(history.facts_BL2) + position_BLH
        *before, last = self.blocks
        for block in before:
            x_BLH = block(x_BLH, x_BLH)
        # The first position is visible in empty rows too, so that no softmax is empty; their vector is
        # made zero below.
        position_L = torch.arange(items_BL.shape[1], device=items_BL.device)
        seen_B11L = (position_L < history.length_B.clamp_min(1)[:, None])[:, None, None]
        newest_BH = last(at_newest(x_BLH, history.length_B), x_BLH, seen_B11L).squeeze(1)
        return F.normalize(self.exit(newest_BH), dim=1) * (history.length_B > 0)[:, None]


class AttentionBlock(nn.Module):
    """x ← x + attention(norm(x)), x ← x + MLP(norm(x)) at the query positions."""

    def __init__(self, config: SelfAttention) -> None:
        super().__init__()
        self.heads = config.heads
        self.norm = nn.LayerNorm(config.width)
        self.query = nn.Linear(config.width, config.width)
        self.key = nn.Linear(config.width, config.width)
        self.value = nn.Linear(config.width, config.width)
        # Dropout acts on the output and not on the weights, for which there is no fused kernel.
        self.exit = nn.Sequential(nn.Linear(config.width, config.width), nn.Dropout(config.block_dropout))
        self.mlp = nn.Sequential(
            nn.LayerNorm(config.width),
            nn.Linear(config.width, config.width),
            nn.ReLU(),
            nn.Dropout(config.block_dropout),
            nn.Linear(config.width, config.width),
        )

    def forward(self, asked_BQH: Tensor, x_BLH: Tensor, seen_B11L: Tensor | None = None) -> Tensor:
        """States at the query positions: float32 [B, Q, H].

        Args:
            asked_BQH: states at the query positions.
            x_BLH: states at all positions.
            seen_B11L: bool, positions that may be looked at; without it, each position
                looks at itself and at older ones.

        Returns:
            The new states of the query positions.
        """
        keys_BLH = self.norm(x_BLH)
        attended_BKQh = F.scaled_dot_product_attention(
            self._by_head(self.query(self.norm(asked_BQH))),
            self._by_head(self.key(keys_BLH)),
            self._by_head(self.value(keys_BLH)),
            attn_mask=seen_B11L,
            is_causal=seen_B11L is None,
        )
        asked_BQH = asked_BQH + self.exit(attended_BKQh.transpose(1, 2).flatten(2))
        return asked_BQH + self.mlp(asked_BQH)

    def _by_head(self, x_BLH: Tensor) -> Tensor:
        """[B, L, H] -> [B, heads, L, H / heads]."""
        return x_BLH.unflatten(2, (self.heads, -1)).transpose(1, 2)
