"""`lamplighter check` against `fix guard`: two programs that share no code name the same step, criterion and atoms.

Each test runs LAMMPS with the fix and a dump of every step, and then holds the dump against the same criteria.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
import yaml
from tests.conftest import PROGRAMS, Run

EXAMPLE = Path(__file__).parents[2] / "examples" / "ec_emc"
RANKS = [1, 2]
HEADER = "units metal\natom_style atomic\natom_modify map yes\n"
FREE = "pair_style zero 6.0\npair_coeff * *\ntimestep 0.001\nfix move all nve\nthermo 10\n"
DUMP = (
    "dump all all custom 1 all.lammpstrj id type element xu yu zu vx vy vz fx fy fz\n"
    "dump_modify all format float %.15g element {elements}\n"
)

pytestmark = pytest.mark.mpi


def on_line(run: Run, folder: Path, script: str, ranks: int = 1, ends_well: bool = True) -> list[dict[str, Any]]:
    """The events of a script that has the fix write them to events.jsonl."""
    (folder / "in.lmp").write_text(script)
    words: list[str | Path] = [PROGRAMS / "lmp", "-in", "in.lmp", "-log", "none"]
    done = run([PROGRAMS / "mpirun", "-n", str(ranks), *words] if ranks > 1 else words, cwd=folder)
    assert done.returncode == 0 or not ends_well, done.stdout
    (folder / "screen.txt").write_text(done.stdout)
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


def off_line(run: Run, folder: Path, words: Sequence[str], trajectory: str = "all.lammpstrj") -> dict[str, Any]:
    done = run([PROGRAMS / "lamplighter", "check", trajectory, *words, "--json"], cwd=folder)
    assert done.returncode in (0, 1), done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (1 if result["violations"] else 0)
    return result


def assert_same(event: dict[str, Any], violation: dict[str, Any]) -> None:
    assert (violation["step"], violation["criterion"]) == (event["step"], event["criterion"])
    assert violation["limit"] == event["limit"]
    assert violation["value"] == pytest.approx(event["value"], rel=2e-6)
    pair = 2 if event["criterion"].startswith("bond") else 1
    named = [
        {tuple(sorted(each["atoms"][k : k + pair])) for k in range(0, len(each["atoms"]), pair)}
        for each in (event, violation)
    ]
    assert named[0] == named[1]
    assert sorted(event["elements"]) == sorted(violation["elements"])


def two_pairs() -> str:
    """Two C-C pairs, of 1.4 Å flying apart at 4.9 Å/ps and of 1.6 Å at 4.7 Å/ps, each across the edge of a rank."""
    return (
        f"{HEADER}boundary p p p\nregion box block 0 20 0 12 0 12\ncreate_box 2 box\nmass 1 12.011\nmass 2 15.999\n"
        "create_atoms 1 single 9.3 3 5\ncreate_atoms 1 single 10.7 3 5\n"
        "create_atoms 1 single 19.2 9 5\ncreate_atoms 1 single 0.8 9 5\ncreate_atoms 2 single 3 2 1\n"
        f"{FREE}group a id 1\ngroup b id 2\ngroup c id 3\ngroup d id 4\nvelocity all set 0 0 0\n"
        "velocity a set -2.45 0 0\nvelocity b set 2.45 0 0\nvelocity c set -2.35 0 0\nvelocity d set 2.35 0 0\n"
        + DUMP.format(elements="C O")
    )


@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize(
    ("fix", "options", "step", "atoms"),
    [
        ("bond stretch 0.5", ["--bond-stretch", "0.5"], 86, [3, 4]),  # 1.6 + 4.7 t against the mean of 1.5
        ("bond stretch 0.5 reference initial", ["--bond-stretch", "0.5", "--reference", "initial"], 103, [1, 2]),
        ("bond ratio 1.5", ["--bond-ratio", "1.5"], 139, [3, 4]),
        ("bond ratio 1.5 reference lengths.txt", ["--bond-ratio", "1.5", "--reference", "lengths.txt"], 107, [3, 4]),
        ("bond stretch 0.5 bonds bonds.txt", ["--bond-stretch", "0.5", "--bonds", "bonds.txt"], 103, [1, 2]),
    ],
)
def test_the_first_long_bond(
    run: Run, tmp_path: Path, ranks: int, fix: str, options: list[str], step: int, atoms: list[int]
) -> None:
    (tmp_path / "lengths.txt").write_text("C C 1.4  # shorter than any\n")
    (tmp_path / "bonds.txt").write_text("# the first pair alone\n2 1\n")
    (event,) = on_line(run, tmp_path, f"{two_pairs()}fix g all guard 1 {fix} event events.jsonl\nrun 1000\n", ranks)
    assert (event["step"], event["atoms"]) == (step, atoms)
    result = off_line(run, tmp_path, [*options, "--timestep", "1 fs"])
    (violation,) = result["violations"]
    assert_same(event, violation)
    assert violation["frame"] == event["step"]
    assert violation["reference_length"] == pytest.approx(event["reference_length"])
    assert result["t_stab_ps"] == pytest.approx(event["time"])
    assert result["last_good_ps"] == pytest.approx(event["time"] - 0.001)


@pytest.fixture
def liquid(tmp_path: Path) -> str:
    """160 atoms of EC and EMC in a tilted box, without forces at 900 K: every molecule comes apart in a while."""
    atoms = ase.io.read(EXAMPLE / "structures" / "ec_emc_160.xyz")
    shear = np.array([[1.0, 0.0, 0.0], [0.12, 1.0, 0.0], [-0.08, 0.1, 1.0]])
    atoms.set_cell(atoms.cell.array @ shear, scale_atoms=True)
    atoms.wrap()
    ase.io.write(tmp_path / "liquid.data", atoms, format="lammps-data", specorder=["H", "C", "O"], masses=True)
    return (
        f"{HEADER}boundary p p p\nread_data liquid.data\n{FREE}neigh_modify every 1 delay 0 check yes\n"
        "velocity all create 900 7 loop geom\n" + DUMP.format(elements="H C O")
    )


@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize("reference", ["mean", "initial"])
def test_all_that_happens_to_a_liquid_in_a_tilted_box(
    run: Run, tmp_path: Path, liquid: str, ranks: int, reference: str
) -> None:
    """Many kinds of bonds, wrapped molecules, and atoms that change ranks; then every event of a whole run."""
    script = (
        f"{liquid}fix g all guard 1 bond stretch 0.5 bond ratio 1.6 reference {reference} temperature 800 "
        "action record event events.jsonl\nrun 60\n"
    )
    events = on_line(run, tmp_path, script, ranks)
    assert [event["criterion"] for event in events[:2]] == ["temperature", "bond stretch"]
    words = ["--bond-stretch", "0.5", "--bond-ratio", "1.6", "--reference", reference, "--temperature", "800", "--all"]
    result = off_line(run, tmp_path, words)
    assert f"watching {result['n_bonds']} bonds" in (tmp_path / "screen.txt").read_text()
    assert result["n_bonds"] > 120
    assert result["n_frames"] == 61
    assert len(result["violations"]) == len(events)
    for event, violation in zip(events, result["violations"], strict=True):
        assert_same(event, violation)


@pytest.mark.parametrize("ranks", RANKS)
def test_each_kind_of_bond_has_its_own_mean(run: Run, tmp_path: Path, liquid: str, ranks: int) -> None:
    """Only oxygen moves, so that C=O and the C-O of carbonate and of alkyl groups break: three kinds, three means."""
    script = (
        f"{liquid}group rest type 1 2\nvelocity rest set 0 0 0\n"
        "fix g all guard 1 bond stretch 0.3 action record event events.jsonl\nrun 60\n"
    )
    (event,) = on_line(run, tmp_path, script, ranks)
    result = off_line(run, tmp_path, ["--bond-stretch", "0.3"])
    (violation,) = result["violations"]
    assert_same(event, violation)
    assert event["elements"] in (["C", "O"], ["O", "C"])
    assert violation["reference_length"] == pytest.approx(event["reference_length"], rel=1e-9)
    other = off_line(run, tmp_path, ["--bond-stretch", "0.3", "--reference", "initial"])["violations"][0]
    assert other["reference_length"] != pytest.approx(event["reference_length"], rel=1e-4)


def test_two_criteria_at_one_step_come_in_the_same_order(run: Run, tmp_path: Path) -> None:
    """1.5 Å and a half, and a third more than 1.5 Å, are the same length."""
    words = "bond ratio 1.3333 bond stretch 0.49995"
    events = on_line(run, tmp_path, f"{two_pairs()}fix g all guard 1 {words} event events.jsonl\nrun 1000\n")
    assert [(event["step"], event["criterion"]) for event in events] == [(86, "bond stretch"), (86, "bond ratio")]
    result = off_line(run, tmp_path, ["--bond-ratio", "1.3333", "--bond-stretch", "0.49995"])
    for event, violation in zip(events, result["violations"], strict=True):
        assert_same(event, violation)


@pytest.mark.parametrize("ranks", RANKS)
def test_density_of_a_tilted_box_that_grows(run: Run, tmp_path: Path, liquid: str, ranks: int) -> None:
    script = (
        f"{liquid}fix grow all deform 1 x scale 2.0 y scale 1.5 remap x flip no\n"
        "fix g all guard 1 density 0.5 2.0 event events.jsonl\nrun 300\n"
    )
    (event,) = on_line(run, tmp_path, script, ranks)
    assert event["step"] > 10
    # by their masses in the data file, as LAMMPS has them, and by the standard ones
    for words in (["--start", "liquid.data"], []):
        result = off_line(run, tmp_path, ["--density", "0.5", "2.0", *words])
        assert_same(event, result["violations"][0])


@pytest.mark.parametrize("ranks", RANKS)
def test_force_temperature_and_energy(run: Run, tmp_path: Path, ranks: int) -> None:
    """A force on one atom that grows with time. Energies are in an extended XYZ file: dumps have none."""
    script = (
        f"{two_pairs()}velocity all set 0 0 0\nvelocity a set 0.01 0 0\nvariable push equal 0.02*step\n"
        "fix push d addforce v_push 0 0\n"
        "fix g all guard 1 force 1.01 temperature 100 energy 0.01 action record event events.jsonl\n"
        "fix p all print 1 '$(step) $(pe:%.15g)' file energies.txt screen no\nrun 100\n"
    )
    events = on_line(run, tmp_path, script, ranks)
    assert {event["criterion"] for event in events} == {"force", "temperature", "energy"}
    assert next(event for event in events if event["criterion"] == "force")["step"] == 51
    frames = ase.io.read(tmp_path / "all.lammpstrj", ":")
    energies = np.loadtxt(tmp_path / "energies.txt")
    for frame, (step, energy) in zip(frames, energies, strict=True):
        frame.info["step"] = int(step)
        frame.calc.results["energy"] = energy
    ase.io.write(tmp_path / "all.xyz", frames, format="extxyz")
    words = ["--force", "1.01", "--temperature", "100", "--all"]
    expected = [event for event in events if event["criterion"] != "energy"]
    result = off_line(run, tmp_path, words)
    for event, violation in zip(expected, result["violations"], strict=True):
        assert_same(event, violation)
    result = off_line(run, tmp_path, [*words, "--energy", "0.01", "--dt", "1 fs"], "all.xyz")
    for event, violation in zip(events, result["violations"], strict=True):
        assert_same(event, violation)
        assert violation["time_ps"] == pytest.approx(event["time"])


@pytest.mark.parametrize("ranks", RANKS)
def test_numbers_that_are_not_finite(run: Run, tmp_path: Path, ranks: int) -> None:
    script = (
        f"{two_pairs()}velocity all set 0 0 0\nvariable bad equal '(step>20)*1.0e200'\nfix push d addforce v_bad 0 0\n"
        "fix g all guard 1 event events.jsonl\nrun 100\n"
    )
    (event,) = on_line(run, tmp_path, script, ranks, ends_well=False)
    assert (event["step"], event["atoms"]) == (21, [4])
    result = off_line(run, tmp_path, ["--bond-stretch", "3"])
    assert_same({**event, "value": 1.0}, result["violations"][0])


@pytest.mark.parametrize("ranks", RANKS)
def test_lost_atoms(run: Run, tmp_path: Path, ranks: int) -> None:
    """The fix knows how many atoms are left, and so does not name the lost one; who compares frames can."""
    script = (
        two_pairs().replace("boundary p p p", "boundary f p p").replace("0.8 9 5", "18.6 9 6")
        + "velocity all set 0 0 0\ngroup e id 5\nvelocity e set -40 0 0\nthermo_modify lost ignore\n"
        "neigh_modify every 1 delay 0 check yes\nfix g all guard 1 event events.jsonl\nrun 300\n"
    )
    (event,) = on_line(run, tmp_path, script, ranks)
    assert (event["criterion"], event["atoms"], event["value"]) == ("lost", [], 1)
    result = off_line(run, tmp_path, ["--force", "100"])
    (violation,) = result["violations"]
    assert violation["atoms"] == [5]
    assert violation["elements"] == ["O"]
    assert_same(event, {**violation, "atoms": [], "elements": []})


@pytest.mark.parametrize("ranks", RANKS)
def test_a_run_of_a_mace_model(run: Run, tmp_path: Path, ranks: int) -> None:
    """Ethylene carbonate and ethyl methyl carbonate are heated until a bond breaks: all from the run folder."""
    pytest.importorskip("mace")
    content = {
        "structure": str(EXAMPLE / "structures" / "ec_emc_160.xyz"),
        "potential": {"models": [str(EXAMPLE / "models" / "ec_emc_0.model")]},
        "timestep": "1 fs",
        "velocities": "300 K",
        "guard": "stability",
        "stages": [
            {"type": "minimise", "max_steps": 3},
            {"type": "nvt", "length": "5 steps", "temperature": "300 K"},
            {
                "type": "nvt",
                "length": "200 steps",
                "temperature": "6000 K",
                "timestep": "0.5 fs",
                "thermostat": {"type": "svr", "damping": "5 fs"},
            },
        ],
        "output": {"trajectory": "1 steps", "thermo": "1 steps", "folder": "out"},
    }
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(content))
    done = run(
        [PROGRAMS / "mpirun", "-n", str(ranks), PROGRAMS / "lamplighter", "run", "-q", "run.yaml"], timeout=250.0
    )
    assert done.returncode == 0, done.stderr
    (event,) = [json.loads(line) for line in (tmp_path / "out" / "events.jsonl").read_text().splitlines()]
    result = off_line(run, tmp_path, [], "out")
    (violation,) = result["violations"]
    assert violation["criterion"] == event["criterion"] == "bond stretch"
    assert (violation["step"], violation["atoms"]) == (event["step"], event["atoms"])
    assert violation["elements"] == event["elements"]
    assert violation["value"] == pytest.approx(event["value"], abs=4e-5)  # the trajectory has five decimals
    stability = json.loads((tmp_path / "out" / "summary.json").read_text())["stability"]
    assert result["t_stab_ps"] == pytest.approx(stability["t_stab_ps"])
    assert event["step"] > 5
    assert result["t_stab_ps"] == pytest.approx(0.005 + 0.0005 * (event["step"] - 5))
