"""All commands that answer end alike: text, or JSON alone on standard output; `--csv` and `--figure` write files."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from ase import Atoms
from ase.build import bulk
from ase.calculators.lj import LennardJones
from ase.io import write

from lamplighter import cli

from .conftest import Lamplighter
from .test_equation_of_state import compressed, expanded
from .test_errors import EPSILON, SIGMA, run_file
from .test_quality import OPTIONS, npt, nvt
from .test_transport import pressure_tensor

Inputs = Callable[[Path], list[str]]

BLOCKS = ["--block", "2 ps", "--block-spacing", "0.5 ps", "--ballistic", "0.2 ps"]


def argon() -> list[Atoms]:
    frames = []
    for seed in range(3):
        atoms = bulk("Ar", "fcc", a=5.3 + 0.05 * seed, cubic=True)
        atoms.rattle(0.1, seed=seed)
        atoms = atoms.repeat(3)
        atoms.calc = LennardJones(sigma=SIGMA, epsilon=EPSILON, rc=6.0)
        atoms.info["energy_lj"] = atoms.get_potential_energy()
        atoms.arrays["forces_lj"] = atoms.get_forces()
        atoms.calc = None
        frames.append(atoms)
    return frames


def one_npt(folder: Path) -> list[str]:
    npt(folder / "npt_0", 0)
    return ["npt_0"]


def one_nvt(folder: Path) -> list[str]:
    nvt(folder / "nvt_0", 0)
    return ["nvt_0", "--discard", "1 ps"]


def fluctuating(folder: Path) -> list[str]:
    nvt(folder / "nvt_0", 0)
    pressure_tensor(folder / "nvt_0")
    return ["nvt_0", "--discard", "1 ps"]


def committee(folder: Path) -> list[str]:
    npt(folder / "npt_1", 1)
    npt(folder / "ref_0", 2)
    return ["npt_1", "--reference", "ref_0", *OPTIONS]


def compression(folder: Path) -> list[str]:
    compressed(folder / "compressed")
    return ["compressed"]


def expansion(folder: Path) -> list[str]:
    expanded(folder / "expanded", [490.0, 500.0, 510.0])
    return ["expanded", "--discard", "0"]


def labelled(folder: Path) -> list[str]:
    write(folder / "argon.xyz", argon())
    return ["argon.xyz", "--run-file", str(run_file(folder / "lj.yaml", 1.1 * EPSILON))]


def to_label(folder: Path) -> list[str]:
    write(folder / "argon.xyz", argon()[:1])
    options = ["--option", f"sigma={SIGMA}", "--option", f"epsilon={EPSILON}", "--workers", "1"]
    return ["argon.xyz", "--method", "ase.calculators.lj:LennardJones", "-o", "labelled.xyz", *options]


def liquid(folder: Path) -> list[str]:
    write(folder / "liquid.xyz", argon()[0])
    run_file(folder / "lj.yaml", EPSILON)
    return ["liquid.xyz", "--atomic", "--density", "1.0:1.8:4", "--model", "lj.yaml"]


ANSWERS: dict[str, Inputs] = {
    "density": one_npt,
    "stability": one_npt,
    "check": lambda folder: [one_nvt(folder)[0] + "/trajectory.lammpstrj.gz", "--density", "0.01", "2"],
    "report": one_npt,
    "compression": compression,
    "expansion": expansion,
    "diffusivity": lambda folder: [*one_nvt(folder), *BLOCKS],
    "viscosity": fluctuating,
    "conductivity": lambda folder: [*one_nvt(folder), *BLOCKS, "--charges", "H2O=1,CH4=-2"],
    "structure": lambda folder: [*one_nvt(folder), "--every", "5"],
    "quality": committee,
    "label": to_label,
    "errors": labelled,
    "transfer": lambda folder: [*labelled(folder), "--species", "elements"],
    "scan": liquid,
}

OTHERS = {
    "run": "prints the course of a run",
    "lmp": "is LAMMPS",
    "submit": "writes a job script: tests/cluster",
    "bench": "takes minutes, and writes files of its own: tests/scaling",
    "campaign": "has commands of its own: tests/campaign",
    "export": "writes a folder: tests/exporting",
    "build": "writes a folder: tests/building",
    "events": "prints lines of which each is JSON: tests/cli/test_events.py",
    "compile": "writes a file",
    "train": "takes minutes, and writes a folder: tests/training",
    "learn": "takes minutes, and writes a folder: tests/learning",
    "trust": "writes a list",
    "doctor": "looks at the machine: tests/doctor",
    "models": "reads model files: tests/cli/test_models.py",
    "decompose": "needs molecules: tests/cli/test_errors.py",
    "extrapolation": "has commands of its own: tests/cli/test_errors.py",
}
PLAIN = {"report"}
"""Those that write files of their own."""


def options_of(name: str) -> dict[str, Any]:
    command = typer.main.get_command(cli._app(name)).commands[name]
    return {each.opts[0]: each for each in command.params}


def test_all_commands_are_told_apart_by_how_they_end() -> None:
    assert {*ANSWERS, *OTHERS} == set(cli.COMMANDS)
    for name in ANSWERS:
        options = options_of(name)
        assert options["--json"].help == "Print the answer as JSON, in place of text."
        if name not in PLAIN:
            assert options["--csv"].help == options_of("density")["--csv"].help
        if "--figure" in options:
            assert options["--figure"].help.startswith("Draw ")
            assert options["--figure"].help.endswith(" into this file.")


@pytest.mark.parametrize("name", ANSWERS)
def test_a_command_prints_text_or_json_and_writes_files(name: str, lamplighter: Lamplighter, tmp_path: Path) -> None:
    words = [name, *ANSWERS[name](tmp_path)]
    inputs = set(tmp_path.iterdir())
    code, out, err = lamplighter(*words, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)
    files = []
    if name not in PLAIN:
        files += ["--csv", "table.csv"]
    if "--figure" in options_of(name):
        files += ["--figure", "figure.png"]
    code, out, err = lamplighter(*words, *files)
    assert (code, err) == (0, "")
    with pytest.raises(ValueError, match=r"Expecting|Extra data"):
        json.loads(out)
    written = set(tmp_path.iterdir()) - inputs
    assert ("figure.png" in {path.name for path in written}) is ("--figure" in files)
    tables = [path for path in written if path.suffix == ".csv"]
    assert bool(tables) is ("--csv" in files)
    for table in tables:
        with table.open(encoding="utf-8") as file:
            header, *rows = csv.reader(file)
        assert rows or name == "check"  # which finds no violation
        assert all(len(row) == len(header) for row in rows)
    if name == "stability":
        code, _, err = lamplighter(*words, "--figure", "nowhere/figure.png")
        assert (code, err.count("--figure nowhere/figure.png cannot be written")) == (1, 1)
