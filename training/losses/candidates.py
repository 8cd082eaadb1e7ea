"""Candidates that a loss compares: users, items, and the positive pairs.

Legend: R users (rows), C candidate items (columns), N negative columns, P positives, D
dimension, H pairs of a row and a column, or hard negatives of a row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from training.losses.kernels.log_sum_exp import log_sum_exp, log_sum_exp_and_logits
from training.losses.kernels.one_pass import Expected, fits, log_sum_exp_in_one_pass, log_sums_exp_in_one_pass
from training.losses.kernels.tiles import Pairs


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidates:
    """Users against shared candidate items: logit = scale · <u, v> + shift."""

    user_RD: Tensor
    """Embeddings of the rows."""
    item_CD: Tensor
    """Embeddings of the columns, one item each."""
    row_P: Tensor
    """Row of each positive."""
    column_P: Tensor
    """Column of each positive."""
    weight_P: Tensor
    """Weight of each positive."""
    log_q_C: Tensor
    """Log-probability that the sampler draws the item into the columns."""
    hidden: Pairs
    """Pairs that are no negatives: positives, and other known ones if the recipe says so."""
    scale: Tensor = field(default_factory=lambda: torch.tensor(1.0))
    """1 / τ."""
    shift: Tensor = field(default_factory=lambda: torch.tensor(0.0))
    """Constant of the logit."""
    normalise: Callable[[Tensor], Tensor] = F.normalize
    """What makes embeddings comparable, applied again to their prefixes."""
    history: Pairs | None = None
    """Pairs whose item is in the user's history; None where all items are ranked together.

    A positive outside the history is ranked only against items outside it.
    """
    hard_RH: Tensor | None = None
    """Columns of each row's own hard negatives, -1 where there is none."""
    first_negative: int = 0
    """First column that is a negative; those before are only positives."""
    last_negative: int | None = None
    """End of the columns that are negatives of all rows; None for all columns. Hard ones may stand behind it."""
    precision: torch.dtype = torch.float32
    """Precision of the products in the softmax family."""

    @cached_property
    def positive_P(self) -> Tensor:
        """Logits of the positives."""
        return self._logits((self.of_row(self.user_RD) * F.embedding(self.column_P, self.item_CD)).sum(dim=1))

    def _logits(self, product: Tensor) -> Tensor:
        """Logits of inner products."""
        return self.scale * product + self.shift

    def of_row(self, values: Tensor) -> Tensor:
        """Gather values [R] or [R, ...] by each positive's row."""
        # Indexing with brackets would do the same, but several threads would add up its
        # gradients in any order, and no seed would repeat a training.
        return F.embedding(self.row_P, values) if values.dim() == 2 else values.index_select(0, self.row_P)

    @property
    def negatives(self) -> slice:
        """Columns that are negatives of every row from which they are not hidden."""
        return slice(self.first_negative, len(self.item_CD) if self.last_negative is None else self.last_negative)

    @property
    def number(self) -> int:
        """Number of negative columns."""
        return self.negatives.stop - self.negatives.start

    def negative_log_sum_exp(self, log_q_C: Tensor, logit_P: Tensor | None = None) -> Tensor:
        """log Σ_n exp(logit − log_q) of each positive's negatives: float32 [P].

        Hard ones are not corrected.

        Args:
            log_q_C: log-probabilities to subtract.
            logit_P: the l of a loss log(e^l + e^z) − l, z being the result; None for a loss in which z stands by
                itself. Gradients are then computed with the sum; with another loss they are as right, and cost more.
        """
        if self.history is None:
            return self.of_row(self._log_sum_exp(log_q_C, self.hidden, self._expected(logit_P, self.weight_P)))
        all_R, outside_R = self._both_log_sums_exp(log_q_C, logit_P)
        return torch.where(self.repeats_P, self.of_row(all_R), self.of_row(outside_R))

    def outside_log_sum_exp(self, log_q_C: Tensor) -> Tensor:
        """Log-sum-exp over the negatives outside each row's history: float32 [R]."""
        assert self.history is not None
        return self._log_sum_exp(log_q_C, self.hidden.and_also(self.history), None)

    def _both_log_sums_exp(self, log_q_C: Tensor, logit_P: Tensor | None) -> tuple[Tensor, Tensor]:
        """Log-sum-exp over all negatives, and over those outside each row's history."""
        assert self.history is not None
        # Each positive reads one of the two sums: only that one gets its weight.
        inside_P = self.weight_P * self.repeats_P
        both = self._expected(logit_P, inside_P), self._expected(logit_P, self.weight_P - inside_P)
        if both[0] is None or both[1] is None:
            return self._log_sum_exp(log_q_C, self.hidden, None), self.outside_log_sum_exp(log_q_C)
        compared, history = self._compared(log_q_C, self.hidden), self._of_negatives(self.history)
        sums = log_sums_exp_in_one_pass(*compared, history, (both[0], both[1]), precision=self.precision)
        return self._with_hard(sums[0] + self.shift), self._with_hard(sums[1] + self.shift)

    def _expected(self, logit_P: Tensor | None, weight_P: Tensor) -> Expected | None:
        """Gradient that each row will receive, where it is known and of use."""
        # Hard negatives join after the kernel's sum, and change the gradient that comes
        # to it.
        if self.hard_RH is not None or not torch.is_grad_enabled() or not fits(len(self.user_RD), self.number):
            return None
        # The kernel compares logits without the shift, which is added to its sums.
        return Expected(
            row_P=self.row_P, weight_P=weight_P, logit_P=None if logit_P is None else (logit_P - self.shift).detach()
        )

    @cached_property
    def repeats_P(self) -> Tensor:
        """Mask of the positives that are in their users' histories: bool [P]."""
        assert self.history is not None
        columns = len(self.item_CD)
        # One number a pair: `isin` compares numbers only.
        return torch.isin(self.row_P * columns + self.column_P, self.history.row_H * columns + self.history.column_H)

    def uncorrected(self) -> tuple[Tensor, Tensor]:
        """`negative_log_sum_exp` with log q = 0, and `positive_P`: float32 [P] each.

        Where positives are among the columns of negatives, both come from the same
        products, and a positive is rounded to `precision`: for a loss whose gradient does
        not depend on it.
        """
        zero_C = torch.zeros_like(self.log_q_C)
        # Columns before the first negative are in no tile, and two strata need two
        # sums.
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
        """Scaled users, negative columns with offsets, and their hidden pairs."""
        columns = self.negatives
        # 1 / τ goes into the users: R · D products instead of R · C.
        return self.scale * self.user_RD, self.item_CD[columns], -log_q_C[columns], self._of_negatives(hidden)

    def _of_negatives(self, pairs: Pairs) -> Pairs:
        """Pairs whose column is a negative, counted from the first negative."""
        columns = self.negatives
        here_H = (pairs.column_H >= columns.start) & (pairs.column_H < columns.stop)
        return Pairs(row_H=pairs.row_H[here_H], column_H=pairs.column_H[here_H] - columns.start)

    def _with_hard(self, sum_R: Tensor) -> Tensor:
        if self.hard_RH is None:
            return sum_R
        # Uncorrected: no probability that a log q could know has drawn them.
        return torch.logaddexp(sum_R, self.hard_logits_RH.logsumexp(dim=1))

    @cached_property
    def hard_logits_RH(self) -> Tensor:
        """Logits of each row's own hard negatives, -inf where there is none."""
        assert self.hard_RH is not None
        # -1 reads column 0, whose logit is masked below.
        item_RHD = F.embedding(self.hard_RH.clamp_min(0), self.item_CD)
        logits_RH = self._logits(torch.einsum("rd,rhd->rh", self.user_RD, item_RHD))
        return logits_RH.masked_fill(self.hard_RH < 0, -torch.inf)

    def negative_logits(self) -> Tensor:
        """Logits of all negative columns and the row's hard ones: [R, N].

        -inf where hidden.

        For losses that need every pair; the softmax family never builds this.
        """
        columns = self.negatives
        logits_RN = self.scale * self.user_RD @ self.item_CD[columns].T + self.shift
        hidden_RC = torch.zeros(len(self.user_RD), len(self.item_CD), dtype=torch.bool, device=logits_RN.device)
        hidden_RC[self.hidden.row_H, self.hidden.column_H] = True
        logits_RN = logits_RN.masked_fill(hidden_RC[:, columns], -torch.inf)
        return logits_RN if self.hard_RH is None else torch.cat([logits_RN, self.hard_logits_RH], dim=1)

    def cut(self, dim: int) -> Candidates:
        """The candidates by the first `dim` coordinates, normalised again.

        [Kusupati et al., Matryoshka representation learning, NeurIPS 2022, equation 1]
        """
        user_RD, item_CD = self.normalise(self.user_RD[:, :dim]), self.normalise(self.item_CD[:, :dim])
        return replace(self, user_RD=user_RD, item_CD=item_CD)

    def mean(self, loss_P: Tensor) -> Tensor:
        """Weighted mean over the positives."""
        return (loss_P * self.weight_P).sum() / self.weight_P.sum()
