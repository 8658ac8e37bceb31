"""A program that is asked about one frame after the other: inputs are written, it runs, and ASE reads its output."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from ase.geometry import find_mic
from ase.io import read
from ase.stress import voigt_6_to_full_3x3_stress

from lamplighter import launcher
from lamplighter.arrays import Floats
from lamplighter.errors import LamplighterError
from lamplighter.labelling import cp2k_output
from lamplighter.labelling.electrons import Electrons, electrons_of
from lamplighter.labelling.method import WithoutClosing
from lamplighter.labelling.template import by_element, filled
from lamplighter.structures.labels import Labels, unknown_stress

if TYPE_CHECKING:
    from lamplighter.driver.evaluation import Evaluator
    from lamplighter.labelling.command_file import CommandMethod

SAID = "command.log"
"""What the command printed, in the folder of the frame."""

MOVED_A = 0.01
"""Atoms of the output further from those of the frame (Å) are not that frame."""

FRAME = "frame"
"""Where `info` has the number of a frame, by which its folder is named."""

_SHOWN = 300  # characters of what a program said last


class CommandEvaluator(WithoutClosing):
    """A command that answers for frames, each in a folder of its own.

    Args:
        method: The command, its templates, and what it leaves.
        folder: Holds the folders of the frames, which stay; None: they are temporary.
    """

    def __init__(self, method: CommandMethod, folder: Path | None) -> None:
        self._method = method
        self._folder = folder
        self._asked = 0

    def evaluate(self, atoms: Atoms) -> Labels:
        """Energy, forces and, if the output has it, stress.

        Raises:
            LamplighterError: the command fails or takes too long; the output is missing, cannot be read, lacks energy
                or forces, or is of other atoms.
        """
        number = int(atoms.info.get(FRAME, self._asked))
        self._asked += 1
        if self._folder is None:
            with tempfile.TemporaryDirectory(prefix="lamplighter-frame-") as folder:
                return self._labels(atoms, number, Path(folder))
        own = self._folder / f"{number:05d}"
        shutil.rmtree(own, ignore_errors=True)  # of one that was broken off
        own.mkdir(parents=True)
        return self._labels(atoms, number, own)

    def __enter__(self) -> Evaluator:
        return self

    def _labels(self, atoms: Atoms, number: int, folder: Path) -> Labels:
        electrons = electrons_of(atoms) if self._method.has_electrons else Electrons(0, 1)
        order = by_element(atoms)
        given = atoms[order]
        for name, template in self._method.inputs.items():
            (folder / name).write_text(self._filled(template, given, electrons, number), encoding="utf-8")
        self._run(self._filled(self._method.command, given, electrons, number), folder)
        sorted_labels = self._read(folder, given)
        forces = np.empty_like(sorted_labels.forces)
        forces[order] = sorted_labels.forces
        return Labels(sorted_labels.energy, forces, sorted_labels.stress)

    def _filled(self, text: str, atoms: Atoms, electrons: Electrons, number: int) -> str:
        return filled(text, atoms, electrons, number, self._method.by_element)

    def _run(self, command: str, folder: Path) -> None:
        with (folder / SAID).open("wb") as said:
            process = subprocess.Popen(
                ["/bin/sh", "-c", command], cwd=folder, stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                env=launcher.without_launcher(), start_new_session=False,
            )  # fmt: skip
            try:
                status = process.wait(timeout=self._method.timeout_s)
            except subprocess.TimeoutExpired:
                _end_children(process)
                raise LamplighterError(
                    f"{self._method.name}: the command took longer than its timeout of {self._method.timeout_s:g} s"
                ) from None
            except BaseException:
                _end_children(process)
                raise
        if status != 0:
            how = f"exit status {status}" if status > 0 else f"signal {signal.Signals(-status).name}"
            raise LamplighterError(f"{self._method.name}: the command failed ({how}){self._last_words(folder)}")

    def _read(self, folder: Path, given: Atoms) -> Labels:
        path = folder / self._method.output
        if not path.is_file():
            raise LamplighterError(
                f"{self._method.name}: the command ended without {self._method.output}{self._last_words(folder)}"
            )
        try:
            found = self._found(path)
            results = dict(found.calc.results) if found.calc is not None else {}
        except LamplighterError as problem:
            raise LamplighterError(
                f"{self._method.name}: {self._method.output} cannot be used: {problem}{self._last_words(folder)}"
            ) from None
        except Exception as problem:  # ASE's readers raise whatever their parsing stumbles over
            raise LamplighterError(
                f"{self._method.name}: ASE cannot read {self._method.output} ({type(problem).__name__}: {problem})"
                f"{self._last_words(folder)}"
            ) from problem
        self._require_same(found, given)
        energy, forces = results.get("free_energy", results.get("energy")), results.get("forces")
        if energy is None or forces is None:
            what = "energy" if energy is None else "forces"
            raise LamplighterError(
                f"{self._method.name}: ASE finds no {what} in {self._method.output}: has the calculation "
                f"converged, and does the template ask for forces?{self._last_words(folder)}"
            )
        return Labels(float(energy), np.asarray(forces, dtype=np.float64), _stress(results))

    def _found(self, path: Path) -> Any:
        if self._method.format == cp2k_output.FORMAT:
            return cp2k_output.read_cp2k_output(path)
        return read(path, index=-1, format=self._method.format, do_not_split_by_at_sign=True, parallel=False)

    def _require_same(self, found: Atoms, given: Atoms) -> None:
        """Whatever was computed is the frame: its atoms in their order, where they were."""
        name, output = self._method.name, self._method.output
        if list(found.symbols) != list(given.symbols):
            raise LamplighterError(
                f"{name}: {output} is of {found.get_chemical_formula()} in another order or number than the frame, "
                f"{given.get_chemical_formula()}: the template must hold its atoms as they are given"
            )
        moved, _ = find_mic(found.positions - given.positions, given.cell, given.pbc)
        moved = moved - moved.mean(axis=0)  # some programs move the origin
        furthest = float(np.linalg.norm(moved, axis=1).max())
        if furthest > MOVED_A:
            raise LamplighterError(
                f"{name}: atoms of {output} are up to {furthest:.3g} Å from where the frame has them: is it a single "
                "point, and are the positions of the template in Å?"
            )

    def _last_words(self, folder: Path) -> str:
        with contextlib.suppress(OSError):
            text = " ".join((folder / SAID).read_text(encoding="utf-8", errors="replace").split())
            if text:
                return f"; it said last: {text[-_SHOWN:]}"
        return ""


def _stress(results: dict[str, Any]) -> Floats:
    stress = results.get("stress")
    if stress is None:
        return unknown_stress()
    stress = np.asarray(stress, dtype=np.float64)
    return stress if stress.shape == (3, 3) else np.asarray(voigt_6_to_full_3x3_stress(stress), dtype=np.float64)


def _end_children(process: subprocess.Popen[bytes]) -> None:
    """End a command and what it has started: all that descend from it."""
    for pid in [process.pid, *_descendants(process.pid)]:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def _descendants(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except OSError:
        return []
    return [each for child in map(int, text.split()) for each in (child, *_descendants(child))]
