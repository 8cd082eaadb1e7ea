"""The feature store: every Feast call."""

from feature_repo.store.store import Store

__all__ = ["Store"]
