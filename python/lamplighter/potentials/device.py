"""Where a model runs: the `device` keyword of `pair_style lamplighter` made concrete."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lamplighter.errors import EnvironmentProblem

if TYPE_CHECKING:
    import torch

_FILES_OF_GPUS = ("/dev/nvidia0", "/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""Of NVIDIA's driver, AMD's, and that of Windows' Linux."""


def is_cpu(requested: str, local_rank: int) -> bool:
    """Whether `resolve` gives the CPU; torch is imported only where the machine may have a GPU. Raises as `resolve`."""
    if requested == "cpu" or (requested == "auto" and not any(Path(file).exists() for file in _FILES_OF_GPUS)):
        return True
    return resolve(requested, local_rank).type == "cpu"


def resolve(requested: str, local_rank: int) -> torch.device:
    """The device of one rank.

    Args:
        requested: `auto`, `cpu`, `cuda` or `cuda:K`. `auto` takes a GPU where torch has one. `auto` and
            `cuda` give each rank of a node a GPU of its own by local rank, round robin where ranks are more.
        local_rank: Index of this rank among the ranks of its node.

    Raises:
        EnvironmentProblem: a GPU is asked for and torch has none, or not that many.
    """
    import torch

    if requested == "cpu":
        return torch.device("cpu")
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if requested == "auto":
        return torch.device("cuda", local_rank % gpus) if gpus else torch.device("cpu")
    if not gpus:
        build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "the CPU only"
        raise EnvironmentProblem(
            f"device {requested!r} was asked for, but torch finds no GPU here (torch {torch.__version__} is "
            f"built for {build}): use device cpu, or install a CUDA build of torch and check nvidia-smi"
        )
    if requested == "cuda":
        return torch.device("cuda", local_rank % gpus)
    index = int(requested.removeprefix("cuda:"))
    if index >= gpus:
        raise EnvironmentProblem(
            f"device {requested!r} was asked for, but torch sees {gpus} GPU(s), cuda:0 to cuda:{gpus - 1}"
        )
    return torch.device("cuda", index)


def taken(requested: str, local_rank: int) -> torch.device:
    """As `resolve`; torch takes it from now on where nobody names a device, so that no other GPU gets a context."""
    import torch

    device = resolve(requested, local_rank)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    return device


def identity(requested: str, local_rank: int) -> str:
    """What tells the GPU of a rank from others of its node, which may name theirs by the same number; empty: none."""
    import torch

    try:
        if is_cpu(requested, local_rank):
            return ""
        device = resolve(requested, local_rank)
        return str(getattr(torch.cuda.get_device_properties(device), "uuid", device))
    except (EnvironmentProblem, RuntimeError):
        return ""  # whoever takes the device says what is wrong with it


def sharing(identities: Sequence[str], local_rank: int) -> str:
    """What is to be said of ranks of a node that have one GPU; empty: each has its own.

    Args:
        identities: `identity` of each rank of the node.
        local_rank: Of this rank.
    """
    mine = identities[local_rank] if identities else ""
    ranks = identities.count(mine) if mine else 1
    if ranks == 1:
        return ""
    return f"{ranks} ranks share a GPU, which computes for one after the other: one rank for each GPU is faster"
