"""One training step: embed, compare, backpropagate."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from training.data.training_set import Batch
from training.losses import Candidates
from training.recipes.config import TrainConfig
from training.towers import TwoTower
from training.trainer.candidates import CandidateBuilder
from training.trainer.embedding import embedding_of
from training.trainer.policy_objective import PolicyObjective
from training.trainer.self_supervised import SelfSupervision


def backpropagate(
    model: TwoTower,
    batch: Batch,
    builder: CandidateBuilder,
    config: TrainConfig,
    views: SelfSupervision | None = None,
    policy: PolicyObjective | None = None,
) -> float:
    """Add the gradients of a batch's losses to the model.

    The towers get those of the recipe's loss and of the items' views; a reranker and a
    behaviour policy get those of their own losses, which reach nothing else.

    Args:
        model: the towers.
        batch: interactions of a step.
        builder: chooses the candidates.
        config: the recipe.
        views: self-supervised loss of items; None for none.
        policy: policy gradient, in place of the recipe's loss; None for that.

    Returns:
        The recipe's loss and that of the views together.

    Raises:
        FloatingPointError: a loss is not finite; there are no gradients then.
    """
    embedding = embedding_of(config, model.device)
    of_views = [finite(views.loss(partial(embedding.whole, model.item)))] if views else []
    candidates = builder.build(model, batch, embedding)
    apart = []
    if policy:
        of_towers, of_behaviour = policy.losses(candidates, batch)
        apart.append(finite(of_behaviour))
    else:
        of_towers = loss_of(config, candidates)
    losses = [finite(of_towers), *of_views]
    if builder.reranker and model.reranker:
        apart.append(finite(builder.reranker.loss(model.reranker, candidates)))
    torch.stack([*losses, *apart]).sum().backward()
    embedding.backward()
    return sum(loss.item() for loss in losses)


def loss_of(config: TrainConfig, candidates: Candidates) -> Tensor:
    """The recipe's loss, summed over the dimensions that have to serve."""
    function, parameters = config.loss.function, config.loss.parameters
    loss: Tensor = function(candidates, **parameters)
    for prefix in config.prefixes:
        loss = loss + function(candidates.cut(prefix), **parameters)
    return loss


def finite(loss: Tensor) -> Tensor:
    """The loss itself.

    Raises:
        FloatingPointError: it is not finite.
    """
    if not torch.isfinite(loss):
        raise FloatingPointError(f"the loss is {loss.item()}: lower the learning rates or raise the temperature")
    return loss
