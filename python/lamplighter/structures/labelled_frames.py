"""Frames with reference energies, forces and stresses, from extended XYZ or any file that ASE reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.stress import voigt_6_to_full_3x3_stress
from numpy.typing import NDArray

from lamplighter.errors import TrajectoryError
from lamplighter.structures.compressed import uncompressed_name
from lamplighter.structures.labels import Labels, unknown_stress
from lamplighter.structures.read_by_ase import read_by_ase
from lamplighter.structures.xyz_file import XyzFile

_WORD = re.compile(r"(?:^|_)(energy|energies)(?:_|$)", re.IGNORECASE)
_STRESS_WORDS = ("stress", "virial", "virials")
_STRESS_WORD = re.compile(r"(?:^|_)(stress|virials?)(?:_|$)", re.IGNORECASE)
_NOT_TOTAL = ("kinetic", "per_atom", "free_energies", "atomic", "std", "variance")


@dataclass(frozen=True)
class LabelKeys:
    """What the labels are called in a file.

    Attributes:
        energy: eV.
        forces: eV/Å.
        stress: eV/Å³ (tension positive; 9 numbers row by row, or 6 in Voigt's order), or, if its name holds "virial",
            the virial in eV, −V times the stress, as GAP, QUIP, MACE and DeePMD-kit have it; None: there is none.
    """

    energy: str
    forces: str
    stress: str | None = None


@dataclass
class LabelledFrames:
    """Frames of a file, and what it says of their energies.

    Attributes:
        path: The file.
        frames: Structures with all else that the file says (`info`, `arrays`).
        labels: One each frame.
        keys: What the labels are called.
        notes: What was left out.
    """

    path: Path
    frames: list[Atoms]
    labels: list[Labels]
    keys: LabelKeys
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def elements(self) -> list[str]:
        """Of all frames, by atomic number."""
        numbers = sorted({int(number) for atoms in self.frames for number in np.unique(atoms.numbers)})
        return [str(Atoms(numbers=[number]).symbols) for number in numbers]

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Atomic numbers of all atoms, frame after frame."""
        return np.concatenate([atoms.numbers for atoms in self.frames]).astype(np.int64)

    def info(self, key: str) -> list[object]:
        """What each frame says under a key.

        Raises:
            TrajectoryError: no frame has it.
        """
        if not any(key in atoms.info for atoms in self.frames):
            known = sorted({name for atoms in self.frames for name in atoms.info if isinstance(name, str)})
            raise TrajectoryError(f"no frame of {self.path} has {key!r}; they have: {', '.join(known) or 'nothing'}")
        return [atoms.info.get(key, "none") for atoms in self.frames]


def read_frames(path: Path) -> tuple[list[Atoms], str]:
    """All frames of a file, and what was left out of one that is cut off (empty: nothing).

    Raises:
        TrajectoryError: the file is missing or empty, or cannot be read.
    """
    if not path.is_file():
        raise TrajectoryError(f"{path} is a folder, no file of frames" if path.is_dir() else f"{path} does not exist")
    if path.stat().st_size == 0:
        raise TrajectoryError(f"{path} is empty")
    xyz = XyzFile(path)
    frames = list(xyz.atoms() if _is_xyz(path) else _any(path))
    if not frames:
        raise TrajectoryError(f"{path} holds no whole frame" + (f": {xyz.dropped}" if xyz.dropped else ""))
    return frames, xyz.dropped


def read_labelled(
    path: Path, energy: str | None = None, forces: str | None = None, stress: str | None = None
) -> LabelledFrames:
    """Frames with their labels.

    Args:
        path: The file.
        energy: Name of the energy; None: the only one of the first frame that looks like one (`energy`,
            `energy_xtb`, `REF_energy`, …).
        forces, stress: Names of the others; None: as the energy's, with `forces` or `force`, and `stress`, `virial` or
            `virials`.

    Raises:
        TrajectoryError: as `read_frames`; there is no such label, several could be meant, or a stress and a virial say
            different things; a label of a frame is missing, of the wrong shape or not finite (the frame is named). The
            forces of an isolated atom are 0 where they are missing.
    """
    frames, dropped = read_frames(path)
    with_atoms = [atoms for atoms in frames if len(atoms)]
    if not with_atoms:
        raise TrajectoryError(f"the frames of {path} hold no atoms")
    keys = _keys(path, with_atoms, energy, forces, stress)
    labels = [_labels(atoms, keys, f"frame {index} of {path}") for index, atoms in enumerate(frames)]
    notes = [f"{path.name}: {dropped}"] if dropped else []
    if keys.stress is None and (others := _stresses(with_atoms)):
        notes.append(
            f"{', '.join(others)} of {path.name} is not held against anything, as its name does not go with "
            f"{keys.energy}: name it with --stress KEY"
        )
    return LabelledFrames(path, frames, labels, keys, notes)


def _is_xyz(path: Path) -> bool:
    return uncompressed_name(path).lower().endswith((".xyz", ".extxyz"))


def _any(path: Path) -> Iterator[Atoms]:
    try:
        yield from read_by_ase(path)
    except TrajectoryError:
        raise
    except Exception as problem:  # ASE's readers raise whatever their parsing stumbles over
        raise TrajectoryError(f"ASE cannot read {path} ({type(problem).__name__}: {problem})") from problem


def _keys(path: Path, frames: list[Atoms], energy: str | None, forces: str | None, stress: str | None) -> LabelKeys:
    found = _energies(frames[0])
    if energy is None:
        if len(found) != 1:
            what = f"several energies: {', '.join(found)}" if found else "no energy"
            known = ", ".join(str(key) for key in frames[0].info) or "nothing"
            raise TrajectoryError(
                f"the first frame of {path} has {what}; say which is the reference with --energy KEY (it has: {known})"
            )
        energy = found[0]
    if forces is None:
        forces = _like(energy, ("forces", "force"), frames) or _as(energy, "forces")
    if stress is None:
        stress = _one_stress(path, energy, frames)
    return LabelKeys(energy, forces, stress)


def _one_stress(path: Path, energy: str, frames: list[Atoms]) -> str | None:
    """The name of the stress that goes with an energy's; a virial beside it must say the same."""
    named = [_as(energy, word) for word in _STRESS_WORDS]
    found = [name for name in named if any(_of_frame(atoms, name) is not None for atoms in frames)]
    for other in found[1:]:
        for index, atoms in enumerate(frames):
            first, second = (_stress(atoms, name, f"frame {index} of {path}") for name in (found[0], other))
            scale = 1e-3 * max(float(np.abs(first).max()), 1e-4)  # rounding of one of them
            if np.abs(first - second).max() > scale:
                raise TrajectoryError(
                    f"frame {index} of {path}: {found[0]!r} and {other!r} say different stresses (xx: "
                    f"{first[0, 0]:.6g} and {second[0, 0]:.6g} eV/Å³, a virial being −V times the stress): say which "
                    "with --stress KEY"
                )
    return found[0] if found else None


def _stresses(frames: list[Atoms]) -> list[str]:
    """Names of frames' infos and results that could be stresses or virials."""
    names = dict.fromkeys(str(key) for atoms in frames for key in (*_results(atoms), *atoms.info))
    return [name for name in names if _STRESS_WORD.search(name) and _of_frame(frames[0], name) is not None]


def _results(atoms: Atoms) -> dict[str, object]:
    return dict(getattr(atoms.calc, "results", {}))


def _energies(atoms: Atoms) -> list[str]:
    names = [str(key) for key in (*_results(atoms), *atoms.info)]
    given = [name for name in names if _WORD.search(name) and not any(word in name.lower() for word in _NOT_TOTAL)]
    # ASE repeats a total energy as the free energy, and calculators that know energies of atoms add these
    repeats = ("free_energy", "energies") if "energy" in given else ()
    return [name for name in dict.fromkeys(given) if name not in repeats]


def _as(energy: str, word: str) -> str:
    return re.sub("energ(y|ies)", word, energy, flags=re.IGNORECASE)


def _like(energy: str, words: tuple[str, ...], frames: list[Atoms]) -> str | None:
    for name in (_as(energy, word) for word in words):
        if any(_found(atoms, name) is not None for atoms in frames):
            return name
    return None


def _found(atoms: Atoms, key: str) -> NDArray[np.float64] | None:
    for place in (atoms.info, atoms.arrays, _results(atoms)):
        if key in place:
            try:
                return np.asarray(place[key], dtype=np.float64)
            except (TypeError, ValueError):
                return None
    return None


def _of_frame(atoms: Atoms, key: str) -> NDArray[np.float64] | None:
    """A label of a periodic frame as a whole; what belongs to each atom, such as atomic virials, is none."""
    return _found(atoms, key) if all(atoms.pbc) and key not in atoms.arrays else None


def _stress(atoms: Atoms, key: str, where: str) -> NDArray[np.float64]:
    """The stress of a frame, eV/Å³, from a label that is a stress or a virial; nan where there is none."""
    given = _of_frame(atoms, key)
    if given is None:
        return unknown_stress()
    if given.size not in (6, 9):
        raise TrajectoryError(f"{where}: {key!r} (--stress) has {given.size} numbers, expected 9 or 6")
    stress = given.reshape(3, 3) if given.size == 9 else voigt_6_to_full_3x3_stress(given.ravel())
    return -stress / atoms.get_volume() if "virial" in key.lower() else stress


def _labels(atoms: Atoms, keys: LabelKeys, where: str) -> Labels:
    if len(atoms) == 0:
        raise TrajectoryError(f"{where} holds no atoms")
    energy = _required(atoms, keys.energy, (), where, "--energy")
    if len(atoms) == 1 and not atoms.pbc.any() and _found(atoms, keys.forces) is None:
        forces = np.zeros((1, 3))  # nothing is there that could act on it
    else:
        forces = _required(atoms, keys.forces, (len(atoms), 3), where, "--forces")
    stress = unknown_stress() if keys.stress is None else _stress(atoms, keys.stress, where)
    return Labels(float(energy), forces, stress)


def _required(atoms: Atoms, key: str, shape: tuple[int, ...], where: str, option: str) -> NDArray[np.float64]:
    given = _found(atoms, key)
    if given is None:
        raise TrajectoryError(f"{where} has no label {key!r}: name the right one with {option} KEY, or label the frame")
    if given.shape != shape:
        raise TrajectoryError(f"{where}: {key!r} has the shape {given.shape}, expected {shape}")
    if not np.isfinite(given).all():
        raise TrajectoryError(f"{where}: {key!r} holds numbers that are not finite")
    return given
