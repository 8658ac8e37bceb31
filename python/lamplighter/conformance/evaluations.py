"""What LAMMPS and the reference find of a potential, evaluated once for each number of ranks, and kept."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.stress import voigt_6_to_full_3x3_stress

from lamplighter.conformance import structures
from lamplighter.conformance.measurements import Arrays, Job
from lamplighter.conformance.subject import Subject
from lamplighter.errors import LamplighterError
from lamplighter.potentials import registry
from lamplighter.potentials.interface import LoadOptions, Potential

_LONGEST = 800.0  # s, one start of LAMMPS
#: An element of which no potential knows.
UNKNOWN = "Og"
#: Structures on which `dtype float32` is tried.
SINGLE = ("liquid", "slab", "dimer_and_lone_atom", "smaller_than_cutoff_triclinic")


class Evaluations:
    """Starting a framework on several ranks takes seconds, so everything is evaluated in one start, and kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._starts: dict[tuple[str, int], _Start] = {}
        self._references: dict[tuple[str, int], Arrays] = {}
        self._loaded: dict[str, Potential] = {}

    def found(self, subject: Subject, ranks: int, name: str) -> Arrays:
        """The result of a measurement in LAMMPS."""
        return self._start(subject, ranks).result(name)

    def reference(self, subject: Subject) -> Arrays:
        """All compared structures with the reference's calculator."""
        return self._reference(subject, 0, list(structures.COMPARED))

    def reference_of_second(self, subject: Subject) -> Arrays:
        """`slab` with the second model."""
        return self._reference(subject, 1, ["slab"])

    def loaded(self, subject: Subject) -> Potential:
        """The first model, of those that `pair_style lamplighter` evaluates, in this process."""
        if subject.name not in self._loaded:
            self._loaded[subject.name] = _loaded(subject)
        return self._loaded[subject.name]

    def close(self) -> None:
        for start in self._starts.values():
            start.kill()

    def _start(self, subject: Subject, ranks: int) -> _Start:
        key = (subject.name, ranks)
        if key not in self._starts:
            folder = self._folder / f"{re.sub(r'[^a-zA-Z0-9]', '_', subject.name)}-{ranks}"
            folder.mkdir()
            cutoff = subject.cutoff
            if cutoff is None:
                if subject.lines is not None:
                    raise LamplighterError(f"the subject {subject.name} has `lines` and needs `cutoff`, in Å, as well")
                cutoff = self.loaded(subject).cutoff
            self._starts[key] = _Start(jobs_of(subject, ranks, cutoff), ranks, folder)
        return self._starts[key]

    def _reference(self, subject: Subject, number: int, names: Sequence[str]) -> Arrays:
        key = (subject.name, number)
        if key not in self._references:
            self._start(subject, min(subject.ranks))  # meanwhile, in the background
            self._references[key] = _reference(subject, (subject.model, subject.second)[number], names)
        return self._references[key]


def jobs_of(subject: Subject, ranks: int, cutoff: float) -> list[Job]:
    """What is measured on a number of ranks: everything on the least, what ranks could change on more."""
    elements = subject.elements
    virials = "virials_of_atoms_are_those_of_the_reference" not in subject.without
    alone = Job("", "", subject.alone(elements), elements, elements, virials=virials)
    compared = replace(alone, name="compared", work="several_structures", names=list(structures.COMPARED))
    jobs = [compared]
    if ranks <= 2:
        jobs.append(replace(alone, name="resumed", work="resumed"))
        if "variances_of_a_committee_are_those_of_its_members" not in subject.without:
            style, lines = subject.committee_style, subject.committee()
            jobs.append(replace(alone, name="committee", work="committee", lines=lines, style=style))
        if subject.single is not None:
            lines = subject.alone(elements, "dtype float32")
            jobs.append(replace(compared, name="single", names=SINGLE, lines=lines))
        if subject.through_bridge and "pairs_made_where_the_model_runs_give_the_same" not in subject.without:
            jobs.append(replace(compared, name="pairs_in_model", environment={"LAMPLIGHTER_PAIRS": "model"}))
    if ranks > min(subject.ranks):
        return jobs
    backward = elements[::-1]
    lines = subject.alone(backward)
    jobs.append(replace(compared, name="reversed", names=["liquid"], lines=lines, elements=backward))
    jobs.append(replace(compared, name="moved", names=list(structures.MOVED)))
    jobs += [replace(alone, name=work, work=work) for work in ("slopes", "strains", "energy_in_time")]
    if "energy_and_forces_are_continuous_at_the_cutoff" not in subject.without:
        jobs.append(replace(alone, name="across_cutoff", work="across_cutoff", cutoff=cutoff))
    if "an_element_that_it_does_not_know_is_refused" not in subject.without:
        with_unknown = (*elements, UNKNOWN)
        lines = subject.alone(with_unknown)
        jobs.append(replace(alone, name="refused", work="refused", lines=lines, elements=with_unknown))
    return jobs


def _loaded(subject: Subject) -> Potential:
    words = dict(zip(*[iter(subject.words.split())] * 2, strict=True))
    options = LoadOptions(elements=subject.elements, dtype=words.get("dtype", "auto"), head=words.get("head"))
    kind = words.get("kind", "auto")
    potential_class = registry.recognise(subject.model) if kind == "auto" else registry.load_kind(kind)
    return potential_class.load(subject.model, options)


def _reference(subject: Subject, model: Any, names: Sequence[str]) -> Arrays:
    results: Arrays = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        calculator = subject.reference(model)
        for name in names:
            atoms = structures.ALL[name](subject.elements)
            atoms.calc = calculator
            results[f"{name}/energy"] = np.array(atoms.get_potential_energy())
            results[f"{name}/forces"] = np.array(atoms.get_forces(), dtype=np.float64)
            if "energies" in calculator.results:
                results[f"{name}/energies"] = np.array(calculator.results["energies"], dtype=np.float64).reshape(-1)
            if all(atoms.pbc) and "stress" in calculator.implemented_properties:
                results[f"{name}/stress"] = atoms.get_stress(voigt=False)
                if "stresses" in calculator.results:
                    stresses = np.array(calculator.results["stresses"])
                    if stresses.shape[-1] == 6:
                        stresses = np.array([voigt_6_to_full_3x3_stress(stress) for stress in stresses])
                    results[f"{name}/virials"] = -stresses * atoms.get_volume()
    return results


class _Start:
    """LAMMPS on some ranks, which works through jobs in the background."""

    def __init__(self, jobs: list[Job], ranks: int, folder: Path) -> None:
        self._ranks = ranks
        self._folder = folder
        self._began = time.monotonic()
        listed = folder / "jobs.json"
        listed.write_text(json.dumps([asdict(job) for job in jobs]))
        command = [Path(sys.prefix) / "bin" / "mpirun", "-n", ranks, sys.executable]
        command += ["-m", "lamplighter.conformance.evaluate", listed, folder]
        with (folder / "output").open("w") as output:
            self._process = subprocess.Popen(
                [str(word) for word in command],
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def result(self, name: str) -> Arrays:
        try:
            self._process.wait(max(1.0, _LONGEST - (time.monotonic() - self._began)))
        except subprocess.TimeoutExpired:
            self.kill()
            pytest.fail(
                f"{self._ranks} ranks did not end in {_LONGEST:.0f} s: does one wait for an exchange of another?"
            )
        error, found = self._folder / f"{name}.error", self._folder / f"{name}.npz"
        if error.exists():
            pytest.fail(f"on {self._ranks} ranks:\n{error.read_text()}")
        if not found.exists():
            pytest.fail(f"{self._ranks} ranks ended before it:\n{(self._folder / 'output').read_text()[-3000:]}")
        return dict(np.load(found))

    def kill(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
