"""Folder written and read by sentence-transformers: a BERT of two random layers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from feature_repo.encode import Encoder
from feature_repo.feature import Feature, Kind
from tests.unit.feature_repo.encode.encode_world import frame_of

library = pytest.importorskip("sentence_transformers", reason="needs pip install 'gatehouse[text]'")
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "green", "black", "tea", "coffee", ",", "!"]
TITLES = ["green tea", "Green tea!", None, "", "coffee", "black tea, green tea, black coffee", "green tea"]
WIDTH = 16


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    transformers = pytest.importorskip("transformers")
    bert, written = tmp_path_factory.mktemp("bert"), tmp_path_factory.mktemp("encoder")
    torch.manual_seed(0)
    shape = {"hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    transformers.BertModel(transformers.BertConfig(vocab_size=len(WORDS), **shape)).save_pretrained(bert)
    transformers.BertTokenizerFast(vocab={word: code for code, word in enumerate(WORDS)}).save_pretrained(bert)
    library.SentenceTransformer(str(bert), device="cpu").save(str(written))  # adds the mean over tokens
    return written


def titles() -> pl.DataFrame:
    return frame_of(*({"title": each} for each in TITLES))


def fitted(folder: Path) -> Encoder:
    feature = Feature(name="title", kind=Kind.TEXT, length=5, dim=WIDTH, encoder=str(folder))
    return Encoder.fit("item_id", (feature,), titles(), ids=())


def test_texts_become_the_vectors_of_the_library(folder: Path) -> None:
    found = fitted(folder).encode(titles())["title"]
    model = library.SentenceTransformer(str(folder), device="cpu")
    for row, text in enumerate(TITLES):
        wanted = model.encode(text) if text else np.zeros(WIDTH, np.float32)
        np.testing.assert_allclose(found[row], wanted, atol=1e-6)
    assert np.linalg.norm(found[0] - found[5]) > 0.01 < np.linalg.norm(found[0] - found[4])


def test_a_row_alone_and_after_json_is_encoded_as_in_training(folder: Path) -> None:
    encoder = fitted(folder)
    together, again = encoder.encode(titles())["title"], Encoder.from_json(encoder.to_json())
    for row in range(len(TITLES)):
        np.testing.assert_allclose(again.encode(titles()[row : row + 1])["title"], together[row : row + 1], atol=1e-6)
