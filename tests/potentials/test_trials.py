"""Trials of `fix gcmc` and `fix widom`: one whose energy is no finite number counts for nothing, and ends no run.

What is broken from the start, or becomes so in a step, is no trial.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from gcmc_evaluation import ENGINES, by_each_engine
from safetensors.numpy import load_file
from tests.conftest import Run

from conftest import build_mace
from lamplighter.potentials import mace_compile
from lamplighter.potentials.mace import Mace
from lamplighter.potentials.native import compile_files

PROGRAM = Path(__file__).with_name("gcmc_evaluation.py")
#: Nothing of these for one atom, and no finite number for two that are closer than 6 Å.
LJ, BROKEN = "lj/cut 6.0", "* * {} 1e308 3.0"

Style = tuple[str, list[str]]


def native(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Style:
    """The energy of one atom is finite, that of two is minus infinity, which any trial would be accepted for."""
    file = folder / "low.lamp"
    compile_files([build_mace(folder / "low.model", channels=4, hidden_ell=0, interactions=2)], file)
    arrays, labels = load_file(file), mace_compile.read_metadata(file)
    own = {key: text for key, text in labels.items() if key not in ("format", "version", "crc32")}
    arrays["member.0.energies"][:] = -1e308
    file.write_bytes(mace_compile.to_bytes(arrays, own))
    return "lamplighter dtype float64", [f"* * {file} C"]


def bridge(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Style:
    compute = Mace.compute

    def broken(self: Mace, data: Any) -> None:
        compute(self, data)
        if data.nlocal > 1 and data.topology:
            data.pair_forces[:] = np.nan
            data.eatoms[:] = np.nan
            data.energy = np.nan

    monkeypatch.setattr(Mace, "compute", broken)
    model = build_mace(folder / "low.model", channels=4, hidden_ell=0, interactions=2, r_max=6.0)
    return "lamplighter engine bridge", [f"* * {model} C"]


def calculator(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Style:
    path = folder / "lj.calculator.yaml"
    options = {"epsilon": 1e308, "sigma": 3.0, "rc": 12.0}
    path.write_text(yaml.safe_dump({"calculator": "ase.calculators.lj:LennardJones", "options": options}))
    return "lamplighter", [f"* * {path} C"]


def styles(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Style:
    return f"lamplighter/committee committee every 1 {LJ} {LJ}", [BROKEN.format(1), "* * 2 0.0 3.0"]


def mean_of_styles(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Style:
    return f"lamplighter/committee committee every 1 drive mean {LJ} {LJ}", ["* * 1 0.0 3.0", BROKEN.format(2)]


def atom_alone(lmp: Any, style: Style) -> None:
    """One atom in the middle of a box in which no other can be farther than 6 Å away."""
    words, coeffs = style
    lmp.commands_string(
        "clear\nunits metal\natom_modify map yes\nregion box block 0 13 0 13 0 13\ncreate_box 1 box\nmass 1 12.011\n"
        f"create_atoms 1 single 6.5 6.5 6.5\npair_style {words}\n"
        + "".join(f"pair_coeff {coeff}\n" for coeff in coeffs)
        + "region near sphere 6.5 6.5 6.5 3.5\nthermo_style custom step pe\n"
    )


@pytest.mark.parametrize("made_by", [native, bridge, calculator, styles, mean_of_styles])
def test_a_trial_without_a_finite_energy_counts_for_nothing(
    lammps_instance: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    made_by: Callable[[Path, pytest.MonkeyPatch], Style],
) -> None:
    lmp = lammps_instance
    atom_alone(lmp, made_by(tmp_path, monkeypatch))
    lmp.commands_string("fix w all widom 1 10 1 29494 300 full_energy region near\nrun 2 post no")
    assert lmp.extract_fix("w", 0, 1, 1) == 0.0  # the mean of exp(-E/kT) over insertions
    lmp.commands_string("unfix w\nfix g all gcmc 1 20 0 1 29494 300 1.0 0.0 full_energy region near\nrun 5 post no")
    attempts, successes = (lmp.extract_fix("g", 0, 1, k) for k in (2, 3))
    assert attempts > 20
    assert successes == 0
    lmp.command("unfix g")


def test_a_member_that_drives_nothing_has_no_say_in_trials(lammps_instance: Any) -> None:
    """Whether it is evaluated depends on the step, and what is accepted must not."""
    lmp = lammps_instance
    committee = f"lamplighter/committee committee every 2 drive 2 {LJ} {LJ}"
    atom_alone(lmp, (committee, [BROKEN.format(1), "* * 2 0.0 3.0"]))
    lmp.command("fix w all widom 1 10 1 29494 300 full_energy region near")
    for _ in range(2):
        lmp.command("run 1 post no")
        assert lmp.extract_fix("w", 0, 1, 1) == pytest.approx(1.0)
    lmp.command("unfix w")


def test_hyperactive_driving_makes_no_impossible_trial_a_good_one(lammps_instance: Any, tmp_path: Path) -> None:
    """Atoms on top of each other, in one of two members: their disagreement lowers the energy, and must not count."""
    lmp = lammps_instance
    model = tmp_path / "one.lamp"
    compile_files([build_mace(tmp_path / "one.model", channels=4, hidden_ell=0, interactions=2)], model)
    committee = f"lamplighter/committee committee every 1 drive hal 3.0 lamplighter {LJ}"
    atom_alone(lmp, (committee, [f"* * 1 {model} C", "* * 2 0.0 3.0"]))
    lmp.commands_string(
        "region here sphere 6.5 6.5 6.5 0.05\nfix w all widom 1 10 1 29494 300 full_energy region here\nrun 1 post no"
    )
    assert lmp.extract_fix("w", 0, 1, 1) == 0.0
    lmp.command("unfix w")


@pytest.mark.parametrize("guard", [False, True])
def test_atoms_that_a_step_brings_together_are_no_trial(
    lammps_instance: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, guard: bool
) -> None:
    """Were their energy one as large as can be, the moves of the same step would take them apart again, unseen."""
    lmp, events = lammps_instance, tmp_path / "events.jsonl"
    atom_alone(lmp, styles(tmp_path, monkeypatch))
    lmp.commands_string(
        "create_atoms 1 single 6.5 6.5 0.2\ngroup second id 2\nvelocity all set 0 0 0\nvelocity second set 0 0 5\n"
        "timestep 0.01\nfix move all nve\nfix g second gcmc 1 0 20 1 29494 300 0.0 0.2 full_energy\n"
        + (f"fix e all guard 1000 event {events}" if guard else "")
    )
    if guard:
        lmp.command("run 200 post no")
        (event,) = events.read_text().splitlines()
        assert "Model 1 (lj/cut) of the committee gives " in event
        assert f'"step": {lmp.extract_global("ntimestep")}' in event
    else:
        with pytest.raises(Exception, match=r"Model 1 \(lj/cut\) of the committee gives .* at step "):
            lmp.command("run 200 post no")
    assert 0 < lmp.extract_global("ntimestep") < 200


@pytest.mark.parametrize("second", ["gcmc 1 0 0 1 29494 300 0.0 0.2", "widom 1 0 1 29494 300"])
def test_each_fix_of_a_step_begins_with_the_atoms_as_they_are(
    lammps_instance: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, second: str
) -> None:
    """Were it the energy of a trial, the second fix would compare its own with one as large as can be."""
    lmp = lammps_instance
    compute, calls = Mace.compute, []

    def broken(self: Mace, data: Any) -> None:
        compute(self, data)
        calls.append(lmp.extract_global("ntimestep"))
        if calls.count(1) == 2:  # the first fix found nothing wrong
            data.pair_forces[:] = np.nan
            data.eatoms[:] = np.nan
            data.energy = np.nan

    monkeypatch.setattr(Mace, "compute", broken)
    model = build_mace(tmp_path / "low.model", channels=4, hidden_ell=0, interactions=2, r_max=6.0)
    atom_alone(lmp, ("lamplighter engine bridge", [f"* * {model} C"]))
    lmp.commands_string(
        "create_atoms 1 single 6.5 6.5 3.5\nfix g all gcmc 1 0 0 1 29494 300 0.0 0.2 full_energy\n"
        f"fix h all {second} full_energy"
    )
    with pytest.raises(Exception, match=r"at step 1\b"):
        lmp.command("run 1 post no")
    assert calls.count(1) == 2


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [1, 2])
def test_atoms_come_go_and_move_the_same_way_with_every_engine(
    mpirun: Run, python: Path, tmp_path: Path, lammps_instance: Any, monkeypatch: pytest.MonkeyPatch, ranks: int
) -> None:
    energies = np.array([0.0, -1.0, -2.0])
    model = build_mace(
        tmp_path / "gas.model", channels=4, hidden_ell=0, interactions=2, atomic_energies=energies, r_max=3.0
    )
    if ranks == 1:
        monkeypatch.setenv("LAMPLIGHTER_PAIRS", "")
        arrays = dict(by_each_engine(lammps_instance, model))
    else:
        done = mpirun(ranks, [python, PROGRAM, tmp_path / "out.npz", model])
        assert done.returncode == 0, done.stderr[-2000:]
        arrays = dict(np.load(tmp_path / "out.npz"))
    for engine in ENGINES:
        last, fresh = arrays[f"{engine}/energies"]
        assert last == pytest.approx(fresh, abs=1e-8)  # nothing of a trial is left in the step
        np.testing.assert_array_equal(arrays[f"{engine}/moves"], arrays["native/moves"])
        np.testing.assert_allclose(arrays[f"{engine}/positions"], arrays["native/positions"], rtol=0, atol=1e-9)
    attempts, successes = arrays["native/moves"][::2], arrays["native/moves"][1::2]
    assert successes.min() > 0  # of translations, insertions and deletions
    assert successes.sum() < attempts.sum()
