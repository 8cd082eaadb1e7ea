"""Feature values to arrays, with the vocabularies: the same code in training, evaluation, the index and serving."""

from feature_repo.encode.encoder import Encoder
from feature_repo.encode.inputs import BUCKETS, HASHED_TOKENS, MISSING, PAD, RESERVED, UNKNOWN, Input, InputKind
from feature_repo.encode.numbers import Scale

__all__ = [
    "BUCKETS",
    "HASHED_TOKENS",
    "MISSING",
    "PAD",
    "RESERVED",
    "UNKNOWN",
    "Encoder",
    "Input",
    "InputKind",
    "Scale",
]
