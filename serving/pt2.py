"""Guarded loading of exported programs, as towers and sentence encoders share it."""

from feature_repo.pt2 import UnsafeArchiveError, load_program, refuse_code

__all__ = ["UnsafeArchiveError", "load_program", "refuse_code"]
