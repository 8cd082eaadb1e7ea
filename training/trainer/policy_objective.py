"""Training for reward: the policy gradient of a step, and the behaviour policy beside it.

Legend: R users (rows), P positives, N items of the corpus, D dimension.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.data.training_set import Batch, TrainingSet
from training.losses import Candidates, Pairs, log_sum_exp
from training.losses.policy import PolicyWeights, policy_gradient, policy_weights
from training.recipes.config import TrainConfig


class BehaviourPolicy(nn.Module):
    """β(a|s): softmax over the corpus of a linear function of the user's embedding.

    Args:
        count_N: interactions of each item, from whose shares it starts.
        dim: dimension of the embeddings.
    """

    def __init__(self, count_N: Tensor, dim: int) -> None:
        super().__init__()
        share_N = (count_N + 1) / (count_N + 1).sum()
        # The last column is the constant of each item.
        self.weight_ND = nn.Parameter(torch.cat([torch.zeros(len(count_N), dim), share_N.log()[:, None]], dim=1))

    def forward(self, user_RD: Tensor, row_P: Tensor, item_P: Tensor) -> Tensor:
        """log β(a|s) of each action: float32 [P].

        Args:
            user_RD: embeddings of the rows, which get no gradient.
            row_P: row of each action.
            item_P: item of each action, as a row of the corpus.
        """
        # Otherwise the state would learn what was logged, not what earns rewards.
        state_RD = user_RD.detach()
        state_RD = torch.cat([state_RD, torch.ones_like(state_RD[:, :1])], dim=1)
        offset_N = torch.zeros(len(self.weight_ND), device=state_RD.device)
        sum_R = log_sum_exp(state_RD, self.weight_ND, offset_N, Pairs.none(state_RD.device))
        logit_P = (state_RD.index_select(0, row_P) * self.weight_ND.index_select(0, item_P)).sum(dim=1)
        return logit_P - sum_R.index_select(0, row_P)


class PolicyObjective:
    """Losses of the towers and of the behaviour policy; a checkpoint holds its state.

    Args:
        data: training set with returns.
        config: recipe with a policy gradient.
        device: where the steps run.

    Raises:
        ValueError: the training set has no returns.
    """

    def __init__(self, data: TrainingSet, config: TrainConfig, device: torch.device) -> None:
        assert config.policy is not None
        if data.return_I is None:
            raise ValueError(
                "the recipe trains for later rewards, and this training set has no returns: give its positives "
                "`with_returns`; interactions without times have none, so leave policy out"
            )
        self.config, self.prefixes = config.policy, config.prefixes
        self.behaviour = BehaviourPolicy(data.share() * len(data.item_I), config.dim).to(device)
        self.interactions = len(data.item_I)
        self._forget()

    def losses(self, c: Candidates, batch: Batch) -> tuple[Tensor, Tensor]:
        """Loss of the towers, and that of the behaviour policy, whose gradients share nothing.

        Args:
            c: candidates of the batch.
            batch: interactions of a step, with their returns.
        """
        assert batch.return_P is not None
        log_behaviour_P = self.behaviour(c.user_RD, batch.row_P, batch.item_C[batch.column_P])
        # What was logged is learned as it was logged, whatever an interaction weighs.
        of_behaviour = -log_behaviour_P.mean()
        of_towers = torch.zeros_like(of_behaviour)
        for each in (*(c.cut(prefix) for prefix in self.prefixes), c):
            weights = policy_weights(each, log_behaviour_P.detach(), k=self.config.k, cap=self.config.cap)
            of_towers = of_towers + policy_gradient(
                each, weights, batch.return_P, self_normalised=self.config.self_normalised
            )
        self._note(of_behaviour, weights)
        return of_towers, of_behaviour

    def _forget(self) -> None:
        self.steps, self.sums = 0, {"behaviour_loss": 0.0, "capped_share": 0.0, "effective_share": 0.0}

    def _note(self, of_behaviour: Tensor, weights: PolicyWeights) -> None:
        ratio_P = weights.ratio_P
        effective = ratio_P.sum() ** 2 / (len(ratio_P) * (ratio_P**2).sum())
        capped = (ratio_P >= self.config.cap * (1 - 1e-6)).float().mean()
        self.steps += 1
        for name, value in zip(self.sums, (of_behaviour, capped, effective), strict=True):
            self.sums[name] += value.item()

    def metrics(self) -> dict[str, float]:
        """Means over the steps since the last call, and the number of interactions.

        The behaviour policy's cross-entropy, the share of capped ratios, and the
        effective share of the interactions, (Σw)² / (n Σw²) [Kish, 1965].
        """
        means = {f"policy/{name}": total / max(self.steps, 1) for name, total in self.sums.items()}
        self._forget()
        return means | {"policy/interactions": float(self.interactions)}

    def state(self) -> dict[str, Tensor]:
        """Tensors for a checkpoint."""
        return dict(self.behaviour.state_dict())

    def load(self, state: dict[str, Tensor]) -> None:
        """Restore the tensors of `state`."""
        self.behaviour.load_state_dict(state)
