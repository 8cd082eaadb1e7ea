"""Embedding of a training batch: as a whole, or in parts that fit into memory."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from training.recipes.config import TrainConfig
from training.towers.side_features import Features
from training.trainer.device import random_state, set_random_state
from training.trainer.precision import precision_of


class Embedding:
    """Embedding of a batch as a whole, in the recipe's precision.

    Args:
        config: the recipe.
        device: where the towers lie.
    """

    def __init__(self, config: TrainConfig, device: torch.device) -> None:
        self.device = device
        self.half = precision_of(config, device) is torch.bfloat16

    def whole(self, tower: nn.Module, features: Features) -> Tensor:
        """Embed all rows with one graph: float32 [rows, D]."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            embedded: Tensor = tower(features)
        return embedded.float()

    def __call__(self, tower: nn.Module, features: Features) -> Tensor:
        """Embed the rows of a batch: float32 [rows, D]."""
        return self.whole(tower, features)

    def backward(self) -> None:
        """Send gradients of the embeddings on into the towers; the graph has done it."""


class EmbeddingInParts(Embedding):
    """Embedding with the activations of one part of the batch in memory at a time.

    Each part is embedded without a graph. Once the loss of the whole batch has left its
    gradients at the embeddings, `backward` embeds each part again, with a graph. [Gao et
    al., GradCache, RepL4NLP 2021]
    """

    def __init__(self, config: TrainConfig, device: torch.device) -> None:
        super().__init__(config, device)
        self.parts = config.optimisation.parts
        self.embedded: list[tuple[nn.Module, Features, dict[str, Tensor], Tensor]] = []

    def __call__(self, tower: nn.Module, features: Features) -> Tensor:
        """Embed the rows of a batch without a graph: float32 [rows, D]."""
        leaves = []
        for part in _parts(features, self.parts):
            # Taken before the part, so that `backward` can repeat its dropout.
            state = random_state(self.device)
            with torch.no_grad():
                leaves.append(self.whole(tower, part))
            self.embedded.append((tower, part, state, leaves[-1].requires_grad_()))
        return torch.cat(leaves)

    def backward(self) -> None:
        """Embed each part again and send the gradients of its embeddings through."""
        # The next step must draw as if no part had been embedded twice.
        after = random_state(self.device)
        for tower, part, state, leaf in self.embedded:
            set_random_state(self.device, state)  # dropout repeats itself
            self.whole(tower, part).backward(leaf.grad)
        set_random_state(self.device, after)
        self.embedded.clear()


def embedding_of(config: TrainConfig, device: torch.device) -> Embedding:
    """Embedding as the recipe asks for it."""
    return (EmbeddingInParts if config.optimisation.parts > 1 else Embedding)(config, device)


def _parts(features: Features, parts: int) -> Iterator[Features]:
    size = len(next(iter(features.values())))
    edges = [round(part * size / parts) for part in range(parts + 1)]
    for start, stop in zip(edges, edges[1:], strict=False):
        yield {name: each[start:stop] for name, each in features.items()}
