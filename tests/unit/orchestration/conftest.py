"""No instance of Dagster that another test left behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from dagster._core.storage.defs_state.base import set_defs_state_storage


@pytest.fixture(autouse=True)
def no_former_instance() -> Iterator[None]:
    """An instance that is collected while another is open leaves the storage of one that is gone as the current one."""
    with set_defs_state_storage(None):
        yield
