"""MACE models as Symmetrix-XL reads them: converted once by its own converter, and kept in the user's cache.

Beside what Symmetrix-XL reads, a file holds what mace-torch gives for a few random clusters, so that every process
that opens it can hold its kernels, in their precision and on their device, against the model itself.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols

import lamplighter
from lamplighter.cache import cache_folders, writable_cache_folder
from lamplighter.errors import ModelError
from lamplighter.model_files import mace_package, recognition
from lamplighter.potentials import native
from lamplighter.potentials.compiled_cache import in_order
from lamplighter.potentials.double_precision import double_precision
from lamplighter.potentials.out_of_memory import is_out_of_memory
from lamplighter.potentials.requirements import require_elements
from lamplighter.potentials.symmetrix import package
from lamplighter.whole_file import write_whole

NODES = 1024
"""Of its radial splines, which are cubic; see docs/theory/symmetrix.md for what more and fewer of them do."""

OURS = "lamplighter"
"""The key in a file of what Symmetrix-XL does not read: the precision of the model, and the clusters."""

_KIND = "symmetrix"
_SIZES = (1, 2, 8, 16, 24)
_FIRST = (
    "RealAgnosticInteractionBlock",
    "RealAgnosticResidualInteractionBlock",
    "RealAgnosticDensityInteractionBlock",
    "RealAgnosticDensityResidualInteractionBlock",
)
_SECOND = ("RealAgnosticResidualInteractionBlock", "RealAgnosticDensityResidualInteractionBlock")


def converted(path: Path, elements: Sequence[str], head: str | None) -> Path:
    """The converted form of a model for some elements, made now or found in the cache.

    Raises:
        ModelError: it is no MACE model, lacks an element or a head, or is of an architecture that Symmetrix-XL lacks.
    """
    if not recognition.is_mace(path):
        raise ModelError(f"engine symmetrix evaluates MACE models, and {path} is none: use engine auto or bridge")
    symbols = in_order(elements)
    digest = hashlib.sha256(Path(path).read_bytes() + Path(__file__).read_bytes())
    digest.update(f"{lamplighter.__version__} {package.version()} {' '.join(symbols)} {head or ''}".encode())
    name = digest.hexdigest()[:32] + ".json"
    for folder in cache_folders(_KIND):
        if (folder / name).is_file():
            return folder / name
    try:
        folder = writable_cache_folder(_KIND)
    except OSError as problem:
        raise ModelError(_not_kept(path, problem)) from problem
    with (folder / f".{name}.lock").open("w") as lock:
        with contextlib.suppress(OSError):  # where files cannot be locked, several ranks do the same
            fcntl.flock(lock, fcntl.LOCK_EX)  # one rank converts, and the others wait
        if not (folder / name).is_file():
            content = json.dumps(_convert(path, symbols, head), separators=(",", ":"))
            try:
                write_whole(folder / name, content)
            except OSError as problem:
                raise ModelError(_not_kept(path, problem)) from problem
    return folder / name


def _not_kept(path: str | Path, problem: OSError) -> str:
    return f"the converted form of {path} cannot be kept: {problem}; set XDG_CACHE_HOME"


def clusters_of(content: dict[str, Any]) -> list[tuple[Atoms, float, np.ndarray]]:
    """Clusters of a converted file, with energy (eV) and forces (n, 3) (eV/Å) of mace-torch in float64."""
    return [
        (Atoms(each["numbers"], each["positions"]), each["energy"], np.array(each["forces"]).reshape(-1, 3))
        for each in content[OURS]["clusters"]
    ]


def _convert(path: Path, symbols: list[str], head: str | None) -> dict[str, Any]:
    from symmetrix.extract_mace_data import extract_mace_data

    with double_precision():
        original = native.MaceOriginal(path, head)
        network = original.network
        require_elements(path, [chemical_symbols[int(z)] for z in network.atomic_numbers], symbols)
        lacking = lacks(network)
        if lacking:
            raise _not_covered(path, lacking)
        # the converter takes a file, and this network was opened as far as it is trusted, and its adapters merged
        file = io.BytesIO()
        torch.save(network, file)
        file.seek(0)
        numbers = [int(atomic_numbers[symbol]) for symbol in symbols]
        try:
            with mace_package.quiet():
                content: dict[str, Any] = extract_mace_data(
                    file, species=numbers, head=original.head, num_spline_points=NODES
                )
        except Exception as problem:  # its converter has no errors of its own
            if is_out_of_memory(problem):
                raise
            raise _not_covered(path, f"something ({type(problem).__name__}: {problem})") from problem
        content[OURS] = {"dtype": original.stored, "clusters": _clusters(original, symbols)}
    return content


def lacks(network: torch.nn.Module) -> str:
    """What a model has that Symmetrix-XL does not take; empty: nothing that is known here."""
    model: Any = network
    names = [type(each).__name__ for each in model.interactions]
    degree = int(model.spherical_harmonics._lmax)
    orders = {int(each.symmetric_contractions.contractions[0].correlation) for each in model.products}
    basis = type(model.radial_embedding.bessel_fn).__name__
    if not hasattr(model, "scale_shift"):
        return "energies without scale and shift (`--model MACE`; ScaleShiftMACE has them)"
    if len(names) != 2:
        return f"{len(names)} interaction{'' if len(names) == 1 else 's'} (2 are taken)"
    if names[0] not in _FIRST or names[1] not in _SECOND:
        return f"the interactions {names[0]} and {names[1]}"
    if basis != "BesselBasis":
        return f"the radial basis {basis} (BesselBasis is taken)"
    if orders != {3}:
        return f"a correlation of {', '.join(map(str, sorted(orders)))} (3 is taken)"
    if degree != 3:
        return f"harmonics to degree {degree} (`max_ell`; 3 is taken)"
    return ""


def _not_covered(path: Path, has: str) -> ModelError:
    return ModelError(
        f"{path} cannot be evaluated by engine symmetrix: it has {has}, which Symmetrix-XL {package.version()} does "
        "not take. Use engine auto, torch-fast or bridge"
    )


def _clusters(original: native.MaceOriginal, symbols: list[str]) -> list[dict[str, Any]]:
    rng = np.random.default_rng(1)
    found = []
    for size in _SIZES:
        cluster = native.random_cluster(symbols, float(original.network.r_max), size, rng)
        energy, forces = original.energy_and_forces(cluster)
        found.append(
            {
                "numbers": cluster.numbers.tolist(),
                "positions": cluster.positions.tolist(),
                "energy": energy,
                "forces": forces.tolist(),
            }
        )
    return found
