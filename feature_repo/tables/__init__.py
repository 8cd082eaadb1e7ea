"""Point-in-time feature tables: canonical events, users and items in, one table per view out."""

from feature_repo.tables.build import feature_tables

__all__ = ["feature_tables"]
