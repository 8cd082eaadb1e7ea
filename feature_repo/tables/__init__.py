"""Point-in-time feature tables of canonical events, users and items."""

from feature_repo.tables.build import feature_tables

__all__ = ["feature_tables"]
