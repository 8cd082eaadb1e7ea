"""All experiments. A new one is a file and a line here."""

from tests.benchmarks.recovery.cold_start import COLD_START
from tests.benchmarks.recovery.experiment import Experiment
from tests.benchmarks.recovery.logq import LOGQ
from tests.benchmarks.recovery.mixed import MIXED_NEGATIVES

EXPERIMENTS: tuple[Experiment, ...] = (LOGQ, MIXED_NEGATIVES, COLD_START)
