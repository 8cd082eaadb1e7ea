"""Kind of the processor that a measurement ran on."""

from __future__ import annotations

import os
from pathlib import Path

ORDINARY = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
}
"""Environment in which the libraries compute as on a processor with AVX2 only."""


def processor() -> str:
    """Name model, instructions and threads, in one line."""
    import torch

    text = Path("/proc/cpuinfo").read_text()
    facts = dict(line.split(":", 1) for line in text.split("\n\n")[0].splitlines())
    lines = {name.strip(): value.strip() for name, value in facts.items()}
    flags = lines.get("flags", "").split()
    has = [name for name in ("avx2", "avx512f", "amx_tile") if name in flags]
    used = torch.backends.cpu.get_cpu_capability()
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "no limit")
    name = lines.get("model name", "processor")
    return f"{name} ({', '.join(has)}); PyTorch {used}, oneDNN {limit}, {torch.get_num_threads()} threads"
