"""Mistakes in losses, each with the test that notices it."""

from __future__ import annotations

from tests.unit.training import test_losses as losses
from tests.unit.training import test_recipes as recipes
from tests.unit.training import test_tiled as tiled
from tests.unit.training.mistake import Mistake
from training.recipes import Loss

IN_LOSSES = [
    Mistake(
        name="BPR as log of sigmoid",
        module="training.losses.pairwise",
        right="-F.logsigmoid(-gap_PN)",
        wrong="-torch.log(torch.sigmoid(-gap_PN))",
        test=losses.test_large_gaps_neither_overflow_nor_lose_their_gradient,
        arguments=("bpr",),
    ),
    Mistake(
        name="logistic as log(1 + exp)",
        module="training.losses.pairwise",
        right="F.softplus(sharpness * gap_PN)",
        wrong="torch.log(1 + torch.exp(sharpness * gap_PN))",
        test=losses.test_large_gaps_neither_overflow_nor_lose_their_gradient,
        arguments=("logistic_triplet",),
    ),
    Mistake(
        name="pointwise as log(1 + exp)",
        module="training.losses.pointwise",
        right="F.softplus(-c.positive_P)",
        wrong="torch.log(1 + torch.exp(-c.positive_P))",
        test=losses.test_large_gaps_neither_overflow_nor_lose_their_gradient,
        arguments=("pointwise",),
    ),
    Mistake(
        name="bare cosine as logit of a pointwise loss",
        module="training.recipes.loss",
        right='self.name == "pointwise" and not (score.shift and scaled)',
        wrong="False",
        test=recipes.test_combinations_that_make_no_sense_are_refused_with_the_reason,
        arguments=({"loss": Loss("pointwise")}, "learned scale and shift"),
    ),
    Mistake(
        name="accidental hits at 0 in the softmax family",
        module="training.losses.tiled",
        right="self.column_H[start:stop]] = -torch.inf",
        wrong="self.column_H[start:stop]] = 0.0",
        test=losses.test_a_loss_is_its_formula,
        arguments=("softmax", "plain"),
    ),
    Mistake(
        name="accidental hits at 0 in the other losses",
        module="training.losses.candidates",
        right="logits_RN.masked_fill(hidden_RC[:, columns], -torch.inf)",
        wrong="logits_RN.masked_fill(hidden_RC[:, columns], 0.0)",
        test=losses.test_a_loss_is_its_formula,
        arguments=("bpr", "plain"),
    ),
    Mistake(
        name="hard negatives that are not there at 0",
        module="training.losses.candidates",
        right="logits_RH.masked_fill(self.hard_RH < 0, -torch.inf)",
        wrong="logits_RH.masked_fill(self.hard_RH < 0, 0.0)",
        test=losses.test_a_loss_is_its_formula,
        arguments=("softmax", "hard"),
    ),
    Mistake(
        name="logQ with the wrong sign",
        module="training.losses.candidates",
        right="-log_q_C[columns]",
        wrong="log_q_C[columns]",
        test=losses.test_a_loss_is_its_formula,
        arguments=("softmax", "plain"),
    ),
    Mistake(
        name="logQ subtracted before dividing by the temperature",
        module="training.losses.candidates",
        right="-log_q_C[columns]",
        wrong="-self.scale * log_q_C[columns]",
        test=losses.test_a_loss_is_its_formula,
        arguments=("softmax", "plain"),
    ),
    Mistake(
        name="logQ on the negatives only",
        module="training.losses.softmax",
        right="positive_P = c.positive_P - c.log_q_C[c.column_P]",
        wrong="positive_P = c.positive_P",
        test=losses.test_a_loss_is_its_formula,
        arguments=("softmax", "plain"),
    ),
    Mistake(
        name="logQ in a loss that learns taste",
        module="training.losses.softmax",
        right="sum_P = c.negative_log_sum_exp(torch.zeros_like(c.log_q_C))",
        wrong="sum_P = c.negative_log_sum_exp(c.log_q_C)",
        test=losses.test_a_loss_is_its_formula,
        arguments=("info_nce", "plain"),
    ),
    Mistake(
        name="mean over the pairs that still cost",
        module="training.losses.pairwise",
        right="loss_PN.sum(dim=1) / there_PN.sum(dim=1).clamp_min(1)",
        wrong="loss_PN.sum(dim=1) / (loss_PN > 0).sum(dim=1).clamp_min(1)",
        test=losses.test_the_hinge_is_the_library_s,
    ),
    Mistake(
        name="refined weight with a gradient",
        module="training.losses.softmax",
        right="gap_P.detach().sigmoid() * gap_P",
        wrong="gap_P.sigmoid() * gap_P",
        test=losses.test_the_refined_softmax_has_the_gradient_of_a_softmax_with_an_uncorrected_positive,
    ),
    Mistake(
        name="bilateral softmax with the positive inside",
        module="training.losses.softmax",
        right="exponent * (sum_P - math.log(c.number))",
        wrong="exponent * (torch.logaddexp(sum_P, c.positive_P) - math.log(c.number))",
        test=losses.test_a_loss_is_its_formula,
        arguments=("bilateral_softmax", "plain"),
    ),
    Mistake(
        name="a discovery ranked against the user's history",
        module="training.losses.candidates",
        right="torch.where(self.repeats_P, self.of_row(all_R), self.of_row(outside_R))",
        wrong="torch.where(self.repeats_P, self.of_row(outside_R), self.of_row(all_R))",
        test=losses.test_a_discovery_is_ranked_among_what_the_user_did_not_have,
        arguments=("softmax",),
    ),
    Mistake(
        name="weights of interactions left out of the mean",
        module="training.losses.candidates",
        right="(loss_P * self.weight_P).sum() / self.weight_P.sum()",
        wrong="loss_P.mean()",
        test=losses.test_a_loss_is_its_formula,
        arguments=("pointwise", "plain"),
    ),
    Mistake(
        name="a running maximum that moves without its sum",
        module="training.losses.tiled",
        right="sum_r *= (highest_r1 - new_r1).squeeze(1).exp2_()",
        wrong="pass",
        test=tiled.test_value_and_gradients_are_those_of_the_plain_formula,
        arguments=(5, 2 * tiled.COLUMNS),
    ),
    Mistake(
        name="a prefix of a unit vector taken for a unit vector",
        module="training.losses.candidates",
        right="F.normalize(user_RD, dim=1), F.normalize(item_CD, dim=1)",
        wrong="user_RD, item_CD",
        test=losses.test_a_prefix_is_compared_by_itself,
    ),
]
