"""Self-supervised loss of items. [Yao et al., arXiv 2007.12865]

Legend: N items of the corpus, M items of a step, D dimension, F features besides the
id.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from training.data.training_set import TrainingSet
from training.recipes.objective import SelfSupervised
from training.towers import TwoTower
from training.towers.side_features import Features
from training.trainer.feature_correlation import bucketised, mutual_information


class SelfSupervision:
    """Sampler of items and of the features that their two views lack.

    A checkpoint holds its state.

    Args:
        data: training set, whose corpus is drawn from.
        config: declaration of the loss.
        model: towers built by a self-supervised recipe.
        seed: random seed.

    Raises:
        ValueError: towers without masking, or a corpus of one item.
    """

    def __init__(self, data: TrainingSet, config: SelfSupervised, model: TwoTower, seed: int) -> None:
        if model.masking is None:
            raise ValueError(
                "the recipe is self-supervised, but the towers were built by one that is not: build them by this recipe"
            )
        self.config, self.masking, self.size = config, model.masking, data.size
        self.device = model.device
        if self.size < 2:
            raise ValueError(
                f"self_supervised tells items apart, and the corpus has {self.size}: leave self_supervised out"
            )
        self.rng = torch.Generator().manual_seed(seed)
        self.corpus = {name: torch.from_numpy(array).to(model.device) for name, array in data.corpus.items()}
        self.names = tuple(self.masking.features)
        self.nearest = self._nearest(data) if config.masking == "correlated" else []

    def loss(self, embed: Callable[[Features], Tensor]) -> Tensor:
        """weight · L_self of one step; `embed` is the item tower."""
        # All items of a step lack the same features: drawn for each item, they would
        # tell which two views belong together.
        item_M = self.draw().to(self.device)
        features = {name: array[item_M] for name, array in self.corpus.items()}
        first_MD, second_MD = (
            F.normalize(embed(self.masking(self.masking.thinned(features, self.rng), hidden)), dim=1)
            for hidden in self.hidden()
        )
        return self.config.weight * contrast(first_MD, second_MD, self.config.temperature)

    def draw(self) -> Tensor:
        """Distinct items of the corpus, drawn uniformly: int64 [M]."""
        return torch.randperm(self.size, generator=self.rng)[: self.config.items]

    def hidden(self) -> tuple[set[str], set[str]]:
        """Features that each view lacks.

        Together they are all features, and only the id can be in both.
        """
        number = max(1, len(self.names) // 2)
        if self.config.masking == "correlated":
            seed = int(torch.randint(len(self.names), (), generator=self.rng))
            chosen = [seed, *self.nearest[seed]][:number]
        else:
            chosen = torch.randperm(len(self.names), generator=self.rng)[:number].tolist()
        first = {self.names[each] for each in chosen}
        second = set(self.names) - first
        # The id has mutual information with every feature, as each of its values is one
        # item, so it is drawn apart: at most one view has it.
        shown, which = torch.rand(2, generator=self.rng).tolist()
        key = {self.masking.key}
        if shown >= self.config.id_share:
            return first | key, second | key
        return (first | key, second) if which < 0.5 else (first, second | key)

    def _nearest(self, data: TrainingSet) -> list[list[int]]:
        """Other features of each feature, by their mutual information with it."""
        related_FF = mutual_information(bucketised(self.masking.features, data.corpus))
        ranked_FF = np.argsort(-related_FF, axis=1, kind="stable")
        return [[other for other in ranked.tolist() if other != each] for each, ranked in enumerate(ranked_FF)]

    def state(self) -> dict[str, Tensor]:
        """Tensors for a checkpoint."""
        return {"rng": self.rng.get_state()}

    def load(self, state: dict[str, Tensor]) -> None:
        """Restore the tensors of `state`."""
        self.rng.set_state(state["rng"])


def contrast(first_MD: Tensor, second_MD: Tensor, temperature: float) -> Tensor:
    """Contrastive loss of unit vectors z and z' of two views of M items.

        L_self = −1/M Σ_i log(exp(<z_i, z'_i>/τ) / Σ_j exp(<z_i, z'_j>/τ))

    Args:
        first_MD: z.
        second_MD: z'.
        temperature: τ.
    """
    logits_MM = first_MD @ second_MD.T / temperature
    return F.cross_entropy(logits_MM, torch.arange(len(logits_MM), device=logits_MM.device))
