"""Texts as vectors of a sentence encoder in a file or folder; no download.

Two forms are read, neither of which can run code when loaded:

- a `.pt2` file: a `torch.export` program from {"tokens": int32 [N, L]}, the hashed
  tokens of `encode.text`, to float32 [N, dim]; it needs torch alone;
- a folder as sentence-transformers writes it, with `.safetensors` weights; it needs
  `pip install gatehouse[text]`.

The `Encoder` holds the hash of the content, and another content is refused: its vectors
would differ from those that the towers were trained on.

Legend: N rows, L tokens kept.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from feature_repo.encode.text import token_codes
from feature_repo.feature import Feature
from feature_repo.pt2 import load_program

SentenceEncoder = Callable[[Sequence[str]], np.ndarray]
"""Texts [N] to float32 [N, dim]; the vector of a text must not depend on the other
texts."""

FOLDER_VARIABLE = "GATEHOUSE_TEXT_ENCODERS"
"""Environment variable: folder of relative paths; without it, the working directory."""
_HARMLESS = frozenset({".json", ".md", ".model", ".safetensors", ".txt"})
_ROWS_AT_ONCE = 1_024


def sentence_vectors(texts: pl.Series, feature: Feature, encode: SentenceEncoder) -> np.ndarray:
    """Vectors of texts: float32 [N, dim]; zero for a null or blank text.

    Args:
        texts: the texts.
        feature: the text feature.
        encode: its sentence encoder.

    Raises:
        ValueError: the encoder returns another shape, or numbers that are not finite.
    """
    distinct = texts.str.strip_chars().replace("", None).drop_nulls().unique().sort()
    # Row 0 stays zero, for null and blank texts. Each distinct text is encoded once.
    rows = pl.DataFrame({"text": distinct, "row": np.arange(1, len(distinct) + 1)}, schema_overrides={"row": pl.Int64})
    found = np.zeros((len(distinct) + 1, feature.dim or 0), np.float32)
    if len(distinct):
        given = encode(distinct.to_list())
        if given.shape != found[1:].shape or not np.isfinite(given).all():
            wanted = f"{len(distinct)} rows of {feature.dim} finite numbers"
            raise ValueError(f"{feature.name!r}: {feature.encoder} gave {given.shape}; wanted {wanted}; correct dim")
        found[1:] = given
    asked = texts.str.strip_chars().to_frame("text")
    row = asked.join(rows, on="text", how="left", maintain_order="left")["row"].fill_null(0)
    return found[row.to_numpy()]


def content_hash(feature: Feature) -> str:
    """SHA-256 of an encoder's file, or of names and contents of its folder.

    Raises:
        ValueError: no such file or folder.
    """
    path = _path(feature)
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    parts = [
        f"{hashlib.sha256(each.read_bytes()).hexdigest()} {each.relative_to(path).as_posix()}" for each in _files(path)
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def load_sentence_encoder(feature: Feature, sha256: str, word_rule: int) -> SentenceEncoder:
    """Sentence encoder at the feature's path.

    Args:
        feature: the text feature.
        sha256: `content_hash` in training.
        word_rule: rule of the words that a program reads, see `encode.text`.

    Raises:
        ValueError: its content is not that of training, or could run code.
    """
    found = content_hash(feature)
    if found != sha256:
        raise ValueError(
            f"{feature.name!r}: the sentence encoder {_path(feature)} is another one than in training (SHA-256 "
            f"{found[:12]}, wanted {sha256[:12]}); put the former back, or retrain"
        )
    path = _path(feature)
    return _program(path, feature, word_rule) if path.is_file() else _sentence_transformer(path)


def _path(feature: Feature) -> Path:
    path = Path(os.environ.get(FOLDER_VARIABLE, "."), feature.encoder or "")
    if not path.exists():
        raise ValueError(
            f"{feature.name!r}: no sentence encoder at {path}; put a .pt2 file or a sentence-transformers folder "
            f"there, or set {FOLDER_VARIABLE} to the folder that relative paths start from"
        )
    if path.is_file() and path.suffix != ".pt2":
        raise ValueError(f"{feature.name!r}: {path} is no .pt2 file; wanted a torch.export archive or a folder")
    return path


def _files(folder: Path) -> list[Path]:
    """Files of a folder, sorted.

    Raises:
        ValueError: a format that could hold a pickle or code.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    odd = [path.relative_to(folder).as_posix() for path in files if path.suffix not in _HARMLESS]
    if odd:
        raise ValueError(
            f"{folder} holds {', '.join(odd[:3])}: only {', '.join(sorted(_HARMLESS))} are read, as other formats can "
            "run code while being loaded; keep the .safetensors weights and delete the rest"
        )
    if not any(path.suffix == ".safetensors" for path in files):
        raise ValueError(f"{folder} holds no .safetensors weights; save the model with safe_serialization=True")
    return files


def _program(path: Path, feature: Feature, word_rule: int) -> SentenceEncoder:
    import torch

    program = load_program(path.read_bytes(), path.name).module()

    def encode(texts: Sequence[str]) -> np.ndarray:
        codes = token_codes(pl.Series(texts, dtype=pl.String), feature, word_rule)
        with torch.inference_mode():
            parts = [
                program({"tokens": torch.from_numpy(codes[start : start + _ROWS_AT_ONCE])}).numpy()
                for start in range(0, len(codes), _ROWS_AT_ONCE)
            ]
        return np.concatenate(parts)

    return encode


def _sentence_transformer(folder: Path) -> SentenceEncoder:
    modules = folder / "modules.json"
    types = [each["type"] for each in json.loads(modules.read_text())] if modules.is_file() else []
    foreign = [name for name in types if not name.startswith("sentence_transformers.")]
    if foreign:
        raise ValueError(f"{modules} names {foreign}: only modules of sentence_transformers itself are loaded")
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise ValueError(f"{folder} needs sentence-transformers: pip install 'gatehouse[text]'") from error
    model = SentenceTransformer(
        str(folder),
        device="cpu",
        local_files_only=True,
        trust_remote_code=False,
        model_kwargs={"use_safetensors": True},
    )

    def encode(texts: Sequence[str]) -> np.ndarray:
        return np.asarray(model.encode(list(texts), show_progress_bar=False, convert_to_numpy=True), np.float32)

    return encode
