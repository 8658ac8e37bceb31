"""Fixtures of the checks: what LAMMPS and the reference find, once for each potential and number of ranks."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lamplighter.conformance import structures
from lamplighter.conformance.subject import Subject

Arrays = dict[str, np.ndarray]
_LONGEST = 280.0  # s, one start of LAMMPS


class Evaluations:
    """Starting a framework on several ranks takes seconds, so everything is evaluated once and kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._found: dict[tuple[object, ...], Arrays] = {}

    def reference(self, subject: Subject, model: Path) -> Arrays:
        """All compared structures in the framework's own ASE calculator."""
        return self._once((subject.name, model), lambda: _reference(subject, model))

    def compared(self, subject: Subject, ranks: int, words: str) -> Arrays:
        return self._in_lammps(subject, "compared", ranks, words, [subject.model])

    def moved(self, subject: Subject) -> Arrays:
        return self._in_lammps(subject, "moved", 1, subject.words, [subject.model])

    def slopes(self, subject: Subject) -> Arrays:
        return self._in_lammps(subject, "slopes", 1, subject.words, [subject.model])

    def committee(self, subject: Subject, ranks: int) -> Arrays:
        words = subject.reference_words or subject.words
        return self._in_lammps(subject, "committee", ranks, words, [subject.model, subject.second])

    def _once(self, key: tuple[object, ...], work: Callable[[], Arrays]) -> Arrays:
        if key not in self._found:
            self._found[key] = work()
        return self._found[key]

    def _in_lammps(self, subject: Subject, what: str, ranks: int, words: str, models: list[Path]) -> Arrays:
        key = (subject.name, what, ranks, words)
        out = self._folder / f"{len(self._found)}.npz"
        return self._once(key, lambda: _lammps(what, ranks, words, subject.elements, out, models))


def _reference(subject: Subject, model: Path) -> Arrays:
    results: Arrays = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        calculator = subject.reference(model)
        for name, build in structures.COMPARED.items():
            atoms = build(subject.elements)
            atoms.calc = calculator
            results[f"{name}/energy"] = np.array(atoms.get_potential_energy())
            results[f"{name}/forces"] = atoms.get_forces()
            if "energies" in calculator.results:
                results[f"{name}/energies"] = np.array(calculator.results["energies"]).reshape(-1)
            if all(atoms.pbc) and "stress" in calculator.results:
                results[f"{name}/stress"] = atoms.get_stress(voigt=False)
    return results


def _lammps(what: str, ranks: int, words: str, elements: tuple[str, ...], out: Path, models: list[Path]) -> Arrays:
    command = [str(Path(sys.prefix) / "bin" / "mpirun"), "-n", str(ranks), sys.executable]
    command += ["-m", "lamplighter.conformance.evaluate", what, words, ",".join(elements), str(out), *map(str, models)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=_LONGEST, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        pytest.fail(f"{ranks} ranks did not end within {_LONGEST:.0f} s: one may wait for an exchange of another")
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return dict(np.load(out))


@pytest.fixture(scope="session")
def evaluations(tmp_path_factory: pytest.TempPathFactory) -> Evaluations:
    return Evaluations(tmp_path_factory.mktemp("conformance"))
