"""Mistakes in training for reward, each with the test that notices it."""

from __future__ import annotations

from tests.mistakes.mistake import Mistake
from tests.unit.training.data import test_returns as returns
from tests.unit.training.losses import test_policy as policy
from tests.unit.training.trainer import test_policy_objective as objective

IN_REWARD = [
    Mistake(
        name="the behaviour policy's gradient in the state",
        module="training.trainer.policy_objective",
        right="state_RD = user_RD.detach()",
        wrong="state_RD = user_RD",
        test=objective.test_the_behaviour_policy_s_loss_reaches_its_own_weights_alone,
    ),
    Mistake(
        name="the towers' gradient in the behaviour policy",
        module="training.trainer.policy_objective",
        right="policy_weights(each, log_behaviour_P.detach(),",
        wrong="policy_weights(each, torch.zeros_like(log_behaviour_P),",
        test=objective.test_the_behaviour_policy_corrects_the_towers,
    ),
    Mistake(
        name="a ratio without a cap",
        module="training.losses.policy",
        right=".clamp_max(math.log(cap)).exp()",
        wrong=".exp()",
        test=policy.test_no_ratio_exceeds_the_cap_and_none_overflows,
        arguments=(-5.0,),
    ),
    Mistake(
        name="K = 1 where a list is shown",
        module="training.losses.policy",
        right="k * (-torch.expm1(log_policy_P)) ** (k - 1)",
        wrong="torch.ones_like(log_policy_P)",
        test=policy.test_with_full_support_the_expected_gradient_is_that_of_the_list_s_return,
        arguments=(5, True),
    ),
    Mistake(
        name="no ratio at all",
        module="training.losses.policy",
        right="corrected_P = c.weight_P * weights.ratio_P",
        wrong="corrected_P = c.weight_P",
        test=policy.test_with_full_support_the_expected_gradient_is_that_of_the_list_s_return,
        arguments=(1, True),
    ),
    Mistake(
        name="a row's other positives left out of its policy",
        module="training.losses.policy",
        right="own_P = c.of_row(_own_log_sum_exp(c))",
        wrong="own_P = c.positive_P",
        test=policy.test_with_full_support_the_expected_gradient_is_that_of_the_list_s_return,
        arguments=(1, False),
    ),
    Mistake(
        name="what became known past the end in a return",
        module="feature_repo.tables.snapshots",
        right='pl.max_horizontal("timestamp", "created") < moment',
        wrong='pl.col("timestamp") < moment',
        test=returns.test_nothing_past_the_end_is_in_a_return,
        arguments=(0, False),
    ),
    Mistake(
        name="a horizon that reaches beyond the end taken for a whole one",
        module="training.data.returns",
        right="+ timedelta(days=policy.horizon_days) <= until",
        wrong="<= until",
        test=returns.test_a_return_is_the_sum_over_the_user_s_later_interactions,
        arguments=(0, {"whole_horizon": True}),
    ),
    Mistake(
        name="rewards at the end of the horizon in it",
        module="training.data.returns",
        right="allow_exact_matches=False",
        wrong="allow_exact_matches=True",
        test=returns.test_a_return_is_the_sum_over_the_user_s_later_interactions,
        arguments=(0, {"discount": 1.0}),
    ),
]
