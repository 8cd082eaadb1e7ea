"""Mistakes in what the gate asks of groups and models: slices, windows, parity, sanity, drift, and how it is shown."""

from __future__ import annotations

from tests.mistakes.mistake import Mistake

GATE = "tests/unit/serving/gate/test_gate.py"
PARITY = "tests/integration/test_parity.py"
BESIDE = "tests/unit/orchestration/test_difference.py"
WINDOWS = "tests/unit/serving/gate/test_windows.py"
FIELDS = "tests/unit/serving/gate/test_fields.py"
SANITY = "tests/unit/serving/gate/test_sanity.py"
CHECKS = "tests/unit/orchestration/reporting/test_gate_checks.py"

IN_GATE_GROUPS = [
    Mistake(
        name="an unmeasured slice left to the policy's word for undecided",
        module="serving.gate.sliced",
        right='return Outcome.UNDECIDED, f"{name} not measured"',
        wrong='return UNJUDGED[rule.undecided], f"{name} not measured"',
        test=f"{GATE}::test_no_word_of_a_policy_lets_an_unmeasured_metric_pass",
    ),
    Mistake(
        name="a slice of few users judged",
        module="serving.gate.sliced",
        right=">= policy.min_slice_users}",
        wrong="> 0}",
        test=f"{GATE}::TestSlices::test_a_slice_of_few_users_is_not_judged",
    ),
    Mistake(
        name="a parity that was not measured passed",
        module="serving.gate.parity",
        right='Outcome.UNDECIDED, "train',
        wrong='Outcome.PASSED, "train',
        test=f"{GATE}::test_an_unmeasured_metric_never_passes",
    ),
    Mistake(
        name="features online compared with themselves",
        module="orchestration.parity",
        right="asked[name].ne_missing(frame[name])",
        wrong="frame[name].ne_missing(frame[name])",
        test=f"{PARITY}::test_a_feature_that_differs_is_named_and_its_users_counted",
    ),
    Mistake(
        name="lists compared by their items alone",
        module="orchestration.parity",
        right=".abs() <= TOLERANCE",
        wrong=".abs() <= 1e9",
        test=f"{PARITY}::test_a_model_that_answers_otherwise_is_seen",
    ),
    Mistake(
        name="the values of a field judged one by one",
        module="serving.gate.sliced",
        right="corrected_level(policy.level, len(enough))",
        wrong="corrected_level(policy.level, len(names))",
        test=f"{FIELDS}::test_the_level_is_corrected_for_all_values_of_a_rule",
    ),
    Mistake(
        name="a field that was not measured passed",
        module="serving.gate.sliced",
        right='Outcome.UNDECIDED, f"{field} not measured"',
        wrong='UNJUDGED[rule.undecided], f"{field} not measured"',
        test=f"{FIELDS}::test_a_field_that_was_not_measured_never_passes",
    ),
    Mistake(
        name="a user counted for each of its items",
        module="training.evaluation.slices",
        right="np.unique(query_P * np.int64(len(names)) + codes_N[relevant.indices])",
        wrong="(query_P * np.int64(len(names)) + codes_N[relevant.indices])",
        test="tests/unit/training/evaluation/test_slices.py::test_of_many_values_those_with_most_users_are_measured",
    ),
    Mistake(
        name="the names of items taken for markup",
        module="orchestration.difference_page.page",
        right="autoescape=True",
        wrong="autoescape=False",
        test=f"{BESIDE}::test_values_of_the_data_are_no_markup_and_the_page_asks_for_nothing",
    ),
    Mistake(
        name="the champion's users shown as the version's",
        module="orchestration.difference",
        right="in (lists, lists[::-1])",
        wrong="in (lists, lists)",
        test=f"{BESIDE}::test_users_are_shown_with_what_they_got_had_and_took",
    ),
    Mistake(
        name="one lucky window enough",
        module="serving.gate.windowed",
        right="if 2 * above > len(found):",
        wrong="if above:",
        test=f"{WINDOWS}::test_a_lucky_window_does_not_carry_the_others",
    ),
    Mistake(
        name="a lead of nothing in a window",
        module="serving.gate.windowed",
        right="strict = rule.kind is Kind.SUPERIORITY",
        wrong="strict = False",
        test=f"{WINDOWS}::test_an_effect_at_the_bound_is_within_a_loss_and_no_lead",
    ),
    Mistake(
        name="windows judged one by one",
        module="serving.gate.windowed",
        right="corrected_level(policy.level, len(found))",
        wrong="policy.level",
        test=f"{WINDOWS}::test_the_level_is_corrected_for_the_windows",
    ),
    Mistake(
        name="one window judged as if it were several",
        module="serving.gate.windowed",
        right="elif len(found) < LEAST_WINDOWS:",
        wrong="elif not found:",
        test=f"{WINDOWS}::test_fewer_than_two_windows_with_enough_users_are_not_judged",
    ),
    Mistake(
        name="windows left to a rule that is not there",
        module="serving.gate.windowed",
        right="if any(each.is_whole and",
        wrong="if True or any(each.is_whole and",
        test=f"{WINDOWS}::test_fewer_than_two_windows_with_enough_users_are_not_judged",
    ),
    Mistake(
        name="a loss that is proven in the only window passed",
        module="serving.gate.windowed",
        right="    if worse:",
        wrong="    if worse and len(found) > 1:",
        test=f"{WINDOWS}::test_a_loss_that_is_proven_in_the_only_window_with_enough_users_fails",
    ),
    Mistake(
        name="windows of the time after the hold-out",
        module="orchestration.holdout_window",
        right="source.cut, source.holdout_end, windows)",
        wrong="source.cut, source.as_of, windows)",
        test="tests/unit/orchestration/test_evaluation.py"
        "::test_windows_part_the_hold_out_and_not_what_became_known_after_it",
    ),
    Mistake(
        name="a drift that was not measured passed",
        module="serving.gate.drift",
        right='Outcome.UNDECIDED, "drift of the features',
        wrong='Outcome.PASSED, "drift of the features',
        test="tests/unit/serving/gate/test_drift_rule.py::test_a_drift_is_noted_and_fails_where_asked",
    ),
    Mistake(
        name="a drift of no feature passed",
        module="serving.gate.drift",
        right="Outcome.UNDECIDED if limits.fail is not None else Outcome.PASSED",
        wrong="Outcome.PASSED",
        test="tests/unit/serving/gate/test_drift_rule.py::test_a_drift_is_noted_and_fails_where_asked",
    ),
    Mistake(
        name="new features left out of the drift",
        module="orchestration.drift",
        right="for name in now}\n",
        wrong="for name in now if name in kept}\n    now = {name: now[name] for name in reference}\n",
        test="tests/unit/orchestration/test_drift.py::"
        "test_a_feature_that_the_champion_lacked_is_compared_with_its_own_past",
    ),
    Mistake(
        name="features compared with bins of their own",
        module="orchestration.drift",
        right="profile(values, reference)",
        wrong="profile(values)",
        test="tests/unit/orchestration/test_drift.py::test_a_feature_that_moved_is_the_one_that_is_found",
    ),
    Mistake(
        name="a measure that is no number within its bounds",
        module="serving.gate.sanity",
        right="if not math.isfinite(value):",
        wrong="if False:",
        test=f"{SANITY}::test_every_bound_decides",
    ),
    Mistake(
        name="a bound turned around",
        module="serving.gate.sanity",
        right="value >= low",
        wrong="value <= low",
        test=f"{SANITY}::test_every_bound_decides",
    ),
    Mistake(
        name="an undecided rule shown as a passed check",
        module="orchestration.reporting.gate_checks",
        right="passed=outcome is Outcome.PASSED",
        wrong="passed=outcome is not Outcome.FAILED",
        test=f"{CHECKS}::test_each_kind_is_one_check_with_its_sentences_and_numbers",
    ),
    Mistake(
        name="a failed verdict of before shown with passed checks",
        module="orchestration.reporting.gate_checks",
        right="if known else verdict.outcome",
        wrong="if True else verdict.outcome",
        test=f"{CHECKS}::test_no_check_of_a_verdict_of_before_looks_better_than_it",
    ),
    Mistake(
        name="a band of a number that does not hold its lower edge",
        module="training.evaluation.bands",
        right='side="right"',
        wrong='side="left"',
        test="tests/unit/training/evaluation/test_bands.py::test_every_number_lies_in_its_band_and_equal_ones_in_one",
    ),
]
