"""Guarded loading of exported programs: the name that logged models import."""

from feature_repo.pt2 import UnsafeArchiveError, load_program, refuse_code

__all__ = ["UnsafeArchiveError", "load_program", "refuse_code"]
