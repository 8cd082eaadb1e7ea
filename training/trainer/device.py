"""Device of a training, and its random numbers."""

from __future__ import annotations

import torch
from torch import Tensor


def available(name: str) -> torch.device:
    """Device of a name: cpu, cuda, cuda:1, ...

    Raises:
        ValueError: no such device on this machine.
    """
    there = ["cpu"]
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if accelerator is not None:
        numbered = [f"{accelerator.type}:{number}" for number in range(torch.accelerator.device_count())]
        there += [accelerator.type, *numbered]
    if name not in there:
        raise ValueError(f"device {name!r} is not available here; there are {', '.join(there)}")
    return torch.device(name)


def random_state(device: torch.device) -> dict[str, Tensor]:
    """States of the generators that layers draw from: the CPU's and the device's."""
    states = {"torch": torch.get_rng_state()}
    if device.type != "cpu":
        states["device"] = torch.get_device_module(device).get_rng_state(device)
    return states


def set_random_state(device: torch.device, states: dict[str, Tensor]) -> None:
    """Restore the states of `random_state`."""
    torch.set_rng_state(states["torch"])
    if device.type != "cpu":
        torch.get_device_module(device).set_rng_state(states["device"], device)
