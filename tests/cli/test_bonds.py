"""A run decides once which atoms are bonded, says and keeps it; all that analyses it has the same molecules.

And a start beyond a limit of the guard is refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
import yaml
from ase import Atoms, units
from ase.build import molecule

from lamplighter import run, script_of
from lamplighter.errors import ConfigError
from lamplighter.run_folder.run import Run

from .conftest import Lamplighter

FREE = ["pair_style zero 7.0", "pair_coeff * *"]
NVE = {"type": "nve", "length": "60 steps"}


def lithium_in_formaldehyde(cells: int = 1) -> Atoms:
    """Li⁺ with four CH2O, each O at 1.95 Å; it flies off at 40 Å/ps, the solvent stands still."""
    atoms = Atoms("Li", [[0, 0, 0]])
    for axis in np.array([[1, 1, 1], [-1, -1, 1], [-1, 1, -1], [1, -1, -1]]) / np.sqrt(3):
        solvent = molecule("H2CO")
        oxygen = int(np.flatnonzero(solvent.numbers == 8)[0])
        solvent.translate(-solvent.positions[oxygen])
        solvent.rotate(solvent.get_center_of_mass(), axis)
        solvent.translate(1.95 * axis)
        atoms += solvent
    atoms.set_cell([16, 16, 16])
    atoms.pbc = True
    atoms.center()
    velocities = np.zeros((len(atoms), 3))
    velocities[0, 0] = 40.0 / (1e3 * units.fs)
    atoms.set_velocities(velocities)
    return atoms


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """`write(atoms, **sections)`: a run file without forces; the run folder is `run` beside it."""

    def written(atoms: Atoms, **sections: Any) -> Path:
        ase.io.write(tmp_path / "start.xyz", atoms)
        content = {
            "structure": {"file": "start.xyz"}, "potential": {"lammps": FREE}, "timestep": "1 fs", "stages": [NVE],
            "velocities": {"from_structure": True},
            "output": {"folder": "run", "thermo": "10 steps", "trajectory": "1 step", "restart": "never"}, **sections,
        }  # fmt: skip
        path = tmp_path / "run.yaml"
        path.write_text(yaml.safe_dump(content))
        return path

    return written


def test_an_ion_that_changes_its_solvent_breaks_no_bond(
    write: Callable[..., Path], lamplighter: Lamplighter, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = {"folder": "run", "thermo": "10 steps", "trajectory": "2 steps", "centres_of_mass": "2 steps"}
    path = write(lithium_in_formaldehyde(), guard={"bond_stretch": "0.5 A"}, output=output)
    result = run(path, progress=True)
    assert result.summary["status"] == "completed"
    folder = result.folder
    told = "Molecules of the start: 1 Li, 4 CH2O"
    assert told in capsys.readouterr().out
    assert told in (folder / "log.lammps").read_text()
    assert told in (folder / "bonds.txt").read_text()
    rule = Run(folder).bonds
    assert rule.listed is not None
    assert len(rule.listed) == 12
    assert Run(folder).centres().molecules.names == ["Li", "CH2O"]
    # the ion now is far from where it was; whoever looks at the run sees the molecules of its start
    for command in (
        ["check", folder, "--bond-stretch", "0.5"],
        ["structure", folder],
        [
            "diffusivity",
            folder,
            "--source",
            "trajectory",
            "--block",
            "20 fs",
            "--block-spacing",
            "5 fs",
            "--ballistic",
            "0",
        ],
    ):
        code, text, _ = lamplighter(*command)
        assert code == 0, text
        assert "CH2O" in text.replace("₂", "2"), text
        assert "C4H8LiO4" not in text.replace("₂", "2").replace("₄", "4").replace("₈", "8")
    code, text, _ = lamplighter("check", folder, "--bond-stretch", "0.5", "--ions", "none")
    assert code == 1
    assert "Li 1" in text


def test_what_the_user_says_of_bonds_holds_in_the_run_and_after_it(
    write: Callable[..., Path], lamplighter: Lamplighter
) -> None:
    """Told that Li–O are bonds, the guard ends the run, and check says the same from the same list."""
    path = write(lithium_in_formaldehyde(), bonds={"bonded": "Li-O"}, guard={"bond_stretch": "0.5 A"})
    result = run(path, progress=False)
    assert result.summary["stability"]["cause"] == "bond stretch"
    (event,) = [json.loads(line) for line in (result.folder / "events.jsonl").read_text().splitlines()]
    code, text, _ = lamplighter("check", result.folder, "--bond-stretch", "0.5", "--json")
    assert code == 1
    made = json.loads(text)
    assert made["molecules"].startswith("1 C4H8LiO4")
    assert made["n_bonds"] == 16
    assert made["violations"][0]["step"] == pytest.approx(event["step"], abs=1)


def test_bonds_of_a_file_are_those_of_the_run(write: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("2 3\n2 4\n")
    path = write(lithium_in_formaldehyde(), bonds={"file": "mine.txt"})
    folder = run(path, progress=False).folder
    np.testing.assert_array_equal(Run(folder).bonds.listed, [[2, 3], [2, 4]])


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"bonds": {"bonded": ["Zn-Xx"]}}, "'Zn-Xx' is no element"),
        ({"bonds": {"unbonded": ["3-99"]}, "structure": {"file": "start.xyz", "replicate": [2, 1, 1]}}, "replicate"),
        ({"bonds": {"bonded": ["3-99"]}}, "names atom 99"),
        ({"bonds": {"file": "missing.txt"}}, r"missing.txt cannot be read"),
    ],
)
def test_wrong_bonds_are_refused(
    write: Callable[..., Path], tmp_path: Path, sections: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        run(write(lithium_in_formaldehyde(), **sections), progress=False)
    assert not (tmp_path / "run").exists()


def salt(edge: float = 5.64) -> Atoms:
    from ase.build import bulk

    return bulk("NaCl", "rocksalt", edge, cubic=True) * (3, 3, 3)


NPT = {"type": "nvt", "length": "20 steps", "temperature": "300 K"}


def test_a_start_beyond_a_limit_is_refused_before_anything_runs(write: Callable[..., Path], tmp_path: Path) -> None:
    """A NaCl crystal of 2.16 g/cm³, and bounds that are meant for organic liquids."""
    path = write(salt(), guard="stability", stages=[NPT], velocities="300 K")
    with pytest.raises(ConfigError) as told:
        run(path, progress=False)
    for part in ("guard.density", "2.164 g/cm³", "0.2 to 2 g/cm³", "preset stability", "molecular liquids", "20 %"):
        assert part in str(told.value)
    assert not (tmp_path / "run").exists()
    with pytest.raises(ConfigError, match=r"guard\.density"):
        script_of(path)


def test_bounds_around_the_density_of_the_start(write: Callable[..., Path], lamplighter: Lamplighter) -> None:
    guard = {"preset": "stability", "density": "20 %"}
    result = run(write(salt(), guard=guard, stages=[NPT], velocities="10 K"), progress=False)
    assert result.summary["status"] == "completed"
    assert "density start 0.2" in result.summary["stability"]["criteria"]
    assert yaml.safe_load((result.folder / "run.yaml").read_text())["guard"]["density"] == "20 %"
    code, text, _ = lamplighter("check", result.folder)
    assert code == 0, text
    assert "density 1.73089 to 2.59634 g/cm³" in text
    code, text, _ = lamplighter("check", result.folder, "--preset", "stability")
    assert code == 1
    assert "No t_stab: the trajectory begins beyond the limit" in text


def test_other_criteria_that_the_start_violates_are_refused(write: Callable[..., Path], tmp_path: Path) -> None:
    hot = write(salt(), guard={"temperature": "250 K"}, stages=[NPT], velocities="300 K")
    with pytest.raises(ConfigError, match=r"velocities.temperature is 300 K, above the limit of 250 K"):
        run(hot, progress=False)
    fast = write(lithium_in_formaldehyde(), guard={"temperature": "100 K"})
    with pytest.raises(ConfigError, match=r"guard.temperature: the start structure .* is beyond the limit already"):
        run(fast, progress=False)
    torn = lithium_in_formaldehyde()
    torn.positions[3] += [3.0, 0, 0]
    (tmp_path / "bonds.txt").write_text("3 4\n3 5\n7 8\n7 9\n11 12\n11 13\n15 16\n15 17\n")
    sections = {"guard": {"bond_stretch": "0.5 A"}, "bonds": {"file": "bonds.txt"}}
    with pytest.raises(ConfigError, match=r"guard.bond_stretch: the start structure .*section bonds"):
        run(write(torn, **sections), progress=False)
    assert not (tmp_path / "run").exists()


def test_what_only_the_model_knows_is_refused_at_the_first_step(
    write: Callable[..., Path], lamplighter: Lamplighter
) -> None:
    """The forces of a start that was not minimised: no step is made, and nothing is said of its stability."""
    lines = ["pair_style lj/cut 7.0", "pair_coeff * * 0.01 3.0"]
    path = write(lithium_in_formaldehyde(), guard={"force": "5 eV/A"}, potential={"lammps": lines})
    with pytest.raises(ConfigError, match="beyond the limit of 'force' before a step was made"):
        run(path, progress=False)
    code, _, text = lamplighter("stability", path.parent / "run")
    assert code == 1
    assert "before a step was made" in text


def test_a_bond_criterion_that_watches_nothing_claims_no_t_stab(
    write: Callable[..., Path], lamplighter: Lamplighter, capsys: pytest.CaptureFixture[str]
) -> None:
    """An atomic system has no bond to break: neither the run, nor check, nor stability calls it stable for that."""
    from ase.build import bulk

    argon = bulk("Ar", "fcc", 5.3, cubic=True) * (3, 3, 3)
    lines = ["pair_style lj/cut 7.0", "pair_coeff * * 0.0104 3.4"]
    watched = {"potential": {"lammps": lines}, "stages": [NPT], "velocities": "50 K"}
    result = run(write(argon, guard={"bond_stretch": "0.5 A"}, **watched), progress=False)
    assert result.summary["stability"]["note"] == "there are no bonds: bond stretch 0.5 watched nothing"
    code, text, _ = lamplighter("check", result.folder)
    assert code == 3
    assert text.startswith("No t_stab: there are no bonds, so the bond criterion watched nothing")
    assert "t_stab ≥" not in text
    code, text, _ = lamplighter("check", result.folder, "--json")
    assert (code, json.loads(text)["t_stab_ps"]) == (3, None)
    assert json.loads(text)["bond_criterion_watches_nothing"]
    assert lamplighter("check", result.folder, "--density", 0.2, 3.0, "--bond-stretch", 0.5)[0] == 3
    code, _, text = lamplighter("stability", result.folder)
    assert code == 1
    assert "there are no bonds, so the bond criterion watched nothing" in text
    assert lamplighter("report", result.folder)[0] == 0
    page = (result.folder / "report.html").read_text()
    assert "no bond broke" not in page
    assert "so the bond criterion watched nothing" in page
