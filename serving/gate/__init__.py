"""The gate: measured quality in, a verdict with reasons out."""

from serving.gate.comparison import Comparison
from serving.gate.measured import Measured
from serving.gate.policy import Policy
from serving.gate.policy_file import read_policy
from serving.gate.rules import decide
from serving.gate.verdict import Outcome, RuleKind, Verdict

__all__ = ["Comparison", "Measured", "Outcome", "Policy", "RuleKind", "Verdict", "decide", "read_policy"]
