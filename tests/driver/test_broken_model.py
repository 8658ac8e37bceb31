"""A model that gives what is no number ends the run on all ranks: its name, the step, and the atoms as they were."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.io import read
from tests.conftest import PROGRAMS, Run

import lamplighter
from lamplighter.driver.session import LammpsError
from lamplighter.run_folder.events import read_events

NVE: dict[str, Any] = {"type": "nve", "length": "400 steps"}
GOOD = ["pair_style lj/cut 7.0", "pair_coeff * * 0.0104 3.40"]
#: exp(400 (r0 - r)) is larger than any number where two atoms are closer than 3.3 Å, which none is at the start
OVERFLOWS = ["pair_style morse 7.0", "pair_coeff * * 1.0 200.0 5.072"]
AT_ONCE = ["pair_style lj/cut 7.0", "pair_coeff * * 1e308 3.40"]


@pytest.fixture
def path(write_run_file: Callable[..., Path]) -> Callable[..., Path]:
    def write(broken: list[str], stages: list[dict[str, Any]] | None = None, **sections: Any) -> Path:
        potential = {"members": [GOOD, broken]}
        return write_run_file(stages or [NVE], potential=potential, committee=5, velocities="300 K", seed=3, **sections)

    return write


def require_frame(folder: Path, step: int) -> None:
    frame = read(folder / "failure.xyz", index=-1)
    assert frame.info["step"] == step
    assert frame.info["guard_frame"] == "failure"
    assert frame.get_chemical_symbols() == ["Ar"] * 108
    assert frame.pbc.all()
    distances = frame.get_all_distances(mic=True) + 9.0 * np.eye(108)
    assert (distances.min() < 3.3) == (step > 0)


def test_one_member_of_a_committee_ends_the_run(path: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(
        LammpsError, match=r"Model 2 \(morse\) of the committee gives .* at step \d+: .*shorter"
    ) as told:
        lamplighter.run(path(OVERFLOWS), progress=False)
    step = int(str(told.value).split(" at step ")[1].split(":")[0])
    assert step > 0
    assert step % 5 == 0  # when it is evaluated
    assert f"the atoms at step {step}: {tmp_path / 'run' / 'failure.xyz'}" in str(told.value)
    require_frame(tmp_path / "run", step)
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert status["status"] == "failed"
    assert "Model 2 (morse) of the committee" in status["error"]


@pytest.mark.mpi
def test_on_two_ranks_there_is_one_message(path: Callable[..., Path], mpirun: Run, tmp_path: Path) -> None:
    done = mpirun(2, [PROGRAMS / "lamplighter", "run", "-q", path(OVERFLOWS)], timeout=60)
    assert done.returncode == 1
    assert done.stderr.count("Error: ") == 1
    assert "Model 2 (morse) of the committee gives" in done.stderr
    require_frame(tmp_path / "run", int(done.stderr.split(" at step ")[1].split(":")[0]))


def test_the_guard_ends_the_run_with_its_evidence(path: Callable[..., Path]) -> None:
    """At the step itself, whatever its interval, though no force that moves atoms is broken."""
    guard = {"every": 100, "temperature": "100000 K", "frames_before": 2, "frames_every": 1}
    run = lamplighter.run(path(OVERFLOWS, guard=guard), progress=False)
    (event,) = read_events(run.folder)
    assert event.criterion == "finite"
    assert event.step % 100 > 0
    assert event.cause.startswith("Model 2 (morse) of the committee gives ")
    assert run.status == "stopped"
    assert run.summary["stability"]["explanation"] == event.cause
    require_frame(run.folder, event.step)
    log = (run.folder / "log.lammps").read_text()
    assert event.cause in log.replace("\n", " ")


def test_a_guard_that_records_notes_it_before_the_run_ends(path: Callable[..., Path], tmp_path: Path) -> None:
    guard = {"temperature": "100000 K", "action": "record"}
    with pytest.raises(LammpsError, match="Model 2"):
        lamplighter.run(path(OVERFLOWS, guard=guard), progress=False)
    (event,) = read_events(tmp_path / "run")
    require_frame(tmp_path / "run", event.step)


@pytest.mark.parametrize("before", [[], [{"type": "minimise", "max_steps": 5}]])
def test_a_model_that_is_broken_from_the_start(path: Callable[..., Path], tmp_path: Path, before: list[Any]) -> None:
    """The first evaluation of a committee comes before the guard."""
    with pytest.raises(LammpsError, match=r"Model 2 \(lj/cut\) of the committee gives .* no finite number at step 0: "):
        lamplighter.run(path(AT_ONCE, [*before, NVE], guard={"temperature": "100000 K"}), progress=False)
    require_frame(tmp_path / "run", 0)
