"""Every command on two ranks says what it says on one, once; models are evaluated on both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from ase.build import bulk
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from tests.conftest import Run

import lamplighter
from lamplighter import cli

LINES = ["pair_style lj/cut 6.0", "pair_coeff * * 0.01144 3.4", "pair_modify shift yes"]

#: What each command is asked, in a folder with a run, labelled frames, and a run file that cannot work.
WORDS = {
    "build": "build wrong.yaml",
    "run": "run run.yaml --dry-run",
    "submit": "submit wrong.yaml --time 5",
    "lmp": "lmp -screen none -log none -in in.wrong",
    "campaign": "campaign list run.yaml",
    "bench": "bench --help",
    "export": "export done --for mliap",
    "events": "events done",
    "check": "check done --density 0.1 9",
    "stability": "stability done",
    "density": "density done",
    "compression": "compression done",
    "expansion": "expansion done",
    "scan": "scan --reference frames.xyz --atomic --model run.yaml",
    "diffusivity": "diffusivity done",
    "viscosity": "viscosity done",
    "conductivity": "conductivity done",
    "structure": "structure done --bin 0.1",
    "quality": "quality done",
    "label": "label frames.xyz --method nonsense -o labelled.xyz",
    "train": "train run.yaml",
    "learn": "learn run.yaml",
    "errors": "errors frames.xyz --run-file run.yaml --reference run.yaml",
    "decompose": "decompose frames.xyz --run-file wrong.yaml",
    "transfer": "transfer frames.xyz --run-file run.yaml --species elements --csv /dev/stderr",
    "extrapolation": "extrapolation check none.npz frames.xyz",
    "report": "report done --labelled frames.xyz -o page.html",
    "compile": "compile --help",
    "models": "models in.wrong",
    "doctor": "doctor --help",
    "trust": "trust none.model",
}
MORE = [
    "errors frames.xyz --run-file wrong.yaml",
    "errors frames.xyz --model frames.xyz",
    "--help",
    "nonsense",
    "run --nonsense",
]

PROGRAM = """
import os, sys
import lamplighter
from lamplighter import cli

first = os.environ.get("PMI_RANK", "0") == "0"
for words in sys.argv[1:]:
    sys.argv = ["lamplighter", *words.split()]
    for stream in (sys.__stdout__, sys.__stderr__):
        if first:
            print("====", words, file=stream, flush=True)
    try:
        cli.main()
    except SystemExit as ended:
        if first:
            print("status", ended.code, flush=True)
    sys.stdout.flush(), sys.stderr.flush()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    frames = []
    for edge in (5.2, 5.4, 5.7, 6.0):
        atoms = bulk("Ar", "fcc", a=edge, cubic=True).repeat(2)
        atoms.rattle(0.1, seed=1)
        atoms.positions = np.round(atoms.positions, 6)
        atoms.calc = LennardJones(sigma=3.4, epsilon=0.0104, rc=6.0)
        known = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
        atoms.calc = SinglePointCalculator(atoms, **known)
        frames.append(atoms)
    write(tmp_path / "frames.xyz", frames)
    content = {
        "structure": "frames.xyz",
        "potential": {"lammps": LINES},  # 10 % too strong: no difference is rounding
        "velocities": "80 K",
        "stages": [{"type": "nve", "length": "300 steps", "timestep": "4 fs"}],
    }
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(content))
    wrong = content | {"potential": {"lammps": ["pair_style lj/cut 6.0", "pair_coeff * * nonsense"]}}
    (tmp_path / "wrong.yaml").write_text(yaml.safe_dump(wrong))
    (tmp_path / "in.wrong").write_text("pair_style nonsense\n")
    lamplighter.run(tmp_path / "run.yaml", output=tmp_path / "done", progress=False)
    return tmp_path


@pytest.mark.mpi
def test_on_two_ranks_each_command_says_the_same_as_on_one(run: Run, mpirun: Run, python: Path, folder: Path) -> None:
    assert set(WORDS) == set(cli.COMMANDS)
    program = [python, "-c", PROGRAM, *WORDS.values(), *MORE]
    settings = {"COLUMNS": "120", "LAMPLIGHTER_THREADS": "1"}
    one = run(program, cwd=folder, env=settings)
    two = mpirun(2, program, cwd=folder, env=settings)
    assert one.returncode == two.returncode == 0, two.stderr
    for here, there in ((one.stdout, two.stdout), (one.stderr, two.stderr)):
        for expected, found in zip(here.split("==== "), there.split("==== "), strict=True):
            assert found == expected
