"""Hooks of Schemathesis: values that the small released world knows, and checks that no schema can state."""

from __future__ import annotations

from typing import Any

import schemathesis
from hypothesis import strategies as st

from tests.integration.release_world import ITEMS

USERS = [f"user{number:03}" for number in range(5)]
KNOWN = {"user_id": USERS, "item_id": ITEMS["item_id"].to_list()[::9]}
FILTERS = ['department == "food"', "price < 5", 'not (price >= 3 and department in ["toys"])', "price > 100"]
IN_EXAMPLES = {"718": "user001", "1228": "user002", "1029743": "food01", "1082185": "toys05", "GROCERY": "food"}
"""Ids of the examples in the schema, and what takes their place."""


@schemathesis.hook
def before_load_schema(context: Any, raw_schema: Any) -> None:
    """Let the examples name users and items of this world."""

    def replaced(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: replaced(each) for name, each in value.items()}
        if isinstance(value, list):
            return [replaced(each) for each in value]
        return IN_EXAMPLES.get(value, value) if isinstance(value, str) else value

    raw_schema.update(replaced(raw_schema))


@schemathesis.hook
def flatmap_path_parameters(context: Any, path_parameters: Any) -> Any:
    """Ask for known users and items as often as for others."""
    known = {name: st.sampled_from(KNOWN[name]) for name in path_parameters or {} if name in KNOWN}
    return st.one_of(st.just(path_parameters), st.fixed_dictionaries(known)) if known else st.just(path_parameters)


@schemathesis.hook
def flatmap_query(context: Any, query: Any) -> Any:
    """Filter by what can be read as often as by any text."""
    if not isinstance(query, dict) or not isinstance(query.get("filter"), str):
        return st.just(query)
    readable = st.sampled_from(FILTERS).map(lambda where: {**query, "filter": where})
    return st.one_of(st.just(query), readable)


@schemathesis.check
def answers_are_whole(ctx: Any, response: Any, case: Any) -> None:
    """No user of a list fails inside, and every failure has the one form."""
    path, status = case.operation.path, response.status_code
    if path in ("/metrics", "/readyz") and status < 400:
        return
    told = response.json()
    if status >= 400:
        assert told["error"] and told["request_id"] == response.headers["x-request-id"][0], told
    if status == 503:
        assert "retry-after" in response.headers, told
    for answer in told.get("answers", ()):
        assert answer.get("error", {}).get("status", 422) == 422, answer
