"""The gate: measured quality in, a verdict with reasons out."""

from serving.gate.policy import Policy
from serving.gate.rules import Facts, decide
from serving.gate.verdict import Outcome, Verdict

__all__ = ["Facts", "Outcome", "Policy", "Verdict", "decide"]
