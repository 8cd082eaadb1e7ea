"""Candidates that every loss compares: users, items, and which pairs are positives.

Legend: R users (rows), C candidate items (columns), N negative columns, P positives, D dimension, H hard negatives.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from training.losses.kernels.log_sum_exp import Pairs, log_sum_exp, log_sum_exp_and_logits
from training.losses.kernels.one_pass import Expected, fits, log_sum_exp_in_one_pass


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidates:
    """Users against shared candidate items.

    user_RD, item_CD: embeddings; a column is one item. scale, shift: logit = scale · <u, v> + shift;
    scale is 1 / τ. row_P, column_P, weight_P: the positives. log_q_C: log-probability that the sampler draws the item
    into the columns. hidden: pairs that are no negatives (the positives themselves, and other known positives where
    the recipe says so). first_negative: the columns from here on are negatives; those before are only positives.
    history: pairs whose item is in the user's history; a positive outside it is ranked only against what is outside it
    too. hard_RH: columns of each row's own hard negatives, -1 where
    there is none; columns that only stand there lie behind `last_negative`. precision: of the products in the softmax
    family.
    """

    user_RD: Tensor
    item_CD: Tensor
    row_P: Tensor
    column_P: Tensor
    weight_P: Tensor
    log_q_C: Tensor
    hidden: Pairs
    scale: Tensor = field(default_factory=lambda: torch.tensor(1.0))
    shift: Tensor = field(default_factory=lambda: torch.tensor(0.0))
    history: Pairs | None = None
    hard_RH: Tensor | None = None
    first_negative: int = 0
    last_negative: int | None = None
    precision: torch.dtype = torch.float32

    @cached_property
    def positive_P(self) -> Tensor:
        """Logits of the positives."""
        return (
            self.scale * (self.of_row(self.user_RD) * F.embedding(self.column_P, self.item_CD)).sum(dim=1) + self.shift
        )

    def of_row(self, values: Tensor) -> Tensor:
        """Gather values [R] or [R, ...] by each positive's row. Indexing with brackets would do the same, but several
        threads would add up its gradients in any order, and no seed would repeat a training."""
        return F.embedding(self.row_P, values) if values.dim() == 2 else values.index_select(0, self.row_P)

    @property
    def negatives(self) -> slice:
        """The columns that are negatives of every row from which they are not hidden."""
        return slice(self.first_negative, len(self.item_CD) if self.last_negative is None else self.last_negative)

    @property
    def number(self) -> int:
        """Negative columns."""
        return self.negatives.stop - self.negatives.start

    def negative_log_sum_exp(self, log_q_C: Tensor, logit_P: Tensor | None = None) -> Tensor:
        """log Σ_n exp(logit − log_q) of each positive's negatives, hard ones uncorrected: float32 [P].

        logit_P: the l of a loss log(e^l + e^z) − l, z being the result; None for a loss in which z stands by itself.
        The gradients are then at hand when they are asked for; with another loss they are as right, and cost more.
        """
        if self.history is None:
            return self.of_row(self._log_sum_exp(log_q_C, self.hidden, self._expected(logit_P, self.weight_P)))
        inside_P = self.weight_P * self.repeats_P
        all_R = self._log_sum_exp(log_q_C, self.hidden, self._expected(logit_P, inside_P))
        outside_R = self.outside_log_sum_exp(log_q_C, self._expected(logit_P, self.weight_P - inside_P))
        return torch.where(self.repeats_P, self.of_row(all_R), self.of_row(outside_R))

    def outside_log_sum_exp(self, log_q_C: Tensor, expected: Expected | None = None) -> Tensor:
        """The same over the negatives outside each row's history: float32 [R]."""
        assert self.history is not None
        return self._log_sum_exp(log_q_C, self.hidden.and_also(self.history), expected)

    def _expected(self, logit_P: Tensor | None, weight_P: Tensor) -> Expected | None:
        """Gradient that comes to each row, where it is known and of use."""
        if self.hard_RH is not None or not torch.is_grad_enabled() or not fits(len(self.user_RD), self.number):
            return None
        return Expected(
            row_P=self.row_P, weight_P=weight_P, logit_P=None if logit_P is None else (logit_P - self.shift).detach()
        )

    @cached_property
    def repeats_P(self) -> Tensor:
        """bool [P]: whether the positive is in its user's history."""
        assert self.history is not None
        columns = len(self.item_CD)
        return torch.isin(self.row_P * columns + self.column_P, self.history.row_H * columns + self.history.column_H)

    def uncorrected(self) -> tuple[Tensor, Tensor]:
        """`negative_log_sum_exp` with log q = 0, and `positive_P`: float32 [P] each. Where positives are among the
        columns of negatives both come from the same products, so a positive is rounded to `precision`: for a loss whose
        gradient does not depend on it."""
        zero_C = torch.zeros_like(self.log_q_C)
        if self.first_negative or self.history is not None:
            return self.negative_log_sum_exp(zero_C), self.positive_P
        asked = Pairs(row_H=self.row_P, column_H=self.column_P)
        compared = self._compared(zero_C, self.hidden)
        sum_R, logit_P = log_sum_exp_and_logits(*compared, asked, precision=self.precision)
        return self.of_row(self._with_hard(sum_R + self.shift)), logit_P + self.shift

    def _log_sum_exp(self, log_q_C: Tensor, hidden: Pairs, expected: Expected | None) -> Tensor:
        compared = self._compared(log_q_C, hidden)
        if expected is None:
            sum_R = log_sum_exp(*compared, precision=self.precision)
        else:
            sum_R = log_sum_exp_in_one_pass(*compared, expected, precision=self.precision)
        return self._with_hard(sum_R + self.shift)

    def _compared(self, log_q_C: Tensor, hidden: Pairs) -> tuple[Tensor, Tensor, Tensor, Pairs]:
        """Users, negative columns and their offsets, and what is hidden of these."""
        columns = self.negatives
        here_H = (hidden.column_H >= columns.start) & (hidden.column_H < columns.stop)
        inside = Pairs(row_H=hidden.row_H[here_H], column_H=hidden.column_H[here_H] - columns.start)
        return self.scale * self.user_RD, self.item_CD[columns], -log_q_C[columns], inside

    def _with_hard(self, sum_R: Tensor) -> Tensor:
        if self.hard_RH is None:
            return sum_R
        return torch.logaddexp(sum_R, self.hard_logits_RH.logsumexp(dim=1))

    @cached_property
    def hard_logits_RH(self) -> Tensor:
        """Logits of each row's own hard negatives, -inf where there is none."""
        assert self.hard_RH is not None
        item_RHD = F.embedding(self.hard_RH.clamp_min(0), self.item_CD)
        logits_RH = self.scale * torch.einsum("rd,rhd->rh", self.user_RD, item_RHD) + self.shift
        return logits_RH.masked_fill(self.hard_RH < 0, -torch.inf)

    def negative_logits(self) -> Tensor:
        """Logits of all negative columns and of the row's hard ones, -inf where hidden: [R, N]. For the losses that
        need every pair; the softmax family never builds this."""
        columns = self.negatives
        logits_RN = self.scale * self.user_RD @ self.item_CD[columns].T + self.shift
        hidden_RC = torch.zeros(len(self.user_RD), len(self.item_CD), dtype=torch.bool, device=logits_RN.device)
        hidden_RC[self.hidden.row_H, self.hidden.column_H] = True
        logits_RN = logits_RN.masked_fill(hidden_RC[:, columns], -torch.inf)
        return logits_RN if self.hard_RH is None else torch.cat([logits_RN, self.hard_logits_RH], dim=1)

    def cut(self, dim: int, *, unit: bool) -> Candidates:
        """The candidates by the first `dim` coordinates of their embeddings, made unit vectors anew where cosines are
        compared. [Kusupati et al., Matryoshka
        representation learning, NeurIPS 2022, equation 1]"""
        user_RD, item_CD = self.user_RD[:, :dim], self.item_CD[:, :dim]
        if unit:
            user_RD, item_CD = F.normalize(user_RD, dim=1), F.normalize(item_CD, dim=1)
        return replace(self, user_RD=user_RD, item_CD=item_CD)

    def mean(self, loss_P: Tensor) -> Tensor:
        """Weighted mean over the positives."""
        return (loss_P * self.weight_P).sum() / self.weight_P.sum()
