"""Noise of the seed: how far versions lie apart that differ in nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from serving.registry import Registry
from serving.registry.tags import INPUT_KEY, SEEDLESS_KEY

SEED_NOISE = "gatehouse.seed_noise"
"""Tag of the model: the newest noise that was measured. Its versions may be gone by then."""
METRICS = ("all/recall@20", "all/ndcg@20")
UNKNOWN = (
    "What another seed changes is not known here: run the same with two seeds in another home"
    " (`GATEHOUSE_HOME=seeds gatehouse run --seed 1`, then `--seed 2`), and `gatehouse seeds seeds` takes it over."
)
"""Note of a report without a noise."""


@dataclass(frozen=True, kw_only=True)
class SeedNoise:
    """Spread of versions of one training with different seeds, on one hold-out."""

    versions: Sequence[int]
    """Their numbers."""
    ranges: Mapping[str, Sequence[float]]
    """Least and largest value of each metric."""
    home: str = ""
    """Home that it was measured in; empty for this one."""

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> SeedNoise:
        """Read what `asdict` made and JSON kept."""
        return cls(**raw)

    def __str__(self) -> str:
        spreads = [
            f"{name} from {low:.4f} to {high:.4f} ({high / low - 1:.1%})" if low > 0 else f"{name} up to {high:.4f}"
            for name, (low, high) in self.ranges.items()
        ]
        numbers = ", ".join(map(str, self.versions)) + (f" of {self.home}" if self.home else "")
        return (
            f"Another seed alone: {len(self.versions)} versions of one training ({numbers}) have {', '.join(spreads)};"
            " a smaller difference may be the seed."
        )


def seed_noise(registry: Registry, version: int, metrics: Mapping[str, float]) -> SeedNoise | None:
    """Noise of the seed, of this version's training if it has other seeds, else as it was last measured.

    Args:
        registry: registry of the dataset, which keeps the newest noise.
        version: the version that is evaluated.
        metrics: what was measured of it.

    Returns:
        The noise; None where no training has had two seeds.
    """
    own = registry.tags(version)
    # The same input again, as by --retrain, has the same seed.
    found = {own.get(INPUT_KEY, ""): (version, metrics)}
    for each in registry.versions() if SEEDLESS_KEY in own else ():
        is_peer = each.tags.get(SEEDLESS_KEY) == own[SEEDLESS_KEY] and set(METRICS) <= each.metrics.keys()
        if is_peer and each.version != version:
            found.setdefault(each.tags.get(INPUT_KEY, ""), (each.version, each.metrics))
    if len(found) > 1:
        values = {name: [float(each[name]) for _, each in found.values()] for name in METRICS}
        ranges = {name: (min(each), max(each)) for name, each in values.items()}
        noise = SeedNoise(versions=sorted(number for number, _ in found.values()), ranges=ranges)
        registry.set_model_tags({SEED_NOISE: json.dumps(asdict(noise))})
        return noise
    kept = registry.model_tags().get(SEED_NOISE)
    return SeedNoise.from_dict(json.loads(kept)) if kept else None
