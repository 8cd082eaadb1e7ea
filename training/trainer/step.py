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
from training.trainer.click_objective import ClickObjective
from training.trainer.embedding import embedding_of
from training.trainer.policy_objective import PolicyObjective
from training.trainer.self_supervised import SelfSupervision


def backpropagate(
    model: TwoTower,
    batch: Batch | None,
    builder: CandidateBuilder,
    config: TrainConfig,
    views: SelfSupervision | None = None,
    policy: PolicyObjective | None = None,
    clicks: ClickObjective | None = None,
) -> float:
    """Add the gradients of a batch's losses to the model.

    The towers get those of the recipe's loss, of the items' views and of impressions; a
    reranker and a behaviour policy get those of their own losses, which reach nothing
    else.

    Args:
        model: the towers.
        batch: interactions of a step; None where impressions alone are learned from.
        builder: chooses the candidates.
        config: the recipe.
        views: self-supervised loss of items; None for none.
        policy: policy gradient, in place of the recipe's loss; None for that.
        clicks: loss of impressions; None for none.

    Returns:
        The losses of the towers together.

    Raises:
        FloatingPointError: a loss is not finite; there are no gradients then.
    """
    embedding = embedding_of(config, model.device)
    share = config.impressions.weight if config.impressions and clicks else 0.0
    # The weight of the views is beside retrieval, where there is some.
    of_retrieval = 1.0 if batch is None else 1 - share
    losses = [of_retrieval * finite(views.loss(partial(embedding.whole, model.item)))] if views else []
    if clicks:
        losses.append(share * finite(clicks.loss(model, embedding)))
    apart = []
    if batch is not None:
        candidates = builder.build(model, batch, embedding)
        if policy:
            of_towers, of_behaviour = policy.losses(candidates, batch)
            apart.append(finite(of_behaviour))
        else:
            of_towers = loss_of(config, candidates)
        losses.append(of_retrieval * finite(of_towers))
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
