"""Mistakes in what tells relevance and position apart."""

from __future__ import annotations

from tests.mistakes.mistake import Mistake

DATA, DIAGNOSTICS = "tests/unit/training/data", "tests/unit/training/diagnostics"
PUBLIC = "tests/benchmarks/bias/public/test_public_logs.py"

IN_BIAS = [
    Mistake(
        name="swapped things clicked once and for all instead of at a rate",
        module="training.data.interventions",
        right="shown.clicks_E / shown.impressions_E",
        wrong="np.minimum(shown.clicks_E, 1)",
        test=f"{DATA}/test_interventions.py::test_examination_is_found_whatever_the_ranker_knows",
    ),
    Mistake(
        name="a click weighed for having been shown instead of looked at",
        module="training.data.propensities",
        right="np.where(slates.click_SL > 0, 1 / np.maximum(look_SL, clip), 1)",
        wrong="1 / np.maximum(look_SL, clip)",
        test=f"{DATA}/test_propensities.py::test_click_weights_make_clicks_count_as_if_everybody_looked",
    ),
    Mistake(
        name="a click over the probability of a look as a weight instead of a label",
        module="training.losses.clicks",
        right="(1 - label_SL) * bounded_KSL",
        wrong="(1 - label_SL).clamp(min=0) * bounded_KSL",
        test=f"{DATA}/test_click_labels.py::test_the_mean_loss_is_that_of_the_relevance_whoever_looks",
    ),
    Mistake(
        name="a click over the probability of a look that pulls without end",
        module="training.losses.clicks",
        right="log_none_KSL.clamp(min=math.log1p(-MOST))",
        wrong="log_none_KSL",
        test="tests/unit/training/trainer/test_click_objective.py::test_one_click_at_a_low_position_does_not_run_away",
    ),
    Mistake(
        name="labels over examination judged by comparisons that they are not made of",
        module="training.bias_diagnosis",
        right="labels.source if labels else None",
        wrong="None if labels else None",
        test="tests/unit/training/test_bias_diagnosis.py::test_harvested_labels_are_not_judged_by_the_randomised_answers",
    ),
    Mistake(
        name="folds of users that follow their numbers",
        module="training.data.doubly_robust",
        right="fold_U[place_U][row_S]",
        wrong="fold_U[row_S]",
        test=f"{DATA}/test_doubly_robust.py::test_labels_do_not_depend_on_how_users_are_numbered",
    ),
    Mistake(
        name="impressions of an unknown position taken for misses",
        module="training.data.click_labels",
        right="np.where(of_click_SL > 0, weight_SL, 0).astype(np.float32)",
        wrong="weight_SL",
        test=f"{DATA}/test_click_labels.py::test_impressions_without_a_position_are_left_out",
    ),
    Mistake(
        name="items that the ranker placed compared with those of a random order",
        module="training.data.randomised",
        right="np.where(slates.group_SL[rows] != NO_GROUP, found.item_SL, NO_ITEM)",
        wrong="found.item_SL",
        test=f"{DATA}/test_randomised.py::test_items_beside_the_group_are_left_out",
    ),
    Mistake(
        name="a random share taken for a random log",
        module="training.diagnostics.evidence",
        right="dependence(everywhere, found.examination.relative_K).correlation",
        wrong="found.correlation",
        test=f"{DIAGNOSTICS}/test_diagnosis.py::test_a_small_random_share_shows_the_bias_and_the_ranker_by_relevance",
    ),
    Mistake(
        name="the effect of weights told of clicks instead of their labels",
        module="training.diagnostics.weighting",
        right="weight_P * label_SL[known_SL]",
        wrong="weight_P * click_P",
        test=f"{DIAGNOSTICS}/test_parts.py::test_labels_over_examination_make_click_rates_those_of_a_look",
    ),
    Mistake(
        name="a reward model that has seen the click it predicts",
        module="training.data.doubly_robust",
        right="(each_FN.sum(axis=0) - each_FN for each_FN",
        wrong="(each_FN.sum(axis=0) + 0 * each_FN for each_FN",
        test=f"{DATA}/test_doubly_robust.py::test_the_reward_model_of_an_impression_has_seen_other_users_alone",
    ),
    Mistake(
        name="predicted relevance taken for predicted clicks",
        module="training.data.doubly_robust",
        right="(click_SL - look_SL * relevance_SL)",
        wrong="(click_SL - relevance_SL)",
        test=f"{DATA}/test_doubly_robust.py::test_a_right_model_is_enough_whatever_is_clipped",
    ),
    Mistake(
        name="the effect of a device passed for one of the position",
        module="training.data.shown",
        right="unit_P * (code_P.max(initial=0) + 1) + code_P",
        wrong="unit_P",
        test=f"{DIAGNOSTICS}/test_diagnosis.py::test_the_effect_of_a_device_does_not_pass_for_one_of_the_position",
    ),
    Mistake(
        name="a thing's relevance judged at the very position in question",
        module="training.diagnostics.logging_policy",
        right="shown.sum_U(each)[shown.unit_E] - each for each",
        wrong="shown.sum_U(each)[shown.unit_E] for each",
        test=f"{DIAGNOSTICS}/test_parts.py::test_dependence_is_unknown_where_nothing_moves",
    ),
    Mistake(
        name="no clicks at a position taken for certainty",
        module="training.diagnostics.evidence",
        right="np.maximum(_half_K(examination), unseen_K)",
        wrong="_half_K(examination)",
        test=f"{DIAGNOSTICS}/test_diagnosis.py::test_a_position_that_is_never_clicked_is_not_known_for_sure",
    ),
    Mistake(
        name="features trusted though the order depends on relevance",
        module="training.diagnostics.diagnosis",
        right="evidence.basis is Basis.FEATURES and dependent",
        wrong="evidence.basis is None and dependent",
        test=f"{DIAGNOSTICS}/test_diagnosis.py::test_a_fixed_ranker_by_relevance_is_not_identifiable",
    ),
    Mistake(
        name="liked items above a liked one counted as wrong pairs",
        module="tests.benchmarks.bias.public.judged",
        right="liked_U * (liked_U - 1) / 2",
        wrong="0",
        test=f"{PUBLIC}::test_users_are_judged_by_their_own_random_items",
    ),
    Mistake(
        name="a user's items not in the order in which they were shown",
        module="tests.benchmarks.bias.public.logs",
        right="if position is None else position, shown",
        wrong="if True else position, shown",
        test=f"{PUBLIC}::test_an_answer_is_in_the_order_of_its_positions",
    ),
]
