"""Mistakes in the gate: its policy, its comparisons and its decision."""

from __future__ import annotations

from tests.mistakes.mistake import Mistake

GATE = "tests/unit/serving/gate/test_gate.py"
READ = "tests/unit/serving/gate/test_policy.py"
POWER = "tests/unit/orchestration/test_gate_power.py"
MANIFEST = "tests/unit/serving/release/test_manifest.py"
COMPARED = "tests/unit/training/evaluation/test_comparison.py"

IN_GATE = [
    Mistake(
        name="a tie taken for a lead",
        module="serving.gate.paired",
        right="strict = rule.kind is Kind.SUPERIORITY",
        wrong="strict = False",
        test=f"{GATE}::test_zero_against_zero_is_no_lead_and_no_loss",
    ),
    Mistake(
        name="a metric that is no number compared",
        module="serving.gate.comparison",
        right="all(map(math.isfinite, astuple(self)))",
        wrong="True",
        test=f"{GATE}::test_an_unmeasured_metric_never_passes",
    ),
    Mistake(
        name="an undecided rule hiding a broken one",
        module="serving.gate.verdict",
        right="(Outcome.FAILED, Outcome.UNDECIDED)",
        wrong="(Outcome.UNDECIDED, Outcome.FAILED)",
        test=f"{GATE}::test_a_failure_outweighs_an_undecided_rule",
    ),
    Mistake(
        name="a champion of the same cut not compared",
        module="serving.gate.rules",
        right="measured.champion_cut > measured.cut",
        wrong="measured.champion_cut >= measured.cut",
        test=f"{GATE}::test_a_champion_of_the_same_cut_is_compared",
    ),
    Mistake(
        name="a champion that cannot be measured as good as none",
        module="serving.gate.rules",
        right="yield Judged(kind, Outcome.UNDECIDED, measured.champion_note or",
        wrong="yield Judged(kind, Outcome.PASSED, measured.champion_note or",
        test=f"{GATE}::test_an_unmeasured_metric_never_passes",
    ),
    Mistake(
        name="a margin of the wrong side",
        module="serving.gate.policy",
        right="else -self.margin",
        wrong="else self.margin",
        test=f"{GATE}::test_meeting_every_rule_passes_and_every_rule_is_shown",
    ),
    Mistake(
        name="a point estimate taken for a proof",
        module="serving.gate.paired",
        right="low, high = compared.interval(level)\n    # Superiority",
        wrong="low = high = compared.effect\n    # Superiority",
        test=f"{GATE}::test_a_rule_says_what_undecided_counts_as",
    ),
    Mistake(
        name="the estimate deciding where users are enough",
        module="serving.gate.power",
        right="compared.visible_loss(level) > rule.margin",
        wrong="True",
        test=f"{GATE}::test_a_rule_says_what_undecided_counts_as",
    ),
    Mistake(
        name="an estimate below the margin passed for lack of users",
        module="serving.gate.paired",
        right="Outcome.PASSED if met else Outcome.UNDECIDED",
        wrong="Outcome.PASSED",
        test=f"{GATE}::test_nothing_passes_that_the_estimate_alone_would_refuse",
    ),
    Mistake(
        name="slices judged one by one",
        module="serving.gate.comparison",
        right="1 - (1 - level) / max(comparisons, 1)",
        wrong="level",
        test=f"{GATE}::TestSlices::test_the_interval_widens_with_the_slices_that_are_judged",
    ),
    Mistake(
        name="a wider level with a narrower interval",
        module="serving.gate.comparison",
        right="normal_bound(level) / normal_bound(STORED_LEVEL)",
        wrong="normal_bound(STORED_LEVEL) / normal_bound(level)",
        test=f"{GATE}::TestSlices::test_more_slices_decide_no_more",
    ),
    Mistake(
        name="users that grow with the error instead of its square",
        module="serving.gate.comparison",
        right="/ effect) ** 2",
        wrong="/ effect)",
        test=f"{GATE}::test_an_undecided_rule_says_how_many_users_would_decide",
    ),
    Mistake(
        name="an interval that holds 0 taken for a defeat",
        module="serving.gate.rules",
        right="if high < 0]",
        wrong="if low < 0]",
        test=f"{GATE}::test_meeting_every_rule_passes_and_every_rule_is_shown",
    ),
    Mistake(
        name="baselines that beat it overlooked",
        module="serving.gate.rules",
        right="*(_not_beaten(measured, metric, policy.level) for metric in policy.not_beaten),",
        wrong="",
        test=f"{GATE}::test_each_rule_can_fail",
    ),
    Mistake(
        name="an index that loses items passed",
        module="serving.gate.rules",
        right='"index recall", measured.index_recall,',
        wrong='"index recall", 1.0,',
        test=f"{GATE}::test_each_rule_can_fail",
    ),
    Mistake(
        name="a handful of users enough",
        module="serving.gate.rules",
        right="users >= policy.min_holdout_users",
        wrong="users > 0",
        test=f"{GATE}::test_an_unmeasured_metric_never_passes",
    ),
    Mistake(
        name="yes in a policy read as 1",
        module="serving.gate.policy",
        right="isinstance(value, bool) or",
        wrong="",
        test=f"{READ}::test_a_policy_that_cannot_be_used_is_refused",
    ),
    Mistake(
        name="a policy under which any loss passes",
        module="serving.gate.policy_file",
        right="_check_champion(policy)\n    except",
        wrong="pass\n    except",
        test=f"{READ}::test_a_policy_that_cannot_be_used_is_refused",
    ),
    Mistake(
        name="a margin of before that wants a proof",
        module="serving.gate.policy_file",
        right="undecided=Undecided.ESTIMATE)",
        wrong="undecided=Undecided.UNDECIDED)",
        test=f"{READ}::test_the_keys_of_before_are_read_as_rules_that_the_estimate_may_decide",
    ),
    Mistake(
        name="systems resampled apart",
        module="training.evaluation.comparison",
        right="relative_lead(means_SM, other_means_SM)",
        wrong="relative_lead(means_SM, other_means_SM[::-1])",
        test=f"{COMPARED}::test_the_interval_is_that_of_scipy",
    ),
    Mistake(
        name="the error of unpaired users",
        module="training.evaluation.comparison",
        right="difference_GM.std(axis=0, ddof=1) / np.sqrt(users)",
        wrong="np.hypot(values_GM.std(axis=0), others_GM.std(axis=0)) / np.sqrt(users)",
        test=f"{COMPARED}::test_the_interval_is_that_of_scipy",
    ),
    Mistake(
        name="a slice resampled with other users' counts",
        module="training.evaluation.bootstrap",
        right="counts_sQ[:, group.rows_G]",
        wrong="counts_sQ[:, : len(group.rows_G)]",
        test=f"{COMPARED}::test_groups_equal_a_loop_over_resamples_and_users",
    ),
    Mistake(
        name="a slice averaged over all users",
        module="training.evaluation.bootstrap",
        right="np.maximum(counts_sG.sum(axis=1, keepdims=True), 1)",
        wrong="users",
        test=f"{COMPARED}::test_groups_equal_a_loop_over_resamples_and_users",
    ),
    Mistake(
        name="the values of a view for a slice of items",
        module="training.evaluation.result",
        right='if f"{name}/{metric}" in self.per_slice:',
        wrong="if False:",
        test=f"{COMPARED}::test_item_slices_have_values_of_their_own",
    ),
    Mistake(
        name="the lead of the other system",
        module="training.evaluation.result",
        right="for name in (reference, system)]",
        wrong="for name in (system, reference)]",
        test=f"{COMPARED}::test_every_view_and_slice_is_compared_on_its_own_users",
    ),
    Mistake(
        name="a power of the wrong side",
        module="serving.gate.power",
        right="arms = -normal_bound(level)",
        wrong="arms = normal_bound(level)",
        test=f"{POWER}::test_the_shown_chances_are_those_of_drawn_worlds",
    ),
    Mistake(
        name="a visible loss that is seen every other time",
        module="serving.gate.comparison",
        right="(normal_bound(level) + _NORMAL.inv_cdf(POWER))",
        wrong="normal_bound(level)",
        test=f"{POWER}::test_the_visible_loss_is_seen_four_times_in_five",
    ),
    Mistake(
        name="a manifest with one more key refused",
        module="serving.release.manifest",
        right="for each in fields(cls) if each.name in raw}",
        wrong="for each in fields(cls)} | raw",
        test=f"{MANIFEST}::test_a_manifest_of_later_is_read_by_what_is_known",
    ),
    Mistake(
        name="the policy left out of the verdict that is read",
        module="serving.gate.verdict",
        right="PolicyText(**policy) if policy else None, rules)",
        wrong="None, rules)",
        test=f"{MANIFEST}::test_the_policy_is_kept_with_the_verdict",
    ),
    Mistake(
        name="a version refused for one slow round of a busy machine",
        module="serving.gate.latency",
        right="return min(rounds) if",
        wrong="return max(rounds) if",
        test="tests/unit/serving/gate/test_latency.py::test_the_fastest_round_decides",
    ),
    Mistake(
        name="a version refused for good by a busy machine",
        module="serving.gate.latency",
        right="Outcome.UNDECIDED if latency.is_busy else Outcome.FAILED",
        wrong="Outcome.FAILED",
        test="tests/unit/serving/gate/test_latency.py::test_a_busy_machine_fails_no_version",
    ),
    Mistake(
        name="a version of other data taken for another seed",
        module="orchestration.seed_noise",
        right="each.tags.get(SEEDLESS_KEY) == own[SEEDLESS_KEY] and",
        wrong="",
        test="tests/unit/orchestration/test_seed_noise.py"
        "::test_the_spread_is_that_of_versions_which_differ_in_the_seed_alone",
    ),
]
