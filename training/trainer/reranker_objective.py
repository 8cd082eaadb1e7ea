"""Training of the reranker beside the towers.

Legend: K positives that train it, M negatives of each.
"""

from __future__ import annotations

import torch
from torch import Tensor

from training.losses import Candidates
from training.losses.reranker_softmax import Rerank, reranker_softmax
from training.recipes.objective import MLPReranker


class RerankerObjective:
    """Sampler of the positives and negatives that train the reranker.

    A checkpoint holds its state.
    """

    def __init__(self, config: MLPReranker, seed: int) -> None:
        self.config = config
        # A generator of its own: a reranker does not change the towers of a seed.
        self.rng = torch.Generator().manual_seed(seed)

    def loss(self, reranker: Rerank, c: Candidates) -> Tensor:
        """`reranker_softmax` of one step."""
        device = c.row_P.device
        chosen_K = torch.randperm(len(c.row_P), generator=self.rng)[: self.config.positives]
        share_KM = torch.rand(len(chosen_K), self.config.negatives, generator=self.rng, dtype=torch.float64)
        return reranker_softmax(c, reranker, chosen_K.to(device), share_KM.to(device))

    def state(self) -> dict[str, Tensor]:
        """Tensors for a checkpoint."""
        return {"rng": self.rng.get_state()}

    def load(self, state: dict[str, Tensor]) -> None:
        """Restore the tensors of `state`."""
        self.rng.set_state(state["rng"])
