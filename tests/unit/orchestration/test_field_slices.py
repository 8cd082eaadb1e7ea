"""Fields of a policy, before a run computes anything."""

from __future__ import annotations

import pytest

from feature_repo.datasets.tiny import SCHEMA
from feature_repo.errors import InputError
from orchestration.field_slices import check_fields


def test_fields_that_the_data_has_are_taken() -> None:
    check_fields(["items.category", "users.style", "users.age", "items.list_price"], SCHEMA)
    check_fields([], SCHEMA)


@pytest.mark.parametrize("field", ["items.style", "users.first_event", "items.tags", "users.gone"])
def test_other_fields_are_refused_by_name(field: str) -> None:
    with pytest.raises(InputError) as caught:
        check_fields(["items.category", field], SCHEMA)
    assert f"slices by {field}, which tiny does not have" in str(caught.value)
    assert "it has users.style, users.age, " in str(caught.value) and "items.category" in str(caught.value)
