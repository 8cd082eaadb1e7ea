"""Models of position bias in logs whose true relevance is known.

    python -m tests.benchmarks.bias [--seeds 10] [--only "random order"] [--json]

Prints one table over seeds: NDCG@5 of random answers and the relevance of the 20 best of
the corpus, both by true relevance, and the log-loss of clicks. Exits with 1 if a measure
does not hold.
"""

from __future__ import annotations

from tests.benchmarks.bias.experiments import EXPERIMENTS
from tests.benchmarks.recovery.__main__ import run

if __name__ == "__main__":
    run(EXPERIMENTS, __doc__ or "", seeds=10)
