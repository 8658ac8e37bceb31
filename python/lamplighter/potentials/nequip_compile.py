"""NequIP and Allegro compiled by torch's AOTInductor for pair vectors, which is how LAMMPS' neighbours come.

The program takes edge vectors and gives energies of atoms and forces of edges, for any number of atoms and edges from
two on. Within it, no features can be exchanged between ranks: a model that passes messages runs on one rank.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch._inductor

from lamplighter.errors import ModelError
from lamplighter.model_files import nequip_compiled_file, recognition
from lamplighter.model_files.describe import describe
from lamplighter.potentials.double_precision import double_precision
from lamplighter.potentials.nequip_network import EXCHANGE, quiet, read_network

SUFFIX = ".nequip.pt2"

#: What energies (eV per atom) and forces (eV/Å) may differ by from the network, in units of the largest of them.
_ALLOWED = {"float32": 1e-4, "float64": 1e-10}


def compile_file(model: Path, target: Path, head: str | None = None) -> str:
    """Compile a model for CPUs, one thread a rank, and check the program against the network.

    Args:
        model: A package, a checkpoint or an ML-IAP file of NequIP or Allegro.
        target: The file to write, `….nequip.pt2`.
        head: Which network of a file that holds several; None: the only one.

    Returns:
        One line: how far the program is from the network.

    Raises:
        ModelError: the model cannot be read or compiled, or the program does not agree with it.
    """
    recognition.require_framework("nequip", model)
    if recognition.is_nequip_compiled(model):
        raise ModelError(f"model file {model} is compiled already: give the package or checkpoint it was made from")
    network = read_network(model, head)
    labels = {
        **{name: str(value) for name, value in network.metadata.items()},
        "nequip_aoti_inputs": " ".join(nequip_compiled_file.INPUTS),
        "nequip_aoti_outputs": " ".join(nequip_compiled_file.OUTPUTS),
        **nequip_compiled_file.as_own_labels(_noted(model, network)),
    }
    partial = target.with_name(f".{target.name.removesuffix(SUFFIX)}.partial{SUFFIX}")
    try:
        with double_precision(), quiet():
            _export(network, labels, partial)
            told = _agreement(model, network, labels["model_dtype"], partial)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return told


def _noted(model: Path, network: Any) -> dict[str, str]:
    """What `lamplighter models` is to say of the compiled file."""
    from nequip.model.modify_utils import get_all_modifiers

    original = describe(model)
    energies = " ".join(f"{symbol} {energy!r}" for symbol, energy in original.atomic_energies.items())
    return {
        "framework": original.framework,
        "version": original.version or "",
        "layers": str(original.layers or ""),
        "parameters": str(sum(each.numel() for each in network.parameters())),
        "atomic_energies": energies,
        "exchanges": str(int(EXCHANGE in get_all_modifiers(network))),
    }


def _export(network: Any, labels: dict[str, str], target: Path) -> None:
    from nequip.utils.aot import aot_export_model

    counts = {name: torch.export.Dim(name, min=2) for name in ("node", "edge")}
    try:
        aot_export_model(
            model=network,
            device="cpu",
            input_fields=list(nequip_compiled_file.INPUTS),
            output_fields=list(nequip_compiled_file.OUTPUTS),
            data=_cluster(3, network),
            batch_map={"graph": torch.export.Dim.STATIC, **counts},
            output_path=str(target),
            inductor_configs={"aot_inductor.metadata": labels, "cpp.threads": 1},
        )
    except Exception as problem:  # whatever torch's compiler stumbles over
        raise ModelError(
            f"the model cannot be compiled: use it as it is ({type(problem).__name__}: {str(problem)[:500]})"
        ) from problem


def _cluster(edge: int, network: Any) -> dict[str, torch.Tensor]:
    """edge³ atoms near the points of a cubic lattice, all elements in turn."""
    radius = float(network.metadata["r_max"])
    points = torch.cartesian_prod(*[torch.arange(edge, dtype=torch.float64)] * 3)
    noise = torch.rand(points.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    places = 0.45 * radius * (points + 0.2 * noise)
    near = torch.cdist(places, places) < radius
    receivers, senders = torch.nonzero(near.fill_diagonal_(False), as_tuple=True)
    return {
        "pos": places,
        "edge_vectors": places[senders] - places[receivers],
        "edge_index": torch.stack((receivers, senders)),
        "atom_types": torch.arange(len(places)) % len(network.type_names),
    }


def _agreement(model: Path, network: Any, dtype: str, compiled: Path) -> str:
    """Compare on a cluster of other size than the one that it was traced with.

    Raises:
        ModelError: energies or forces are farther apart than rounding explains.
    """
    program = torch._inductor.aoti_load_package(str(compiled))
    cluster = _cluster(2, network)
    with torch.no_grad():
        found = program([cluster[name] for name in nequip_compiled_file.INPUTS])
    expected = network({name: value for name, value in cluster.items() if name != "pos"})
    apart = []
    for name, values in zip(nequip_compiled_file.OUTPUTS, found, strict=True):
        wanted = expected[name].detach()
        difference, scale = float((values - wanted).abs().max()), max(1.0, float(wanted.abs().max()))
        if difference > _ALLOWED[dtype] * scale:
            raise ModelError(
                f"model file {model}: compiled, its {name.replace('_', ' ')} differ by {difference:.1e} from those of "
                f"the network, more than {_ALLOWED[dtype]:g} × {scale:.3g}: use the model as it is"
            )
        apart.append(difference)
    return f"largest differences from the network: {apart[0]:.1e} eV per atom, {apart[1]:.1e} eV/Å"
