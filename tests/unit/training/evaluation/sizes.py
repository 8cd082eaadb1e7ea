"""Sizes of the hold-out that the tests of evaluation share."""

from __future__ import annotations

USERS, ITEMS, DIM = 600, 120, 8
