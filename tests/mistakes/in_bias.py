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
        right="np.where(slates.click_SL > 0, 1 / look_SL, 1)",
        wrong="np.where(slates.click_SL > 0, 1 / look_SL, 1 / look_SL)",
        test=f"{DATA}/test_propensities.py::test_click_weights_make_clicks_count_as_if_everybody_looked",
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
