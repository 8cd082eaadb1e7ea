"""How the reranker of candidates is trained beside the towers."""

from __future__ import annotations

import torch
from torch import Tensor

from training.losses import Candidates
from training.losses.reranker_softmax import Rerank, reranker_softmax
from training.recipes.objective import MLPReranker


class RerankerObjective:
    """Draws which positives of a batch train the reranker, and against what. Its state belongs into a checkpoint.

    Its random numbers are its own: the towers of a seed are the same with a reranker and without.
    """

    def __init__(self, config: MLPReranker, seed: int) -> None:
        self.config = config
        self.rng = torch.Generator().manual_seed(seed)

    def loss(self, reranker: Rerank, c: Candidates) -> Tensor:
        """`reranker_softmax` of one step."""
        device = c.row_P.device
        chosen_K = torch.randperm(len(c.row_P), generator=self.rng)[: self.config.positives]
        share_KM = torch.rand(len(chosen_K), self.config.negatives, generator=self.rng, dtype=torch.float64)
        return reranker_softmax(c, reranker, chosen_K.to(device), share_KM.to(device))

    def state(self) -> dict[str, Tensor]:
        """State that a checkpoint keeps."""
        return {"rng": self.rng.get_state()}

    def load(self, state: dict[str, Tensor]) -> None:
        self.rng.set_state(state["rng"])
