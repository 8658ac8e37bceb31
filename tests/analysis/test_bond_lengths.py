"""Bond lengths of several runs and frames: by hand, and along real runs of a molecule that vibrates or falls apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

import lamplighter as ll
from lamplighter.observables import bond_lengths
from lamplighter.observables.bond_lengths import bonds_along_runs, bonds_of_frames
from lamplighter.run_folder.run import Run

MORSE = ["pair_style morse 8.0", "pair_coeff * * 0.0 1.0 1.0", "pair_coeff 1 2 11.0 2.3 1.13"]
REPULSIVE = ["pair_style lj/cut 6.0", "pair_coeff * * 3.0 1.3"]


def water(first: float, second: float) -> Atoms:
    return Atoms("OH2", [[0, 0, 0], [first, 0, 0], [0, second, 0]])


def carbon_monoxide(folder: Path, lines: list[str], length: float) -> Run:
    """Two stages of 20 fs, a frame each 2.5 fs."""
    stages = [{"type": "nve", "length": "40 steps"}] * 2
    ll.run(
        {
            "structure": Atoms("CO", [[5, 5, 5], [5, 5, 5 + length]], cell=[20, 20, 20], pbc=True),
            "potential": {"lammps": lines},
            "output": {"folder": str(folder), "trajectory": "5 steps", "thermo": "5 steps"},
            "velocities": {"temperature": "300 K"},
            "stages": stages,
            "seed": 1,
        }
    )
    return Run(folder)


def test_the_mean_and_spread_of_frames_are_those_of_all_lengths_and_the_error_is_over_frames() -> None:
    frames = [water(0.95, 0.97), water(1.0, 1.0), Atoms("H"), Atoms("CO", [[0, 0, 0], [0, 0, 1.13]])]
    carbon, oxygen = bonds_of_frames(frames)
    assert (carbon.name, oxygen.name) == ("C1–O1", "H1–O2")
    lengths = [0.95, 0.97, 1.0, 1.0]
    assert (oxygen.lengths, oxygen.mean) == (4, pytest.approx(np.mean(lengths)))
    assert oxygen.spread == pytest.approx(np.std(lengths))
    assert oxygen.error == pytest.approx(np.std([0.96, 1.0], ddof=1) / np.sqrt(2))
    assert np.isnan(carbon.error)  # one frame


def test_bonds_along_a_run_are_those_of_its_last_stage(tmp_path: Path) -> None:
    run = carbon_monoxide(tmp_path / "run", MORSE, 1.2)
    every = [(frame.time_ps, np.linalg.norm(np.diff(frame.positions, axis=0))) for frame in run.trajectory]
    late = [length for time, length in every if time is not None and time >= 0.02 - 1e-9]
    (found,), notes = bonds_along_runs([run])
    assert len(every) == 17
    assert found.lengths == len(late) == 9
    assert (found.mean, found.spread) == (pytest.approx(np.mean(late)), pytest.approx(np.std(late)))
    assert not notes


def test_what_follows_a_broken_bond_is_no_bond_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = carbon_monoxide(tmp_path / "gone", REPULSIVE, 1.3)
    (found,), _ = bonds_along_runs([run])
    late = [float(np.linalg.norm(np.diff(frame.positions, axis=0))) for frame in list(run.trajectory)[8:]]
    whole = [length for length in late if length <= 2.6]  # twice the first length
    assert found.lengths == len(whole)
    assert 0 < len(whole) < len(late)
    assert found.mean == pytest.approx(np.mean(whole))
    monkeypatch.setattr(bond_lengths, "BROKEN", 1.2)  # before the last stage
    none, notes = bonds_along_runs([run])
    assert not none
    assert notes == ["gone says nothing of bond lengths: no frame of its last stage is whole"]
