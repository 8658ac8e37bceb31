"""`lamplighter check`: what it prints, its exit status, and what it refuses."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import ase.build
import ase.io
import numpy as np
import pytest
import yaml
from ase import Atoms

from .conftest import Lamplighter


def ethanol_frames(stretch: float = 0.1, n: int = 11) -> list[Atoms]:
    """Ethanol in a 10 Å box whose oxygen's hydrogen goes away by `stretch` Å a frame; 20 steps a frame."""
    atoms = ase.build.molecule("CH3CH2OH", cell=[10, 10, 10], pbc=True)
    oxygen = atoms.get_chemical_symbols().index("O")
    hydrogen = int(min((k for k in range(9) if atoms.numbers[k] == 1), key=lambda k: atoms.get_distance(oxygen, k)))
    along = atoms.positions[hydrogen] - atoms.positions[oxygen]
    frames = []
    for k in range(n):
        frame = atoms.copy()
        frame.positions[hydrogen] += k * stretch * along / np.linalg.norm(along)
        frame.info["step"] = 20 * k
        frames.append(frame)
    return frames


@pytest.fixture
def ethanol(tmp_path: Path) -> Path:
    path = tmp_path / "ethanol.xyz"
    ase.io.write(path, ethanol_frames())
    return path


def test_the_first_violation_is_shown_with_its_evidence(lamplighter: Lamplighter, ethanol: Path) -> None:
    code, out, _ = lamplighter("check", ethanol, "--bond-stretch", 0.45, "--timestep", "0.5 fs")
    assert code == 1
    lines = out.splitlines()
    assert lines[0] == "First violation: bond stretch, frame 5 (step 100, 0.05 ps)"
    assert lines[1] == "  value  0.5 Å, limit 0.45 Å"
    assert lines[2] in ("  atoms  O 3–H 4", "  atoms  H 4–O 3")
    assert lines[4] == "t_stab = 0.05 ps (the frame before, at 0.04 ps, was still good)"
    assert lines[5] == "Checked: 6 frames, 8 bonds (reference mean): bond stretch 0.45 Å; finite; lost."


def test_a_stable_trajectory_is_censored(lamplighter: Lamplighter, ethanol: Path) -> None:
    code, out, _ = lamplighter("check", ethanol, "--bond-ratio", 2.5, "--dt", "10 fs")
    assert code == 0
    assert out.startswith("No violation.\nt_stab ≥ 0.1 ps (censored")
    code, out, _ = lamplighter("check", ethanol, "--bond-ratio", 2.5)
    assert code == 0
    assert "t_stab ≥ 10 frames (times are not known: give --timestep or --dt)" in out


def test_json_holds_all_violations(lamplighter: Lamplighter, tmp_path: Path) -> None:
    frames = [ethanol_frames()[k] for k in (0, 9, 1, 8)]
    ase.io.write(tmp_path / "a.traj", frames)
    code, out, _ = lamplighter(
        "check", "a.traj", "--preset", "active-learning", "--density", 0.05, 1, "--json", "--all"
    )
    assert code == 0  # 0.97 Å and 0.9 Å more are no factor of two
    words = ["--bond-ratio", 1.7, "--dt", "1 ps", "--json", "--all", "--csv", "violations.csv"]
    code, out, _ = lamplighter("check", "a.traj", *words)
    assert code == 1
    header, *rows = (tmp_path / "violations.csv").read_text().splitlines()
    assert header == "frame,step,time_ps,criterion,value,limit,unit,atoms,elements"
    assert [row.split(",")[0] for row in rows] == [str(each["frame"]) for each in json.loads(out)["violations"]]
    result = json.loads(out)
    assert [(each["frame"], each["time_ps"], each["criterion"]) for each in result["violations"]] == [
        (1, 1.0, "bond ratio"),
        (3, 3.0, "bond ratio"),
    ]
    assert result["t_stab_ps"] == 1.0
    assert result["censored"] is False
    assert sorted(result["violations"][0]["elements"]) == ["H", "O"]


def test_bonds_and_references_come_from_other_files(lamplighter: Lamplighter, ethanol: Path, tmp_path: Path) -> None:
    ase.io.write(tmp_path / "start.xyz", ethanol_frames()[3])
    code, out, _ = lamplighter(
        "check", ethanol, "--bond-stretch", 0.45, "--start", "start.xyz", "--reference", "initial", "--tolerance", 1.5
    )
    assert code == 1
    assert "frame 8 (step 160)" in out
    (tmp_path / "lengths.txt").write_text("O H 1.2\nC C 1.5\nC H 1.1\nC O 1.4\n")
    code, out, _ = lamplighter("check", ethanol, "--bond-stretch", 0.45, "--reference", "lengths.txt")
    assert "frame 7 (step 140)" in out
    (tmp_path / "bonds.txt").write_text("1 2\n")
    assert lamplighter("check", ethanol, "--bond-stretch", 0.45, "--bonds", "bonds.txt")[0] == 0


def test_a_cut_trajectory_is_checked_as_far_as_it_goes(lamplighter: Lamplighter, ethanol: Path, tmp_path: Path) -> None:
    data = gzip.compress(ethanol.read_bytes())
    (tmp_path / "cut.xyz.gz").write_bytes(data[: int(0.8 * len(data))])
    code, out, _ = lamplighter("check", "cut.xyz.gz", "--bond-stretch", 0.95, "--dt", "1 ps")
    assert code == 0
    assert "Note: cut.xyz.gz: its gzip data are cut off; frame " in out
    assert "which is cut off, was left out" in out
    (tmp_path / "stub.xyz.gz").write_bytes(data[:30])
    code, _, err = lamplighter("check", "stub.xyz.gz", "--bond-stretch", 0.95)
    assert code == 2
    assert "stub.xyz.gz holds no whole frame: its gzip data are cut off" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "nothing to check: give --preset stability, or at least one of --bond-stretch"),
        (["--density", "2", "0.2"], "density needs a lower and then a higher bound in g/cm³, got 2 0.2"),
        (["--density", "low", "high"], "--density: 'low' is not a number"),
        (["--tolerance", "much", "--bond-stretch", "1"], "--tolerance: 'much' is not a number"),
        (["--bond-stretch", "-1"], "bond stretch must be a positive number of Å, got -1"),
        (["--bond-stretch", "nan"], "bond stretch must be a positive number of Å, got nan"),
        (["--bond-stretch", "8"], "more than half of the box (5 Å)"),
        (["--bond-stretch", "0.5", "--elements", "C Xx"], "--elements: 'Xx' is not a chemical element"),
        (["--bond-stretch", "0.5", "--tolerance", "3"], "tolerance must lie between 0.5 and 2, got 3"),
        (["--bond-stretch", "0.5", "--reference", "nowhere.txt"], "nowhere.txt cannot be read: No such file"),
        (["--bond-stretch", "0.5", "--reference", "few.txt"], "the reference lengths have none for H-O bonds"),
        (["--bond-stretch", "0.5", "--reference", "bad.txt"], "line 2 of bad.txt is not 'ELEMENT1 ELEMENT2 length"),
        (
            ["--bond-stretch", "0.5", "--bonds", "bad.txt"],
            "line 1 of bad.txt is not 'ID1 ID2 [length in Å]': 'C C 1.5'",
        ),
        (["--bond-stretch", "0.5", "--bonds", "nowhere.txt"], "the list of bonds nowhere.txt cannot be read"),
        (["--bond-stretch", "0.5", "--bonds", "atom77.txt"], "names atom 77, which is not in the reference frame"),
        (["--bond-stretch", "0.5", "--start", "nowhere.xyz"], "nowhere.xyz does not exist"),
        (["--bond-stretch", "0.5", "--start", "bad.txt"], "bad.txt cannot be read"),
        (["--temperature", "500"], "--temperature cannot be checked: the trajectory has no velocities"),
        (["--force", "5"], "--force cannot be checked: the trajectory has no forces"),
        (["--energy", "0.1"], "--energy cannot be checked: the trajectory has no energies"),
        (["--preset", "stable"], "--preset must be one of stability, active-learning, got 'stable'"),
        (["--preset", "stability", "--dt", "5"], "--dt: 5 has no unit; write e.g. '0.5 fs'"),
        (["--preset", "stability", "--dt", "1 fs", "--timestep", "1 fs"], "not both"),
        (["--preset", "stability", "--units", "lj"], "--units must be one of metal, real"),
        (["--preset", "stability", "--topology", "nowhere.pdb"], "nowhere.pdb does not exist"),
    ],
)
def test_wrong_options_are_refused(
    lamplighter: Lamplighter, ethanol: Path, tmp_path: Path, words: list[str], message: str
) -> None:
    (tmp_path / "few.txt").write_text("C C 1.5\nC H 1.1\nC O 1.4\n")
    (tmp_path / "bad.txt").write_text("C C 1.5\nC H short\n")
    (tmp_path / "atom77.txt").write_text("1 77\n")
    code, out, err = lamplighter("check", ethanol, *words)
    assert code == 2
    assert message in err
    assert not out


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.xyz", None, "gone.xyz does not exist"),
        ("empty.xyz", b"", "empty.xyz is empty"),
        ("empty.xyz.gz", gzip.compress(b"", mtime=0), "empty.xyz.gz holds no whole frame"),
        ("text.txt", b"no trajectory at all\n", "ASE cannot read text.txt"),
        ("a.xyz", b"no trajectory at all\n", "a.xyz, frame 0 is damaged: expected its number of atoms, got 'no traj"),
        ("a.xyz", b"1\n\nXx 0 0 0\n", "a.xyz, frame 0 has names in place of symbols: 'Xx' (1 atom)"),
        ("a.dcd", b"CORD", "give --topology FILE"),
        ("a.dump", b"ITEM: NOTHING\n", "a.dump holds no whole frame"),
    ],
)
def test_files_that_are_no_trajectory_are_named(
    lamplighter: Lamplighter, tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    code, _, err = lamplighter("check", name, "--preset", "stability")
    assert code == 2
    assert message in err


def test_a_dump_without_elements_needs_them(lamplighter: Lamplighter, tmp_path: Path) -> None:
    ase.io.write(tmp_path / "start.data", ethanol_frames()[0], format="lammps-data", specorder=["H", "C", "O"])
    frames = ethanol_frames()
    types = [{1: 1, 6: 2, 8: 3}[number] for number in frames[0].numbers]
    with (tmp_path / "a.dump").open("w") as out:
        for k, frame in enumerate(frames):
            box = "ITEM: BOX BOUNDS pp pp pp\n" + "0 10\n" * 3
            out.write(f"ITEM: TIMESTEP\n{k}\nITEM: NUMBER OF ATOMS\n9\n{box}ITEM: ATOMS id type xu yu zu\n")
            for atom, (kind, (x, y, z)) in enumerate(zip(types, frame.positions, strict=True), 1):
                out.write(f"{atom} {kind} {x:.8f} {y:.8f} {z:.8f}\n")
    code, _, err = lamplighter("check", "a.dump", "--bond-stretch", "0.45")
    assert code == 2
    assert 'the element of atom 1 is not known, and bonds are found by covalent radii: give --elements "C H O"' in err
    code, _, err = lamplighter("check", "a.dump", "--density", "0.2", "2")
    assert "--density cannot be checked: the elements of some atoms are not known" in err
    code, _, err = lamplighter("check", "a.dump", "--density", "0.2", "2", "--elements", "H C")
    assert "has atoms of type 3, and 2 elements are given (H C)" in err
    code, out, _ = lamplighter("check", "a.dump", "--bond-stretch", "0.45", "--elements", "H,C,O", "--timestep", "1 ps")
    assert code == 1
    assert "First violation: bond stretch, frame 5 (step 5, 5 ps)" in out


@pytest.fixture
def argon_run(tmp_path: Path) -> Path:
    """A run folder of argon that expands, whose guard also watched the temperature, which no trajectory shows."""
    import lamplighter

    atoms = ase.build.bulk("Ar", "fcc", a=5.3, cubic=True).repeat(3)
    atoms.rattle(0.05, seed=1)
    ase.io.write(tmp_path / "argon.xyz", atoms)
    content: dict[str, Any] = {
        "structure": "argon.xyz",
        "potential": {"lammps": ["pair_style lj/cut 7.0", "pair_coeff * * 0.0104 3.40"]},
        "timestep": "2 fs",
        "guard": {"density": [1.76, 3.0], "temperature": "1000 K"},
        "stages": [
            {"type": "minimise"},
            {"type": "nvt", "length": "0.1 ps", "temperature": "90 K"},
            {"type": "npt", "length": "2 ps", "temperature": "90 K", "pressure": "2000 bar", "timestep": "1 fs"},
        ],
        "output": {"folder": "run", "trajectory": "1 steps", "thermo": "7 steps"},
    }
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(content))
    return lamplighter.run(tmp_path / "run.yaml", progress=False).folder


def test_a_run_folder_brings_its_own_guard_and_times(lamplighter: Lamplighter, argon_run: Path) -> None:
    summary = json.loads((argon_run / "summary.json").read_text())["stability"]
    code, out, _ = lamplighter("check", argon_run, "--json")
    assert code == 1
    result = json.loads(out)
    event = json.loads((argon_run / "events.jsonl").read_text())
    assert result["violations"][0]["step"] == event["step"]
    assert result["violations"][0]["value"] == pytest.approx(event["value"], rel=1e-9)
    assert result["t_stab_ps"] == pytest.approx(summary["t_stab_ps"])
    assert result["notes"] == ["temperature was not checked: the trajectory has no velocities"]
    stored = yaml.safe_load((argon_run / "run.yaml").read_text())
    stored["guard"]["of_another_version"] = stored["of_another_version"] = 1
    stored["potential"] = {"models": ["elsewhere by now"], "of_another_version": True}
    (argon_run / "run.yaml").write_text(yaml.safe_dump(stored))
    assert json.loads(lamplighter("check", argon_run, "--json")[1]) == result
    code, out, _ = lamplighter("check", argon_run, "--density", 1.0, 3.0)  # what is asked for counts more
    assert code == 0
    assert f"t_stab ≥ {summary['t_stab_ps']:.6g} ps" in out
    (argon_run / "structure.data").unlink()
    assert (
        "structure.data is missing or cannot be read: standard masses were used" in lamplighter("check", argon_run)[1]
    )
    code, _, err = lamplighter("check", argon_run, "--temperature", "500")
    assert code == 2
    assert "--temperature cannot be checked" in err


def test_folders_without_a_run_or_a_trajectory_are_named(
    lamplighter: Lamplighter, argon_run: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    code, _, err = lamplighter("check", "empty", "--preset", "stability")
    assert code == 2
    assert "empty holds no run" in err
    (argon_run / "trajectory.lammpstrj.gz").unlink()
    code, _, err = lamplighter("check", argon_run)
    assert code == 2
    assert "holds no trajectory.lammpstrj.gz: the run wrote none" in err


def test_the_python_of_the_documentation_runs(ethanol: Path, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "how_to" / "check.md").read_text()
    (program,) = re.findall(r"```python\n(.*?)```", page, re.S)
    ethanol.rename(tmp_path / "md.xyz")
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("[Violation(frame=0, step=0, time_ps=None, criterion='density'")
