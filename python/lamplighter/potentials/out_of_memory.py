"""A model that does not fit into memory: torch's and numpy's errors, with what can be done about it."""

from __future__ import annotations

import torch

from lamplighter.errors import EnvironmentProblem

_WORDS = ("out of memory", "not enough memory", "can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED")
"""Of a `RuntimeError`: torch has a class of its own for what its own allocator of a GPU lacks, and for nothing else."""


class OutOfMemory(EnvironmentProblem):
    """The memory of a device, or of this machine, did not suffice for a model."""


def is_out_of_memory(problem: BaseException) -> bool:
    """Whether an exception says that memory could not be had."""
    if isinstance(problem, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(problem, RuntimeError) and any(words in str(problem) for words in _WORDS)


def out_of_memory(
    problem: BaseException, device: torch.device, dtype: torch.dtype | None, atoms: int = 0, pairs: int = 0
) -> OutOfMemory:
    """What to say of it.

    Args:
        problem: What torch or numpy raised.
        device, dtype: Of the model; None: its precision is not known yet.
        atoms: Of this rank, with ghosts that the model sees; 0: the model was being opened.
        pairs: Of these atoms, with the skin of the list where the model runs on it.
    """
    where, share = ("this machine has", "machines") if device.type == "cpu" else (f"the GPU {device} has", "GPUs")
    precision = "" if dtype is None else f" in {str(dtype).removeprefix('torch.')}"
    wanted = f"{atoms} atoms and {pairs} pairs of one rank{precision}" if atoms else "opening the model"
    remedies = [f"take fewer atoms, or more {share} with one rank on each"]
    if dtype != torch.float32:
        remedies.append("`dtype: float32`, which needs half of it")
    remedies.append("an engine that needs less (`native` on CPUs; `torch-fast` for MACE)")
    said = str(problem).strip().splitlines() or [type(problem).__name__]
    return OutOfMemory(
        f"{where} not enough memory for {wanted}: {'; or '.join(remedies)}. The run ends, since forces of this step "
        f"are not known. ({said[0][:300]})"
    )
