"""All experiments. A new one is a file and a line here."""

from tests.benchmarks.recovery.cold_start import COLD_START
from tests.benchmarks.recovery.experiment import Experiment
from tests.benchmarks.recovery.incremental import INCREMENTAL_IDS
from tests.benchmarks.recovery.logq import LOGQ
from tests.benchmarks.recovery.mixed import MIXED_NEGATIVES
from tests.benchmarks.recovery.rescored import SCORER
from tests.benchmarks.recovery.self_supervised import SELF_SUPERVISED
from tests.benchmarks.recovery.shown import SHOWN_IN_VAIN

EXPERIMENTS: tuple[Experiment, ...] = (
    LOGQ,
    MIXED_NEGATIVES,
    SELF_SUPERVISED,
    COLD_START,
    INCREMENTAL_IDS,
    SCORER,
    SHOWN_IN_VAIN,
)
