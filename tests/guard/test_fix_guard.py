"""`fix guard` in plain `lmp`, on one and two ranks: when it stops, what it names, what it leaves behind.

Atoms of `pair_style zero` fly freely, so that the step of every violation is known on paper.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest
from ase.io import read
from tests.conftest import PROGRAMS, Run

RANKS = [1, 2]
DT = 0.001  # ps
HEADER = "units metal\natom_style atomic\natom_modify map yes\nboundary p p p\n"
FREE = "pair_style zero 6.0\npair_coeff * *\ntimestep 0.001\nfix move all nve\nthermo 10\n"


def start(run: Run, folder: Path, script: str, ranks: int = 1) -> CompletedProcess[str]:
    (folder / "in.lmp").write_text(script)
    words: list[str | Path] = [PROGRAMS / "lmp", "-in", "in.lmp", "-log", "none"]
    return run([PROGRAMS / "mpirun", "-n", str(ranks), *words] if ranks > 1 else words, cwd=folder)


def events(folder: Path, name: str = "events.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def two_atoms(speed: float = 5.0, gap: float = 1.5, at: float = 9.0) -> str:
    """A C-C pair across the middle of the box (and so of two ranks), flying apart at `speed` Å/ps along x."""
    return (
        f"{HEADER}region box block 0 20 0 10 0 10\ncreate_box 2 box\nmass 1 12.011\nmass 2 15.999\n"
        f"create_atoms 1 single {at} 5 5\ncreate_atoms 1 single {at + gap} 5 5\ncreate_atoms 2 single 3 2 2\n"
        f"{FREE}group left id 1\ngroup right id 2\n"
        f"velocity all set 0 0 0\nvelocity left set {-speed / 2} 0 0\nvelocity right set {speed / 2} 0 0\n"
    )


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize(
    ("words", "criterion", "length"),
    [("bond stretch 0.5", "bond stretch", 2.0), ("bond ratio 1.5", "bond ratio", 2.25)],
)
def test_a_bond_stops_all_ranks_at_its_first_step_too_long(
    run: Run, tmp_path: Path, ranks: int, words: str, criterion: str, length: float
) -> None:
    done = start(
        run,
        tmp_path,
        f"{two_atoms()}fix g all guard 1 {words} event events.jsonl\nrun 1000\nprint 'went on at $(step)'",
        ranks,
    )
    assert done.returncode == 0, done.stdout
    expected = math.floor((length - 1.5) / (5.0 * DT) + 1e-9) + 1
    (event,) = events(tmp_path)
    assert event["criterion"] == criterion
    assert event["step"] == expected
    assert event["time"] == pytest.approx(expected * DT)
    assert event["atoms"] == [1, 2]
    assert event["elements"] == ["C", "C"]
    assert event["reference_length"] == pytest.approx(1.5)
    assert event["ranks"] == ([0, 0] if ranks == 1 else [0, 1])
    value = 1.5 + 5.0 * DT * expected
    assert event["value"] == pytest.approx(value - 1.5 if "stretch" in words else value / 1.5)
    assert f"went on at {expected}" in done.stdout
    assert f"fix guard g: {criterion} at step {expected}" in done.stdout


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", RANKS)
def test_bonds_follow_their_atoms_between_ranks_and_through_the_box(run: Run, tmp_path: Path, ranks: int) -> None:
    """The pair flies through the whole periodic box at 100 Å/ps, three times, and then comes apart."""
    done = start(
        run,
        tmp_path,
        f"{two_atoms(speed=0.0)}velocity left set 100 0 0\nvelocity right set 100 0 0\n"
        "neigh_modify every 1 delay 0 check yes\n"
        "fix g all guard 1 bond stretch 0.5 event events.jsonl\nrun 600\n"
        "print 'scalar $(f_g:%.6g) stretch $(f_g[1]:%.6f)'\nvelocity right set 110 0 0\nrun 600\n",
        ranks,
    )
    assert done.returncode == 0, done.stdout
    assert re.search(r"scalar 0 stretch -?0\.000000", done.stdout)
    (event,) = events(tmp_path)
    assert event["step"] == 600 + 51


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", RANKS)
def test_density_leaves_its_bounds(run: Run, tmp_path: Path, ranks: int) -> None:
    done = start(
        run,
        tmp_path,
        f"{two_atoms(speed=0.0)}fix grow all deform 1 x scale 2.0 remap x\n"
        "fix g all guard 1 density 0.02 2.0 event events.jsonl\nvariable rho equal density\n"
        "fix p all print 1 '$(step) $(v_rho:%.12g)' "
        "file rho.txt screen no\nrun 1000\n",
        ranks,
    )
    assert done.returncode == 0, done.stdout
    (event,) = events(tmp_path)
    assert event["criterion"] == "density"
    assert event["limit"] == [0.02, 2.0]
    rho = np.loadtxt(tmp_path / "rho.txt")
    first = rho[rho[:, 1] < 0.02][0]
    assert event["step"] == first[0] == rho[-1, 0]  # LAMMPS' own density, at every step; and no step after that
    assert event["value"] == pytest.approx(first[1], rel=1e-6)
    assert event["atoms"] == []


@pytest.mark.parametrize("units", ["metal", "real", "si"])
def test_density_is_in_grams_per_cubic_centimetre_in_all_units(run: Run, tmp_path: Path, units: str) -> None:
    scale, mass = (1e-10, 12.0 * 1.66053906660e-27) if units == "si" else (1.0, 12.0)
    done = start(
        run,
        tmp_path,
        f"units {units}\natom_style atomic\nlattice none 1.0\n"
        f"region box block 0 {10 * scale} 0 {10 * scale} 0 {10 * scale}\ncreate_box 1 box\nmass 1 {mass}\n"
        f"create_atoms 1 single {scale} {scale} {scale}\ncreate_atoms 1 single {6 * scale} {scale} {scale}\n"
        f"neighbor {scale} bin\npair_style zero {4 * scale}\npair_coeff * *\n"
        "fix g all guard 1 density 0 1\nfix m all nve\nrun 0\nprint 'density $(f_g[3]:%.8g)'\n",
    )
    assert done.returncode == 0, done.stdout
    density = float(re.findall(r"^density (\S+)", done.stdout, re.M)[0])
    assert density == pytest.approx(24.0 * 1.66053906660e-3, rel=1e-6)


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", RANKS)
def test_force_temperature_and_energy(run: Run, tmp_path: Path, ranks: int) -> None:
    """An atom that a constant force speeds up: v = F t / m."""
    script = (
        f"{two_atoms(speed=0.0)}fix push right addforce 2.0 0 0\n"
        "fix a all guard 1 force 1.0 action record event force.jsonl\n"
        "fix b all guard 1 temperature 100 action record event temperature.jsonl\n"
        "fix c all guard 1 energy 0.01 action record event energy.jsonl\n"
        "fix d all guard 1 energy 0.01 every 30 action record event seldom.jsonl\n"
        "variable e equal ke/atoms\nfix p all print 1 '$(step) $(temp:%.12g) $(v_e:%.12g)' file series.txt screen no\n"
        "run 100\n"
    )
    done = start(run, tmp_path, script, ranks)
    assert done.returncode == 0, done.stdout
    series = np.loadtxt(tmp_path / "series.txt")
    assert series[-1, 0] == 100  # nothing was stopped
    force, temperature, energy = (events(tmp_path, f"{name}.jsonl") for name in ("force", "temperature", "energy"))
    assert [(e["step"], e["atoms"], e["value"]) for e in force] == [(0, [2], pytest.approx(2.0))]
    assert [e["step"] for e in temperature] == [series[series[:, 1] > 100][0, 0]]
    first = series[series[:, 2] > 0.01][0, 0]
    assert [e["step"] for e in energy] == [first]
    assert first % 30 != 0
    assert [e["step"] for e in events(tmp_path, "seldom.jsonl")] == [30 * np.ceil(first / 30)]
    assert force[0]["action"] == "record"


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", RANKS)
def test_the_snapshot_holds_the_frames_before_and_the_failing_one(run: Run, tmp_path: Path, ranks: int) -> None:
    done = start(
        run,
        tmp_path,
        f"{two_atoms()}fix g all guard 1 bond stretch 0.5 snapshot snap.xyz before 3 every 10\nrun 1000\n",
        ranks,
    )
    assert done.returncode == 0, done.stdout
    frames = read(tmp_path / "snap.xyz", ":")
    assert [f.info["step"] for f in frames] == [80, 90, 100, 101]
    assert [f.info["guard_frame"] for f in frames] == ["before"] * 3 + ["failure"]
    last = frames[-1]
    assert last.get_chemical_symbols() == ["C", "C", "O"]
    assert list(last.arrays["guard"]) == [1, 1, 0]
    assert last.get_distance(0, 1, mic=True) == pytest.approx(1.5 + 5.0 * DT * 101)
    assert frames[0].get_distance(0, 1, mic=True) == pytest.approx(1.5 + 5.0 * DT * 80)
    np.testing.assert_allclose(last.cell.lengths(), [20, 10, 10])
    assert last.get_forces().shape == (3, 3)


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", RANKS)
def test_reference_lengths_survive_a_restart(run: Run, tmp_path: Path, ranks: int) -> None:
    guard = "fix g all guard 1 bond stretch 0.5 event events.jsonl\n"
    done = start(run, tmp_path, f"{two_atoms()}{guard}run 60\nwrite_restart half.bin\n", ranks)
    assert done.returncode == 0, done.stdout
    done = start(run, tmp_path, f"read_restart half.bin\n{FREE}{guard}run 1000\n", ranks)
    assert done.returncode == 0, done.stdout
    (event,) = events(tmp_path)
    assert event["step"] == 101  # a list made anew would be measured from the stretched bond
    assert event["reference_length"] == pytest.approx(1.5)


def test_mean_initial_and_given_references(run: Run, tmp_path: Path) -> None:
    """Two C-C pairs of 1.4 and 1.6 Å: the mean is 1.5."""
    box = (
        f"{HEADER}region box block 0 20 0 20 0 20\ncreate_box 1 box\nmass 1 12.011\n"
        "create_atoms 1 single 5 5 5\ncreate_atoms 1 single 6.4 5 5\n"
        "create_atoms 1 single 5 15 5\ncreate_atoms 1 single 6.6 15 5\n" + FREE
    )
    (tmp_path / "lengths.txt").write_text("# element element length\nC C 1.3\n")
    expected = {"mean": 0.1, "initial": 0.0, "lengths.txt": 0.3}
    for reference, stretch in expected.items():
        done = start(
            run,
            tmp_path,
            f"{box}fix g all guard 1 bond stretch 0.5 reference {reference}\nrun 0\nprint 'is $(f_g[1]:%.8f)'",
        )
        assert f"is {stretch:.8f}" in done.stdout, (reference, done.stdout[-500:])


def test_a_run_goes_on_after_a_stop_and_guards_do_not_disturb_each_other(run: Run, tmp_path: Path) -> None:
    done = start(
        run,
        tmp_path,
        f"{two_atoms()}fix a all guard 1 bond stretch 0.5 event a.jsonl\n"
        "fix b all guard 7 bond ratio 3.0 event b.jsonl\nrun 1000\nunfix a\nreset_timestep 0\nrun 1000\n"
        "print 'end $(step) $(f_b:%.6g) $(f_b[12]:%.6g) $(f_b[13]:%.6g)'\n",
    )
    assert done.returncode == 0, done.stdout
    assert events(tmp_path, "a.jsonl")[0]["step"] == 101
    # 4.5 Å are passed 600 steps after the start, 499 after the reset; checked every 7 steps
    assert events(tmp_path, "b.jsonl")[0]["step"] == 504
    assert "end 504 2 504 1" in done.stdout


def test_numbers_that_are_not_finite_are_found(run: Run, tmp_path: Path) -> None:
    start(
        run,
        tmp_path,
        f"{two_atoms(speed=0.0)}variable bad equal '(step>20)*1.0e200'\nfix push right addforce v_bad 0 0\n"
        "fix g all guard 1 event events.jsonl\nrun 100\n",
    )
    (event,) = events(tmp_path)
    assert event["criterion"] == "finite"
    assert event["step"] == 21
    assert event["atoms"] == [2]


@pytest.mark.mpi
def test_topology_and_files_give_bonds(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bonds.txt").write_text("2 1 1.2  # its own reference\n")
    done = start(
        run,
        tmp_path,
        f"{two_atoms(speed=0.0)}fix g all guard 1 bond stretch 0.5 bonds bonds.txt reference initial\nrun 0\n"
        "print 'is $(f_g[1]:%.6f)'\n",
    )
    assert "is 0.300000" in done.stdout, done.stdout
    (tmp_path / "bonded.data").write_text(
        "two bonds\n\n3 atoms\n1 atom types\n2 bonds\n1 bond types\n0 20 xlo xhi\n0 20 ylo yhi\n"
        "0 20 zlo zhi\n\nMasses\n\n1 12.011\n\nAtoms # bond\n\n"
        "1 1 1 19.5 5 5\n2 1 1 1 5 5\n3 1 1 2.9 5 5\n\nBonds\n\n1 1 1 2\n2 1 3 2\n"
    )
    script = (
        "units metal\natom_style bond\natom_modify map yes\nbond_style zero\nread_data bonded.data\nbond_coeff *\n"
        f"{FREE}fix g all guard 1 bond stretch 0.5 bonds topology\nrun 0\nprint 'is $(f_g[1]:%.6f)'\n"
    )
    for ranks in RANKS:
        done = start(run, tmp_path, script, ranks)
        assert "watching 2 bonds" in done.stdout, done.stdout
        assert "is 0.200000" in done.stdout  # 1.5 and 1.9 Å, mean 1.7


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("0", "N must be at least 1"),
        ("1 density 2.0 0.2", "needs a lower and then a higher bound in g/cm3, got 2 0.2"),
        ("1 density low high", "Expected floating point"),
        ("1 bond stretch -1", "must be positive, got -1"),
        ("1 bond ratio 0.5", "'bond ratio' must be above 1"),
        ("1 bond length 2", "expected 'bond stretch' or 'bond ratio'"),
        ("1 bond stretch 0.5 reference nowhere.txt", "nowhere.txt cannot be read"),
        ("1 bond stretch 0.5 bonds nowhere.txt", "the list of bonds nowhere.txt cannot be read"),
        ("1 bond stretch 0.5 bonds wrong.txt", "names the atoms 1 and 77, and there is no atom 77"),
        ("1 bond stretch 0.5 bonds topology", "needs an atom style with bonds"),
        ("1 bond stretch 8.0", "more than half of the box"),
        ("2 energy 0.1 every 3", "a multiple of the 2 between checks, got 3"),
        ("1 temperature", "keyword 'temperature' lacks its value"),
        ("1 colour 3", "unknown keyword 'colour'"),
        ("1 action explode", "action must be stop or record, got 'explode'"),
        ("1 event none/such.jsonl", "the file none/such.jsonl cannot be written"),
        ("1 variance 0.5", "'variance' needs a committee"),
        ("1 before 3 every 2", "which is missing"),
        ("1 elements C Xx", "'Xx' (atom type 2) is not a chemical element"),
    ],
)
def test_wrong_input_is_refused(run: Run, tmp_path: Path, words: str, message: str) -> None:
    (tmp_path / "wrong.txt").write_text("1 77\n")
    done = start(run, tmp_path, f"{two_atoms()}fix g all guard {words}\nrun 1\n")
    assert done.returncode != 0
    assert message in done.stdout + done.stderr


@pytest.mark.mpi
def test_a_bond_beyond_the_reach_of_ranks_is_refused_with_the_remedy(run: Run, tmp_path: Path) -> None:
    script = two_atoms().replace("pair_style zero 6.0", "pair_style zero 2.0") + "neighbor 0.3 bin\n"
    done = start(run, tmp_path, f"{script}fix g all guard 1 bond stretch 3.0\nrun 1\n", 2)
    assert done.returncode != 0
    assert "use 'comm_modify cutoff 4.6'" in done.stdout
    remedy = f"{script}comm_modify cutoff 4.6\nfix g all guard 1 bond stretch 3.0\nrun 1\n"
    assert start(run, tmp_path, remedy, 2).returncode == 0


@pytest.mark.parametrize("late", [False, True])
def test_a_guard_hears_of_a_broken_model_wherever_it_was_defined(run: Run, tmp_path: Path, late: bool) -> None:
    """Of the member that moves no atom, between checks: the third atom comes within 6 Å of the first."""
    guard = "fix g all guard 1000 event events.jsonl\n"
    committee = (
        "pair_style lamplighter/committee committee every 1 lj/cut 6.0 lj/cut 6.0\n"
        "pair_coeff * * 1 0.0 1.0\npair_coeff * * 2 0.0 1.0\npair_coeff 1 2 2 1e308 3.0\n"
    )
    far = two_atoms(speed=0.0).replace("single 3 2 2", "single 2.952 5 5")
    script = f"{far}{committee + guard if late else guard + committee}velocity left set -5 0 0\nrun 100\n"
    done = start(run, tmp_path, script + "print 'went on at $(step)'")
    assert done.returncode == 0, done.stdout
    (event,) = events(tmp_path)
    assert event["criterion"] == "finite"
    assert event["cause"].startswith("Model 2 (lj/cut) of the committee gives ")
    assert event["step"] == 10  # 9 - 2.952 - 6 = 0.048 Å, at 0.005 Å a step
    assert "went on at 10" in done.stdout
