"""Feature store: every call of Feast."""

from feature_repo.store.store import Store

__all__ = ["Store"]
