"""Mistakes in the encoder of requests, whose arrays must be those of batches."""

from __future__ import annotations

from tests.mistakes.mistake import Mistake

REQUEST = "tests/unit/feature_repo/encode/test_request.py"
EVERY_KIND = f"{REQUEST}::test_both_executions_agree_on_every_kind_of_value"

IN_ENCODING = [
    Mistake(
        name="the oldest items of a history in a request",
        module="feature_repo.encode.python_values",
        right="each[:limit]",
        wrong="each[-limit:]",
        test=EVERY_KIND,
    ),
    Mistake(
        name="a missing value taken for an unknown one in a request",
        module="feature_repo.encode.python_values",
        right="codes[None] = MISSING",
        wrong="codes[None] = UNKNOWN",
        test=EVERY_KIND,
    ),
    Mistake(
        name="a list of no elements taken for a missing one in a request",
        module="feature_repo.encode.python_values",
        right="lengths = [-1 if each is None else len(each) for each in kept]",
        wrong="lengths = [len(each) if each else -1 for each in kept]",
        test=f"{REQUEST}::TestRefusals::test_a_vector_of_another_width_or_not_finite",
    ),
    Mistake(
        name="a text in place of a list read by its letters in a request",
        module="feature_repo.encode.python_values",
        right="wanted = _LISTS if is_list else",
        wrong="wanted = _LISTS | {str} if is_list else",
        test=f"{REQUEST}::TestRefusals::test_a_value_of_another_type",
    ),
    Mistake(
        name="ages of a request counted to no time",
        module="feature_repo.encode.request",
        right="refuse_unknown_times(int((times_B == NO_TIME).sum()))",
        wrong="refuse_unknown_times(0)",
        test=f"{REQUEST}::TestRefusals::test_an_unknown_time",
    ),
]
