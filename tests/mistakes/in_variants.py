"""Mistakes in the experiments of the service: most of them make a report wrong in silence."""

from __future__ import annotations

from tests.mistakes.mistake import Mistake

UNIT = "tests/unit/serving/http/experiments"
ANSWERS, COMPARISONS = f"{UNIT}/test_answers.py", f"{UNIT}/test_comparisons.py"
DEFINITIONS, EXPOSURES = f"{UNIT}/test_definitions.py", f"{UNIT}/test_exposures.py"
BATCHER = "tests/unit/serving/http/test_batcher.py"
INTERLEAVING = "tests/unit/serving/experiments/test_interleaving.py"
ENGINE, CLEANING = "tests/integration/test_engine.py", "tests/integration/test_cleaning.py"

IN_VARIANTS = [
    Mistake(
        name="the champion's answers counted as those of a variant",
        module="serving.http.experiments.answering",
        right="""return "error" not in answer and not any(flag in answer["flags"] for flag in UNSOUND)""",
        wrong="""return "error" not in answer""",
        test=f"{ANSWERS}::test_without_its_engine_the_users_of_a_variant_get_the_champion_flagged",
    ),
    Mistake(
        name="degraded answers counted as exposures",
        module="serving.http.experiments.answering",
        right="""any(flag in answer["flags"] for flag in UNSOUND)""",
        wrong="""FALLBACK in answer["flags"]""",
        test=f"{ANSWERS}::test_degraded_answers_are_no_exposure",
    ),
    Mistake(
        name="all users of a request answered by the variant of the first",
        module="serving.http.experiments.answering",
        right="""[assign(experiment, each["user_id"]) for each in questions]""",
        wrong="""[assign(experiment, questions[0]["user_id"]) for each in questions]""",
        test=f"{ANSWERS}::test_each_user_of_a_request_has_the_own_variant_and_one_exposure",
    ),
    Mistake(
        name="the tosses of one request the same for all users",
        module="serving.experiments.interleaving",
        right="uniform(salt, request_id, user_id, str(toss))",
        wrong="uniform(salt, request_id, str(toss))",
        test=f"{INTERLEAVING}::test_the_same_request_has_the_same_answer_and_others_have_fair_tosses",
    ),
    Mistake(
        name="a probability of a little more than one",
        module="serving.experiments.exposure",
        right="min(1.0, sum(experiment.propensities.get(name, 0.0) for name in same))",
        wrong="sum(experiment.propensities.get(name, 0.0) for name in same)",
        test="tests/unit/serving/experiments/test_exposure.py"
        "::test_an_answer_that_all_variants_give_has_probability_one_whatever_the_weights",
    ),
    Mistake(
        name="engines beside the champion without a bound",
        module="serving.http.lanes",
        right="return every[:most]",
        wrong="return every",
        test=f"{ANSWERS}::test_without_its_engine_the_users_of_a_variant_get_the_champion_flagged",
    ),
    Mistake(
        name="a second engine of a variant that is promoted",
        module="serving.http.experiments.experiments",
        right="(each for each in versions if each != champion.version)",
        wrong="versions",
        test=f"{ANSWERS}::test_a_variant_that_is_promoted_keeps_one_engine",
    ),
    Mistake(
        name="shadows asked before the requests of clients",
        module="serving.http.batcher",
        right="self._later.append(waiting)",
        wrong="self._waiting.appendleft(waiting)",
        test=f"{BATCHER}::test_what_nobody_waits_for_comes_after_all_requests_and_takes_no_place",
    ),
    Mistake(
        name="comparisons without a bound",
        module="serving.http.experiments.comparisons",
        right="if len(self._waiting) >= self._most:",
        wrong="if False:",
        test=f"{COMPARISONS}::test_a_shadow_that_hangs_delays_no_answer_and_its_exposures_are_kept_at_the_end",
    ),
    Mistake(
        name="a probability of an answer without all variants",
        module="serving.http.experiments.comparisons",
        right="asked = [*(experiment.variants if is_split else ()), *experiment.shadows]",
        wrong="asked = [experiment.variants[0], *experiment.shadows]",
        test=f"{COMPARISONS}::test_an_exposure_tells_the_probability_of_its_answer_and_who_agrees",
    ),
    Mistake(
        name="exposures that wait for the disk without a bound",
        module="serving.http.experiments.exposures",
        right="if self._items + size > self._most:",
        wrong="if False:",
        test=f"{EXPOSURES}::test_a_log_that_cannot_be_written_is_tried_again_within_the_bound",
    ),
    Mistake(
        name="exposures dropped while the disk is full",
        module="serving.http.experiments.exposures",
        right="batch = list(self._waiting)  # it",
        wrong="batch, self._waiting = list(self._waiting), deque()  # it",
        test=f"{EXPOSURES}::test_a_log_that_cannot_be_written_is_tried_again_within_the_bound",
    ),
    Mistake(
        name="experiments ended by a mistake in the file",
        module="serving.http.experiments.definitions",
        right="""self.problem = f"{error}; the former definitions go on\"""",
        wrong="""self.problem, self._found = f"{error}; the former definitions go on", []""",
        test=f"{DEFINITIONS}::test_a_change_counts_and_a_mistake_changes_nothing",
    ),
    Mistake(
        name="seen items in the control",
        module="serving.engine.guarded_store",
        right="return self._store.seen_rows(ids)",
        wrong="return [[] for _ in ids]",
        test=f"{ENGINE}::test_the_control_is_popular_items_for_everybody_without_what_was_seen",
    ),
    Mistake(
        name="versions of an experiment removed",
        module="orchestration.cleaning",
        right="(kept | kept_versions(registry, keep))",
        wrong="kept_versions(registry, keep)",
        test=f"{CLEANING}::test_what_is_newer_than_an_old_champion_goes_but_for_what_is_needed_by_now",
    ),
]
