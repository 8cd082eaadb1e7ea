"""`import gatehouse` is quick; frames need no home folder and no service."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import gatehouse as gh
import pytest

SERVICES = ("feast", "mlflow", "pymilvus", "milvus_lite", "dagster", "great_expectations")
WORK = f"""
import sys
import gatehouse as gh
assert not [name for name in sys.modules if name.split(".")[0] in ("polars", "torch", "numpy")]
from tests.unit.orchestration.api.api_world import CONFIG, dataset
import torch
torch.set_num_threads(1)
data = dataset()
model = gh.fit(data, CONFIG)
gh.evaluate(model, data, baselines=("popularity",))
model.recommend("u1", k=3)
loaded = sorted({{name.split(".")[0] for name in sys.modules}} & set({SERVICES!r}))
assert not loaded, loaded
"""


def test_frames_need_no_service_and_no_home(tmp_path: Path) -> None:
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "GATEHOUSE_HOME": str(tmp_path / "home"),
        "HOME": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", WORK], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.iterdir())


def test_every_name_of_the_face_is_there() -> None:
    assert all(getattr(gh, name) is not None for name in gh.__all__)
    assert dir(gh) == sorted(gh.__all__)
    with pytest.raises(AttributeError, match="gatehouse has no 'Modell'; there are Dataset"):
        _ = gh.Modell
