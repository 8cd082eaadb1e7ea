"""Losses: pure functions of `Candidates`.

A new loss is a function here and a line in LOSSES.
"""

from collections.abc import Callable

from torch import Tensor

from training.losses.candidates import Candidates
from training.losses.kernels.log_sum_exp import log_sum_exp
from training.losses.kernels.tiles import Pairs
from training.losses.pairwise import bpr, hinge_triplet, logistic_triplet
from training.losses.pointwise import cosine_contrastive, cosine_targets, pointwise
from training.losses.repeat_softmax import Repeats
from training.losses.softmax import bilateral_softmax, info_nce, refined_softmax, softmax

__all__ = ["LOSSES", "Candidates", "Pairs", "Repeats", "log_sum_exp"]

LOSSES: dict[str, Callable[..., Tensor]] = {
    "softmax": softmax,
    "info_nce": info_nce,
    "refined_softmax": refined_softmax,
    "bilateral_softmax": bilateral_softmax,
    "cosine_contrastive": cosine_contrastive,
    "cosine_targets": cosine_targets,
    "pointwise": pointwise,
    "bpr": bpr,
    "hinge_triplet": hinge_triplet,
    "logistic_triplet": logistic_triplet,
}
