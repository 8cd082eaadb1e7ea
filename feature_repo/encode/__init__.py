"""Encoding of feature values as arrays, with their vocabularies.

Training, evaluation, the index and serving share it.
"""

from feature_repo.encode.encoder import Encoder
from feature_repo.encode.inputs import BUCKETS, HASHED_TOKENS, MISSING, PAD, RESERVED, UNKNOWN, Input, InputKind
from feature_repo.encode.moment import asked_at
from feature_repo.encode.numbers import Scale
from feature_repo.encode.request import RequestEncoder

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
    "RequestEncoder",
    "Scale",
    "asked_at",
]
