"""A program that is asked by files: what is written, what is read, and what is refused.

The programs here are stand-ins, which compute with tblite or EMT and write formats of real programs.
"""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from tblite.ase import TBLite

import lamplighter as ll
from lamplighter.labelling.command import CommandEvaluator
from lamplighter.labelling.command_file import read_command_file
from lamplighter.labelling.cp2k_output import read_cp2k_output
from lamplighter.labelling.electrons import OfSilentFrames, electrons_of
from lamplighter.labelling.template import by_element, filled
from lamplighter.structures.labelled_frames import read_labelled

from .conftest import ORCA, ORCA_TEMPLATE, molecules, written

PYTHON = shlex.quote(sys.executable)


def command_file(folder: Path, template: str = ORCA_TEMPLATE, **changes: Any) -> Path:
    (folder / "orca.inp").write_text(template)
    (folder / "orca.py").write_text(ORCA)
    content = {
        "command": f"{PYTHON} {shlex.quote(str(folder / 'orca.py'))} frame.inp > frame.out",
        "inputs": {"frame.inp": "orca.inp"},
        "output": "frame.out",
        "format": "orca-output",
        "description": "wB97X-D4/def2-TZVP",
        "version": "6.0.1",
    }
    path = folder / "orca.yaml"
    path.write_text(yaml.safe_dump({key: value for key, value in (content | changes).items() if value is not None}))
    return path


def test_the_output_of_a_program_becomes_labels_of_the_frames_own_atoms(tmp_path: Path) -> None:
    frames = [*molecules(), Atoms("Ne"), bulk("Ne", "fcc", a=4.4)]
    written(tmp_path / "frames.xyz", frames)
    made = ll.label(tmp_path / "frames.xyz", command_file(tmp_path), tmp_path / "lab.xyz", progress=False)
    found = read_labelled(tmp_path / "lab.xyz")
    assert len(found) == 4
    for atoms, labels, (charge, multiplicity) in zip(
        molecules(), found.labels, [(0, 1), (-1, 1), (0, 2), (0, 1)], strict=True
    ):
        atoms.calc = TBLite(method="GFN2-xTB", charge=charge, multiplicity=multiplicity, verbosity=0)
        assert labels.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-6)
        np.testing.assert_allclose(labels.forces, atoms.get_forces(), atol=1e-5)
    why = [each.why for each in made.failures]
    assert "the command failed (exit status 1); it said last: ORCA finished by error termination" in why[0]
    assert "the frame is periodic, and no template holds a placeholder of its cell" in why[1]
    assert (tmp_path / "lab.frames" / "00003" / "frame.inp").read_text().splitlines()[1] == "* xyz 0 1"
    assert made.provenance["versions"]["program"] == "6.0.1"


CRYSTAL = """
import sys
from ase.calculators.emt import EMT
from ase.io import read, write
atoms = read("POSCAR", format="vasp")
atoms.calc = EMT()
atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()
write("out.xyz", atoms, format="extxyz")
"""
POSCAR = "frame {{frame}}\n1.0\n{{cell}}\n{{elements}}\n{{counts}}\nCartesian\n{{positions}}\n"


def test_a_periodic_frame_has_its_stress_and_its_order_of_atoms(tmp_path: Path) -> None:
    (tmp_path / "crystal.py").write_text(CRYSTAL)
    atoms = bulk("Cu", "fcc", a=3.7, cubic=True).repeat((2, 1, 1))
    atoms.symbols[[1, 4]] = "Au"
    atoms.rattle(0.05, seed=1)
    command = f"{PYTHON} {shlex.quote(str(tmp_path / 'crystal.py'))} {{{{elements}}}}"
    (tmp_path / "poscar.in").write_text(POSCAR)
    changes = {"inputs": {"POSCAR": "poscar.in"}, "output": "out.xyz", "format": "extxyz", "command": command}
    method = read_command_file(command_file(tmp_path, **changes))
    labels = CommandEvaluator(method, tmp_path / "folders").evaluate(atoms)
    atoms.calc = EMT()
    assert labels.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-6)
    np.testing.assert_allclose(labels.forces, atoms.get_forces(), atol=1e-6)
    np.testing.assert_allclose(labels.stress, atoms.get_stress(voigt=False), atol=1e-7)
    text = (tmp_path / "folders" / "00000" / "POSCAR").read_text().splitlines()
    assert text[5:7] == ["Cu Au", "6 2"]
    assert method.refusal(molecules()[0]) == (
        "its templates hold the cell, and the frame is not periodic in all directions"
    )


CP2K = """
import sys
from ase import Atoms, units
from ase.calculators.emt import EMT
words = [line.split() for line in open(sys.argv[1])]
cell = [[float(x) for x in row[1:]] for axis in "ABC" for row in words if row[:1] == [axis]]
first, last = words.index(["&COORD"]), words.index(["&END", "COORD"])
rows = words[first + 1 : last]
atoms = Atoms([row[0] for row in rows], [[float(x) for x in row[1:]] for row in rows], cell=cell, pbc=True)
atoms.calc = EMT()
energy, forces = atoms.get_potential_energy() / units.Hartree, atoms.get_forces() * units.Bohr / units.Hartree
assert any(row[:2] == ["&KIND", "Cu"] for row in words)
new = sys.argv[2] == "2025"
for axis, vector in zip("abc", cell):
    print(f" CELL| Vector {axis} [angstrom]:   " + "".join(f"{x:12.6f}" for x in vector) + "   |a| = 1.0")
print("\\n MODULE QUICKSTEP: ATOMIC COORDINATES IN ANGSTROM\\n")
print("   Atom Kind Element         X             Y             Z       Z(eff)     Mass")
for n, atom in enumerate(atoms, 1):
    print(f"{n:7d}    1 {atom.symbol:2s} {atom.number:3d}", *(f"{x:13.6f}" for x in atom.position), " 11.0 63.5460")
print(" *** SCF run converged in    10 steps ***" if sys.argv[3] == "yes" else " *** WARNING *** SCF run NOT converged")
print(f" ENERGY| Total FORCE_EVAL ( QS ) energy {'[hartree]' if new else '[a.u.]:'} {energy:22.15f}")
print("\\n FORCES| Atomic forces [hartree/bohr]" if new else "\\n ATOMIC FORCES in [a.u.]\\n")
print(" FORCES|   Atom     x     y     z     |f|" if new else " # Atom   Kind   Element    X      Y      Z")
for n, (atom, force) in enumerate(zip(atoms, forces), 1):
    row = " ".join(f"{x:15.8E}" for x in force)
    print(f" FORCES|{n:7d} {row} 0.0" if new else f"{n:7d} 1 {atom.symbol:2s} {row}")
print(" FORCES| Sum 0.0 0.0 0.0 0.0" if new else " SUM OF ATOMIC FORCES  0.0 0.0 0.0 0.0")
unit = ("bar", 1e5 * units.Pascal) if new else ("GPa", units.GPa)
print(f"\\n STRESS| Analytical stress tensor [{unit[0]}]\\n STRESS|      x      y      z")
for axis, row in zip("xyz", atoms.get_stress(voigt=False)):
    print(f" STRESS|  {axis}", *(f"{-x / unit[1]:20.11E}" for x in row))
print(" STRESS| 1/3 Trace   0.0")
"""


def cp2k_of_the_page() -> tuple[str, str]:
    """The command file and the template of docs/how_to/label.md."""
    text = (Path(__file__).parents[2] / "docs" / "how_to" / "label.md").read_text(encoding="utf-8")
    after = text[text.index("# cp2k.yaml") :].split("```")
    return after[0], after[2].removeprefix("text\n")


def test_the_template_of_cp2k_is_filled_and_both_forms_of_its_output_are_read(tmp_path: Path) -> None:
    (tmp_path / "cp2k.py").write_text(CP2K)
    atoms = bulk("Cu", "fcc", a=3.7, cubic=True)
    atoms.symbols[2] = "Au"
    atoms.rattle(0.05, seed=1)
    atoms.set_cell(atoms.cell @ (np.eye(3) + 0.02 * np.tri(3)), scale_atoms=True)
    atoms.calc = EMT()
    content, template = cp2k_of_the_page()
    keys = yaml.safe_load(content)
    kind = keys["by_element"]["kinds"]["H"]
    assert kind.splitlines()[0].strip() == "&KIND H"
    kinds = {"kinds": {name: kind.replace("KIND H", f"KIND {name}") for name in ("Cu", "Au")}}
    program = f"{PYTHON} {shlex.quote(str(tmp_path / 'cp2k.py'))} frame.cp2k"
    for version, converged in (("2024", "yes"), ("2025", "yes"), ("2025", "no")):
        command = f"{program} {version} {converged} > frame.out"
        changes = {**keys, "inputs": {"frame.cp2k": "orca.inp"}, "by_element": kinds, "command": command}
        method = read_command_file(command_file(tmp_path, template, **changes))
        evaluator = CommandEvaluator(method, tmp_path / "folders")
        if converged == "no":
            with pytest.raises(ll.LamplighterError, match=r"frame\.out cannot be used: CP2K says that the SCF"):
                evaluator.evaluate(atoms)
            continue
        labels = evaluator.evaluate(atoms)
        assert labels.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-5)
        np.testing.assert_allclose(labels.forces, atoms.get_forces(), atol=1e-5)
        np.testing.assert_allclose(labels.stress, atoms.get_stress(voigt=False), atol=1e-6)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it holds no atomic coordinates in Å: does the input say PRINT_LEVEL MEDIUM?"),
        ("ATOMIC COORDINATES IN angstrom\n 1 1 H 1 0.0 0.0 0.0 1.0 1.0\n", "it holds no cell vector a in Å"),
    ],
)
def test_an_output_of_cp2k_that_lacks_something_is_told(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "out").write_text(text)
    with pytest.raises(ll.LamplighterError, match=re.escape(said)):
        read_cp2k_output(tmp_path / "out")


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("true", "the command ended without frame.out"),
        ("echo half > frame.out", "ASE cannot read frame.out"),
        ("kill -9 $$", "the command failed (signal SIGKILL)"),
        ("sleep 60 & sleep 60", "took longer than its timeout of 0.5 s"),
        ("cp ../moved.xyz frame.out", "are up to 0.5 Å from where the frame has them"),
        ("cp ../bare.xyz frame.out", "ASE finds no energy in frame.out"),
    ],
)
def test_a_program_that_leaves_something_else_is_told_so(script: str, said: str, tmp_path: Path) -> None:
    water = molecules()[0]
    folders = tmp_path / "folders"
    folders.mkdir()
    moved = water.copy()
    moved.positions[0] += [0.75, 0, 0]  # 0.5 Å once the mean is taken away
    written(folders / "moved.xyz", [moved])
    written(folders / "bare.xyz", [water])
    kind = "extxyz" if "cp" in script else "orca-output"
    method = read_command_file(command_file(tmp_path, command=script, timeout="0.5s", format=kind))
    with pytest.raises(ll.LamplighterError) as problem:
        CommandEvaluator(method, folders).evaluate(water)
    assert said in str(problem.value)


@pytest.mark.parametrize(
    ("template", "changes", "said"),
    [
        ("{{atom}}", {}, "unknown placeholder {{atom}}; known are atoms, "),
        (ORCA_TEMPLATE, {"inputs": {"frame.inp": "gone.inp"}}, "gone.inp cannot be read"),
        (
            ORCA_TEMPLATE,
            {"inputs": {"../frame.inp": "orca.inp"}},
            "must be the name of a file in the folder of a frame",
        ),
        (ORCA_TEMPLATE, {"format": "orca"}, "reads no 'orca'"),
        (ORCA_TEMPLATE, {"format": "cp2k"}, "(`ase info --formats` lists all), and Lamplighter reads cp2k-output"),
        (ORCA_TEMPLATE, {"timeout": "5"}, "could be seconds, minutes or hours"),
        (ORCA_TEMPLATE, {"outputs": "x"}, "unknown key (did you mean 'output'?)"),
        (ORCA_TEMPLATE, {"output": None}, "output: is required"),
        (ORCA_TEMPLATE, {"command": "no_such_program frame.inp"}, "there is no program 'no_such_program' on the PATH"),
    ],
)
def test_bad_command_files(template: str, changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = command_file(tmp_path, template, **changes)
    with pytest.raises(ll.LamplighterError) as problem:
        read_command_file(path).require_possible()
    assert said in str(problem.value)


def test_a_line_for_each_element_and_atoms_by_element() -> None:
    atoms = Atoms("HOHC", [[0, 0, n] for n in range(4)], cell=[4, 5, 6], pbc=True)
    given = atoms[by_element(atoms)]
    assert "".join(given.symbols) == "HHOC"
    lines = {"species": {"H": "H 1.008 H.UPF", "O": "O 15.999 O.UPF", "C": "C 12.011 C.UPF"}}
    text = filled("{{species}}|{{n_elements}} {{n_atoms}}|{{cell_b}}", given, electrons_of(atoms), 7, lines)
    assert text == ("H 1.008 H.UPF\nO 15.999 O.UPF\nC 12.011 C.UPF|3 4|0.0000000000 5.0000000000 0.0000000000")


def test_charge_and_spin_are_stated_and_never_guessed() -> None:
    water, hydroxide, methyl, _ = molecules()
    assert (electrons_of(water).charge, electrons_of(water).multiplicity) == (0, 1)
    assert electrons_of(hydroxide).charge == -1
    assert electrons_of(water, OfSilentFrames(-2, 3)).multiplicity == 3
    assert electrons_of(hydroxide, OfSilentFrames(1)).charge == -1
    methyl.info.clear()
    methyl.set_initial_magnetic_moments([1.0, 0, 0, 0])
    assert electrons_of(methyl).multiplicity == 2
    for info, said in (
        ({"charge": 0.5}, "states charge=0.5, which is no whole number"),
        ({"spin": 1}, "is the multiplicity to some programs"),
        ({"charge": 1}, "cannot be of multiplicity 1"),
        ({"multiplicity": 0}, "must be 1 at least"),
    ):
        other = water.copy()
        other.info |= info
        with pytest.raises(ll.StructureError, match=said):
            electrons_of(other)
    water.set_initial_charges([0.2, 0.1, 0.1])
    with pytest.raises(ll.StructureError, match=r"initial_charges that add up to 0\.4"):
        electrons_of(water)
