"""MACE by kernels of other packages, cuEquivariance or OpenEquivariance, where they are installed and give the same.

mace-torch converts its models for these itself. What is converted here is the model as it will run, on its device and
in its precision, and it is held against the network of mace-torch, in float64 on the CPU, before it is used.
"""

from __future__ import annotations

import copy
import importlib
import importlib.util
import os
import sys
from dataclasses import dataclass

import torch

from lamplighter.model_files import mace_package
from lamplighter.potentials.mace_acceleration import on_random_cluster
from lamplighter.potentials.out_of_memory import is_out_of_memory

SWITCH = "LAMPLIGHTER_MACE"
"""Environment variable; "plain": mace-torch as it is; "reordered": no kernels of others; "kernels": on CPUs, too."""

_TOLERANCES = {torch.float64: 1e-9, torch.float32: 1e-4}
"""Of forces and energies, relative to the largest force, beyond 1 eV/Å."""


@dataclass(frozen=True)
class Kernels:
    """A package with kernels for equivariant networks.

    Attributes:
        name: As its authors write it.
        package: What is imported.
        converter: Module of mace-torch whose `run` makes a model of these kernels from another.
    """

    name: str
    package: str
    converter: str


KERNELS = (
    Kernels("cuEquivariance", "cuequivariance_torch", "mace.cli.convert_e3nn_cueq"),
    Kernels("OpenEquivariance", "openequivariance", "mace.cli.convert_e3nn_oeq"),
)


def wanted(device: torch.device) -> bool:
    """Whether kernels of others are asked for: on GPUs, unless the user says something else."""
    said = os.environ.get(SWITCH, "")
    return said == "kernels" or (device.type != "cpu" and said not in ("plain", "reordered"))


def by_kernels(
    network: torch.nn.Module, device: torch.device, dtype: torch.dtype
) -> tuple[torch.nn.Module, str] | None:
    """A network by the first kernels that are installed and give the same, and their name; None: there are none.

    Args:
        network: ML-IAP wrapped, in float64 on the CPU.
        device, dtype: Where the network will run, and in what.
    """
    for kernels in KERNELS:
        if importlib.util.find_spec(kernels.package) is None:
            continue
        try:
            converted = _converted(network, kernels, device, dtype)
            problem = _difference(network, converted, device, dtype)
        except Exception as failed:
            if is_out_of_memory(failed):
                raise
            problem = f"{type(failed).__name__}: {failed}"
        if not problem:
            return converted, kernels.name
        print(
            f"Note: {kernels.name} is installed and not used, since it does not give the forces of this model "
            f"({problem[:300]}); {SWITCH}=reordered leaves out the trial",
            file=sys.stderr,
            flush=True,
        )
    return None


def _converted(network: torch.nn.Module, kernels: Kernels, device: torch.device, dtype: torch.dtype) -> torch.nn.Module:
    made = copy.deepcopy(network)
    default = torch.get_default_dtype()
    try:
        with mace_package.quiet():
            run = importlib.import_module(kernels.converter).run
            made.model = run(made.model.to(device=device, dtype=dtype), device=device.type)
    finally:
        torch.set_default_dtype(default)  # which mace-torch has changed
    made.model.lammps_mliap = True
    for parameter in made.parameters():
        parameter.requires_grad_(False)
    return made.to(device=device, dtype=dtype).eval()


def _difference(network: torch.nn.Module, converted: torch.nn.Module, device: torch.device, dtype: torch.dtype) -> str:
    """How far they differ on a random cluster; empty: they do not."""
    energies, forces = on_random_cluster(network)
    found = on_random_cluster(converted, device, dtype)
    limit = _TOLERANCES[dtype] * max(1.0, float(forces.abs().max()))
    for name, a, b in (("forces", forces, found[1]), ("energies", energies, found[0])):
        difference = float((a - b).abs().max())
        # energies of isolated atoms are thousands of eV
        if not difference <= limit * (max(1.0, float(a.abs().max())) if name == "energies" else 1.0):
            return f"{name} differ by {difference:.1e}"
    return ""
