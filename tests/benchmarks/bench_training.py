"""Speed of training: samples per second, memory, kernels, and scaling.

    python -m tests.benchmarks.bench_training --pairs train.parquet [--tfrs PYTHON]
        [--part systems|kernels|scaling] [--device cuda] [--json]

The samples are interactions of the file, each with 50 other items of its user. Every
system trains the same model (the mean of the history against one item table, D = 64,
softmax over the batch with logQ, Adam) in a process of its own. Kernels are compared
with the roofline. PYTHON is the interpreter of an environment with `pip install
tensorflow-cpu==2.21.0 tensorflow-recommenders==0.7.7 tf-keras`; without it those rows
are left out. --device moves the plain formula and this trainer, while TensorFlow and
the kernels stay on the CPU; peak memory is the host's. Rates are the best of several
runs of four steps.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch

from tests.benchmarks.speed.kernels import kernel_rows
from tests.benchmarks.speed.ours import Ours, samples_per_second
from tests.benchmarks.speed.plain import Plain
from tests.benchmarks.speed.world import Samples, from_pairs, made_up
from training.trainer.device import available

LENGTH, DIM, SECONDS = 50, 64, 6.0
BATCHES = (2048, 4096)
TENSORFLOW = Path(__file__).parent / "speed" / "tfrs_retrieval.py"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path, help="parquet with user_id and item_id")
    parser.add_argument("--tfrs", type=Path, help="interpreter with TensorFlow Recommenders")
    parser.add_argument("--part", choices=("systems", "kernels", "scaling"))
    parser.add_argument("--device", default="cpu", help="where the plain formula and this trainer run")
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--one", nargs=6, metavar=("SYSTEM", "FILE", "DIM", "BATCH", "DEVICE", "OUT"), help=argparse.SUPPRESS
    )
    arguments = parser.parse_args()
    if arguments.one:
        measure_one(*arguments.one)
        return
    parts = {
        "systems": lambda: systems(arguments),
        "kernels": kernel_rows,
        "scaling": partial(scaling, arguments.device),
    }
    available(arguments.device)
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}")
    for name in [arguments.part] if arguments.part else list(parts):
        if name == "systems" and arguments.pairs is None:
            parser.error("--pairs is wanted for the part systems")
        show(name, list(parts[name]()), arguments.json)


def systems(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Rows of every system at every batch size, each in its own process.

    The ratio is to the plain formula at the same size.
    """
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "samples.npz"
        from_pairs(arguments.pairs, length=LENGTH, number=200_000, seed=0).save(path)
        for batch in BATCHES:
            names = ["plain", "ours float32", "ours bfloat16"] + (["tensorflow"] if arguments.tfrs else [])
            measured = {name: in_process(name, path, DIM, batch, arguments.device, arguments.tfrs) for name in names}
            for name, (rate, memory) in measured.items():
                yield {
                    "system": name,
                    "batch": batch,
                    "samples/s": round(rate),
                    "peak GiB": round(memory, 2),
                    "x plain": round(rate / measured["plain"][0], 2),
                }


def in_process(name: str, path: Path, dim: int, batch: int, device: str, tfrs: Path | None) -> tuple[float, float]:
    """Samples per second and peak memory (GiB) of one system.

    Args:
        name: the system.
        path: file of the samples.
        dim: dimension of the embeddings.
        batch: batch size.
        device: torch device.
        tfrs: interpreter with TensorFlow Recommenders.
    """
    if name == "tensorflow":
        command = [str(tfrs), str(TENSORFLOW), str(path), str(dim), str(batch), str(SECONDS)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"TensorFlow Recommenders failed:\n{done.stderr[-2000:]}")
        values = dict(line.split() for line in done.stdout.splitlines() if line.count(" ") == 1)
        return float(values["samples_per_second"]), float(values["peak_kib"]) / 2**20
    with tempfile.NamedTemporaryFile() as out:
        module = [sys.executable, "-m", "tests.benchmarks.bench_training"]
        subprocess.run([*module, "--one", name, str(path), str(dim), str(batch), device, out.name], check=True)
        measured = json.loads(Path(out.name).read_text())
    return measured["rate"], measured["peak"]


def measure_one(name: str, path: str, dim: str, batch: str, device: str, out: str) -> None:
    """Measure one system in this process.

    Args:
        name: the system.
        path: file of the samples.
        dim: dimension of the embeddings.
        batch: batch size.
        device: torch device.
        out: file for the rate and the peak memory.
    """
    samples = Samples.load(Path(path))
    size: dict[str, Any] = {"dim": int(dim), "batch_size": int(batch), "device": device}
    system = Plain(samples, **size) if name == "plain" else Ours(samples, **size, precision=name.split()[1])
    rate = samples_per_second(system, seconds=SECONDS)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    Path(out).write_text(json.dumps({"rate": rate, "peak": peak}))


def scaling(device: str) -> Iterator[dict[str, Any]]:
    """Rows of this trainer with one size changed at a time.

    `ns per pair and dim` is the time of a step for each of the B x B logits and each of
    the D dimensions.
    """
    base = {"batch": 4096, "dim": DIM, "items": 100_000, "length": LENGTH}
    steps = {
        "batch": (1024, 2048, 4096, 8192, 16_384),
        "dim": (32, 64, 128, 256),
        "items": (10_000, 100_000, 1_000_000, 10_000_000),
        "length": (0, 10, 50, 200),
    }
    for name, values in steps.items():
        for value in values:
            size = base | {name: value}
            number = 6 * size["batch"]
            samples = made_up(items=size["items"], length=max(1, size["length"]), number=number, seed=0)
            if not size["length"]:
                # A history of one item needs no lookup in a large table.
                samples.history_IL[:] = 1
            system = Ours(samples, dim=size["dim"], batch_size=size["batch"], device=device)
            rate = samples_per_second(system, seconds=3.0)
            pair = 1e9 / rate / size["batch"] / size["dim"]
            yield {"changed": name, **size, "samples/s": round(rate), "ns per pair and dim": round(pair, 4)}


def show(title: str, rows: list[dict[str, Any]], as_json: bool) -> None:
    """Print rows as JSON or as a table.

    Args:
        title: title of the table.
        rows: the rows.
        as_json: whether to print JSON.
    """
    if as_json:
        print(json.dumps({title: rows}))
        return
    columns = list(rows[0])
    print(f"\n**{title}**\n\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for row in rows:
        print("| " + " | ".join(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row.values()) + " |")


if __name__ == "__main__":
    main()
