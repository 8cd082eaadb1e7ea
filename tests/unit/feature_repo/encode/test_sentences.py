"""Sentence encoders from a path: the same vectors everywhere, as in training."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from feature_repo.encode import Encoder, InputKind
from feature_repo.feature import Feature, Kind
from feature_repo.pt2 import UnsafeArchiveError
from tests.unit.feature_repo.encode.encode_world import assert_equal, frame_of

TITLES = ["green tea", "Tea, green!", None, "", "coffee", "black tea", "green tea"]


class MeanOfWords(torch.nn.Module):
    """The smallest sentence encoder: the mean of its words' vectors."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.words = torch.nn.EmbeddingBag(4_099, 6, mode="mean", padding_idx=0)

    def forward(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        return self.words(inputs["tokens"])


def save(path: Path, seed: int = 0, length: int = 5) -> Path:
    tokens = torch.ones(2, length, dtype=torch.int32)
    shapes = ({"tokens": {0: torch.export.Dim("rows", min=1, max=1 << 20)}},)
    program = torch.export.export(MeanOfWords(seed).eval(), ({"tokens": tokens},), dynamic_shapes=shapes)
    torch.export.save(program, path)
    return path


def title(path: Path | str, dim: int = 6) -> Feature:
    return Feature(name="title", kind=Kind.TEXT, length=5, dim=dim, encoder=str(path))


def fit(feature: Feature) -> Encoder:
    return Encoder.fit("item_id", (feature,), titles(), ids=())


def titles() -> pl.DataFrame:
    return frame_of(*({"title": each} for each in TITLES))


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return save(tmp_path / "words.pt2")


class TestProgram:
    def test_texts_become_the_vectors_of_the_program(self, archive: Path) -> None:
        encoder = fit(title(archive))
        found = encoder.encode(titles())["title"]
        assert encoder.inputs[1].kind is InputKind.VECTOR and encoder.inputs[1].width == found.shape[1] == 6
        np.testing.assert_array_equal(found[0], found[6])
        np.testing.assert_allclose(found[0], found[1], atol=1e-6)  # the same words
        assert not found[2:4].any()
        assert np.linalg.norm(found[0] - found[5]) < np.linalg.norm(found[0] - found[4])

    def test_a_row_alone_and_after_json_is_encoded_as_in_training(self, archive: Path) -> None:
        encoder = fit(title(archive))
        together, again = encoder.encode(titles()), Encoder.from_json(encoder.to_json())
        assert again == encoder
        for row in range(len(TITLES)):
            assert_equal(again.encode(titles()[row : row + 1]), {n: a[row : row + 1] for n, a in together.items()})

    def test_another_content_is_refused(self, archive: Path) -> None:
        encoder = fit(title(archive))
        encoder.encode(titles())
        save(archive, seed=1)
        with pytest.raises(ValueError, match="another one than in training"):
            Encoder.from_json(encoder.to_json()).encode(titles())

    def test_relative_paths_start_from_the_named_folder(self, archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(ValueError, match=r"no sentence encoder at.*GATEHOUSE_TEXT_ENCODERS"):
            fit(title(archive.name))
        monkeypatch.setenv("GATEHOUSE_TEXT_ENCODERS", str(archive.parent))
        assert fit(title(archive.name)).sentences == fit(title(archive)).sentences

    def test_a_wrong_width_is_named(self, archive: Path) -> None:
        with pytest.raises(ValueError, match=r"gave \(4, 6\); wanted 4 rows of 7"):
            fit(title(archive, dim=7)).encode(titles())

    def test_pickles_are_refused(self, tmp_path: Path) -> None:
        torch.save({"words": torch.ones(3)}, tmp_path / "words.bin")
        with pytest.raises(ValueError, match=r"no \.pt2 file"):
            fit(title(tmp_path / "words.bin"))
        (tmp_path / "words.bin").rename(tmp_path / "words.pt2")
        with pytest.raises(UnsafeArchiveError):
            fit(title(tmp_path / "words.pt2")).encode(titles())


class TestFolder:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        from safetensors.numpy import save_file

        save_file({"words": np.ones((2, 2), np.float32)}, tmp_path / "model.safetensors")
        modules = [{"name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}]
        (tmp_path / "modules.json").write_text(json.dumps(modules))
        return tmp_path

    @pytest.fixture
    def library(self, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
        """A stand-in for sentence-transformers, and what it was asked."""
        asked: list[dict[str, Any]] = []

        class SentenceTransformer:
            def __init__(self, path: str, **options: Any) -> None:
                asked.append({"path": path} | options)

            def encode(self, texts: list[str], **options: Any) -> np.ndarray:
                return np.array([[len(text), 1.0] for text in texts], np.float32)

        module = SimpleNamespace(SentenceTransformer=SentenceTransformer)
        monkeypatch.setitem(sys.modules, "sentence_transformers", module)
        return asked

    def test_it_is_loaded_from_the_folder_alone_and_once(self, folder: Path, library: list[dict[str, Any]]) -> None:
        encoder = fit(title(folder, dim=2))
        for _ in range(2):
            assert encoder.encode(titles())["title"][:4].tolist() == [[9, 1], [11, 1], [0, 0], [0, 0]]
        (options,) = library
        assert options["path"] == str(folder)
        assert options["local_files_only"] and not options["trust_remote_code"]
        assert options["model_kwargs"] == {"use_safetensors": True}

    def test_a_file_more_or_of_another_name_is_another_encoder(
        self, folder: Path, library: list[dict[str, Any]]
    ) -> None:
        encoder = fit(title(folder, dim=2))
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling" / "config.json").write_text("{}")
        with pytest.raises(ValueError, match="another one than in training"):
            encoder.encode(titles())
        encoder = fit(title(folder, dim=2))
        (folder / "1_Pooling").rename(folder / "0_Pooling")
        with pytest.raises(ValueError, match="another one than in training"):
            encoder.encode(titles())
        assert not library

    @pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "modeling.py", "x.pkl"])
    def test_formats_that_may_run_code_are_refused(self, folder: Path, name: str) -> None:
        (folder / name).write_bytes(b"")
        with pytest.raises(ValueError, match=f"holds {name}"):
            fit(title(folder))

    def test_foreign_modules_and_missing_weights_are_refused(self, folder: Path, library: list[dict[str, Any]]) -> None:
        (folder / "modules.json").write_text(json.dumps([{"type": "os.system"}]))
        with pytest.raises(ValueError, match=r"names \['os.system'\]"):
            fit(title(folder, dim=2)).encode(titles())
        (folder / "model.safetensors").unlink()
        with pytest.raises(ValueError, match=r"no \.safetensors weights"):
            fit(title(folder))
        assert not library

    def test_the_missing_package_is_named(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "sentence_transformers", None)
        with pytest.raises(ValueError, match=r"pip install 'gatehouse\[text\]'"):
            fit(title(folder, dim=2)).encode(titles())
