"""Diagnosis of a log of impressions: can a bias of position be learned from it, and should it?"""

from training.diagnostics.convergence import Convergence, convergence, moved
from training.diagnostics.diagnosis import Diagnosis, Outcome, decide, diagnose
from training.diagnostics.evidence import Basis, Evidence
from training.diagnostics.thresholds import Thresholds
from training.diagnostics.weighting import WeightingEffect, weighting_effect

__all__ = [
    "Basis",
    "Convergence",
    "Diagnosis",
    "Evidence",
    "Outcome",
    "Thresholds",
    "WeightingEffect",
    "convergence",
    "decide",
    "diagnose",
    "moved",
    "weighting_effect",
]
