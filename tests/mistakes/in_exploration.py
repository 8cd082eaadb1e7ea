"""Mistakes in randomised answers and their propensities: all are silent, and bias every estimate."""

from __future__ import annotations

from tests.mistakes.mistake import Mistake

DRAWN = "tests/unit/serving/experiments/test_exploration.py"
SERVED = "tests/unit/serving/http/experiments/test_exploring.py"
TRAFFIC = "tests/unit/orchestration/experiments/test_traffic.py"

IN_EXPLORATION = [
    Mistake(
        name="the first and the last position swapped as often as the others",
        module="serving.experiments.exploration",
        right="(0.25 if rank in (0, depth - 1) else 0.5)",
        wrong="0.5",
        test=f"{DRAWN}::test_propensities_are_those_of_all_that_may_happen",
    ),
    Mistake(
        name="the users of a request randomised together",
        module="serving.experiments.exploration",
        right="uniform(self.salt, request_id, user_id) >= self.share",
        wrong="uniform(self.salt, request_id) >= self.share",
        test=f"{DRAWN}::test_another_salt_randomises_other_answers_and_users_of_a_request_are_independent",
    ),
    Mistake(
        name="all pairs of an answer told as one group",
        module="serving.experiments.exploration",
        right='[f"{Kind.SWAP.value} {first + 1}"] * 2',
        wrong="[Kind.SWAP.value] * 2",
        test=f"{SERVED}::test_the_share_is_randomised_and_counted_and_every_item_has_its_propensity",
    ),
    Mistake(
        name="items told as random that no order could move",
        module="serving.experiments.exploration",
        right="found: list[str | None] = [None] * depth",
        wrong='found: list[str | None] = ["swap 1"] * depth',
        test=f"{DRAWN}::test_each_order_of_a_group_is_as_likely_as_any_other",
    ),
    Mistake(
        name="degraded answers in a random order",
        module="serving.http.experiments.exploring",
        right=" or not is_sound(answer)",
        wrong="",
        test=f"{SERVED}::test_popular_items_and_degraded_answers_are_not_randomised",
    ),
    Mistake(
        name="the answers of an experiment in a random order",
        module="serving.http.experiments.experiments",
        right="        tell_certain(answers)\n        return Answered(",
        wrong="        self._explore(answers, request_id)\n        return Answered(",
        test=f"{SERVED}::test_answers_of_an_experiment_are_left_as_they_are",
    ),
    Mistake(
        name="neighbours compared by ranks that only one of them shows",
        module="orchestration.experiments.traffic",
        right="(probability_JK[:, :-1] > 0) & (probability_JK[:, 1:] > 0)",
        wrong="probability_JK[:, :-1] >= 0",
        test=f"{TRAFFIC}::test_logs_that_are_drawn_answer_by_answer_have_the_same_error",
    ),
]
