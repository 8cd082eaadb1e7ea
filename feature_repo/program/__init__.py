"""Exported programs, run by their graph alone."""

from feature_repo.program.program import Program

__all__ = ["Program"]
