"""Mistakes in assignment, exposures and statistics of experiments: all are silent."""

from __future__ import annotations

from tests.mistakes.mistake import Mistake

UNIT = "tests/unit/serving/experiments"
ASSIGNMENT, EXPOSURE = f"{UNIT}/test_assignment.py", f"{UNIT}/test_exposure.py"
INTERLEAVING = f"{UNIT}/test_interleaving.py"
ANYTIME, MEANS = f"{UNIT}/statistics/test_anytime.py", f"{UNIT}/statistics/test_means.py"
CUPED, RATIO = f"{UNIT}/statistics/test_cuped.py", f"{UNIT}/statistics/test_sample_ratio.py"
POLICY, PREFERENCE = f"{UNIT}/statistics/test_off_policy.py", f"{UNIT}/statistics/test_preference.py"
REPORT = "tests/unit/orchestration/experiments/test_report.py"

IN_EXPERIMENTS = [
    Mistake(
        name="another salt that changes nothing",
        module="serving.experiments.assignment",
        right="uniform(salt, variant.name, user_id)",
        wrong="uniform(variant.name, user_id)",
        test=f"{ASSIGNMENT}::test_experiments_of_other_salts_are_independent",
    ),
    Mistake(
        name="weights that change nothing",
        module="serving.experiments.assignment",
        right=") / variant.weight",
        wrong=")",
        test=f"{ASSIGNMENT}::test_users_have_variants_in_proportion_to_the_weights",
    ),
    Mistake(
        name="the borders between texts lost in the hash",
        module="serving.experiments.assignment",
        right="json.dumps(parts)",
        wrong='"".join(parts)',
        test=f"{ASSIGNMENT}::test_texts_keep_their_borders",
    ),
    Mistake(
        name="a hash that is new in each process",
        module="serving.experiments.assignment",
        right="digest = hashlib.blake2b(json.dumps(parts).encode(), digest_size=_BITS // 8).digest()",
        wrong='digest = hash(parts).to_bytes(8, "big", signed=True)',
        test=f"{ASSIGNMENT}::test_a_user_keeps_the_variant_in_every_process",
    ),
    Mistake(
        name="one variant that always picks first",
        module="serving.experiments.interleaving",
        right="if next(tosses) else",
        wrong="if True else",
        test=f"{INTERLEAVING}::test_each_variant_picks_its_best_item_that_is_left",
    ),
    Mistake(
        name="clicks on items that only one variant could pick",
        module="serving.experiments.interleaving",
        right="Pick(item=item, team=None)",
        wrong="Pick(item=item, team=next(iter(rankings)))",
        test=f"{INTERLEAVING}::test_items_after_the_end_of_a_ranking_count_for_nobody",
    ),
    Mistake(
        name="the probability of an answer that two variants give from one of them",
        module="serving.experiments.exposure",
        right="sum(experiment.propensities.get(name, 0.0) for name in same)",
        wrong="max(experiment.propensities.get(name, 0.0) for name in same)",
        test=f"{EXPOSURE}::test_the_probability_of_an_answer_is_that_of_all_variants_that_agree",
    ),
    Mistake(
        name="the variance of the users divided by their number",
        module="serving.experiments.statistics.means",
        right="ddof=1",
        wrong="ddof=0",
        test=f"{ANYTIME}::test_intervals_of_a_mean_are_those_of_a_package",
    ),
    Mistake(
        name="the error of a rate over answers without their number varying",
        module="serving.experiments.statistics.means",
        right="ratio * denominator_Q)",
        wrong="ratio * denominator_Q.mean())",
        test=f"{MEANS}::test_the_error_of_a_ratio_is_that_of_users_not_of_answers",
    ),
    Mistake(
        name="a relative difference from a baseline without error",
        module="serving.experiments.statistics.estimate",
        right="math.hypot(treated.error, ratio * baseline.error)",
        wrong="treated.error",
        test=f"{MEANS}::test_nineteen_of_twenty_intervals_hold_the_truth",
    ),
    Mistake(
        name="a difference with the error of one variant",
        module="serving.experiments.statistics.estimate",
        right="math.hypot(treated.error, baseline.error)",
        wrong="treated.error",
        test=f"{MEANS}::test_nineteen_of_twenty_intervals_hold_the_truth",
    ),
    Mistake(
        name="the tightest point of the sequence chosen at each look",
        module="serving.experiments.statistics.anytime",
        right="_rho_squared(tightest_at, 1 - level)",
        wrong="_rho_squared(estimate.users, 1 - level)",
        test=f"{ANYTIME}::test_intervals_of_a_mean_are_those_of_a_package",
    ),
    Mistake(
        name="the interval of one look at each look",
        module="serving.experiments.statistics.anytime",
        right="factor = math.sqrt(2 * (scaled + 1) / scaled * math.log(math.sqrt(scaled + 1) / (1 - level)))",
        wrong="factor = 1.96",
        test=f"{ANYTIME}::test_daily_looks_at_two_equal_variants_find_an_effect_at_most_at_the_stated_rate",
    ),
    Mistake(
        name="each variant adjusted to its own mean before",
        module="serving.experiments.statistics.cuped",
        right="y - theta * (x - centre)",
        wrong="y - theta * (x - x.mean())",
        test=f"{CUPED}::test_the_effect_stays_and_its_intervals_hold_it",
    ),
    Mistake(
        name="even shares expected whatever the weights",
        module="serving.experiments.statistics.sample_ratio",
        right="total * share for",
        wrong="total / len(propensities) for",
        test=f"{RATIO}::test_the_weights_are_what_is_expected_and_a_variant_without_users_counts",
    ),
    Mistake(
        name="a preference of clicks, not of users",
        module="serving.experiments.statistics.preference",
        right="int((lead_Q > 0).sum())",
        wrong="int(lead_Q[lead_Q > 0].sum())",
        test=f"{PREFERENCE}::test_users_count_once_and_ties_decide_nothing",
    ),
    Mistake(
        name="answers of one user taken for independent",
        module="serving.experiments.statistics.off_policy",
        right="return np.bincount(self.user_N, weights=values_N)",
        wrong="return values_N",
        test=f"{POLICY}::test_an_answer_that_a_user_has_three_times_narrows_no_interval",
    ),
    Mistake(
        name="an answer weighted by its own propensity",
        module="serving.experiments.statistics.off_policy",
        right="self.target_N / self.propensity_N",
        wrong="self.target_N * self.propensity_N",
        test=f"{POLICY}::test_estimates_have_the_truth_as_their_mean_and_in_their_intervals",
    ),
    Mistake(
        name="wrong propensities accepted",
        module="serving.experiments.statistics.off_policy",
        right="if not low <= 1 <= high:",
        wrong="if not high > 0:",
        test=f"{POLICY}::test_right_weights_are_accepted_and_wrong_ones_refused",
    ),
    Mistake(
        name="many answers of one user for many users",
        module="serving.experiments.statistics.off_policy",
        right="weight_Q = logged.by_user(logged.weight_N)",
        wrong="weight_Q = logged.weight_N",
        test=f"{POLICY}::test_effective_users_are_all_for_equal_weights_and_one_for_a_single_weight",
    ),
    Mistake(
        name="predictions fitted on their own rewards",
        module="serving.experiments.statistics.off_policy",
        right="design[~own_N], logged.reward_N[~own_N]",
        wrong="design[own_N], logged.reward_N[own_N]",
        test=f"{POLICY}::test_a_prediction_does_not_know_the_rewards_of_its_own_half",
    ),
    Mistake(
        name="self-normalised by the answers",
        module="serving.experiments.statistics.off_policy",
        right="logged.reward_N), logged.by_user(logged.weight_N))",
        wrong="logged.reward_N), logged.answers_Q)",
        test=f"{REPORT}::test_a_shadow_like_a_variant_has_its_ctr_and_one_like_none_is_refused",
    ),
    Mistake(
        name="clicks of one kind only, whatever the experiment names",
        module="orchestration.experiments.users",
        right='is_click=pl.col("kind").is_in(experiment.clicks)',
        wrong='is_click=pl.col("kind") == "click"',
        test=f"{REPORT}::test_the_kinds_of_events_that_a_dataset_names_count_and_no_others",
    ),
    Mistake(
        name="purchases of one kind only, whatever the experiment names",
        module="orchestration.experiments.users",
        right='is_purchase=pl.col("kind").is_in(experiment.purchases)',
        wrong='is_purchase=pl.col("kind") == "purchase"',
        test=f"{REPORT}::test_the_kinds_of_events_that_a_dataset_names_count_and_no_others",
    ),
    Mistake(
        name="a preference by clicks of one kind only",
        module="orchestration.experiments.interleaved",
        right='pl.col("kind").is_in(experiment.clicks)',
        wrong='pl.col("kind") == "click"',
        test=f"{REPORT}::test_the_kinds_of_events_that_a_dataset_names_count_and_no_others",
    ),
    Mistake(
        name="outcomes of the log of two kinds only",
        module="orchestration.experiments.logged",
        right='pl.col("kind").is_in(named)',
        wrong='pl.col("kind").is_in(["click", "purchase"])',
        test="tests/unit/orchestration/experiments/test_logged.py::test_the_kinds_that_the_experiment_names_are_read",
    ),
    Mistake(
        name="outcomes after the first answer in the covariate",
        module="orchestration.experiments.users",
        right="before = (moment < first)",
        wrong="before = (moment < last)",
        test=f"{REPORT}::test_only_outcomes_inside_the_window_count_and_those_before_are_a_covariate",
    ),
    Mistake(
        name="users counted before their window has passed",
        module="orchestration.experiments.users",
        right='pl.col("last") <= min(experiment.end, as_of)',
        wrong='pl.col("first") <= min(experiment.end, as_of)',
        test=f"{REPORT}::test_users_count_for_their_first_variant_and_once_their_window_is_complete",
    ),
    Mistake(
        name="users counted for their last variant",
        module="orchestration.experiments.users",
        right='pl.first("variant")',
        wrong='pl.last("variant")',
        test=f"{REPORT}::test_only_outcomes_inside_the_window_count_and_those_before_are_a_covariate",
    ),
    Mistake(
        name="two clicks on an answer as two answers",
        module="orchestration.experiments.users",
        right="        .unique()\n",
        wrong="",
        test=f"{REPORT}::test_a_click_counts_once_for_its_answer",
    ),
    Mistake(
        name="changed weights accepted",
        module="orchestration.experiments.users",
        right="max(abs(low - wanted), abs(high - wanted)) > _TOLERANCE",
        wrong="min(low, high) <= 0",
        test=f"{REPORT}::test_exposures_that_the_definition_does_not_explain_are_refused",
    ),
    Mistake(
        name="effects in spite of lost users",
        module="orchestration.experiments.report",
        right="[] if ratio.mismatch else _effects(values, users, experiment.users)",
        wrong="_effects(values, users, experiment.users)",
        test=f"{REPORT}::test_lost_users_are_a_sample_ratio_mismatch_and_take_the_effects_away",
    ),
]
