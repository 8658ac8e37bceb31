"""The atoms at the step at which LAMMPS or a model ended a run: `failure.xyz`, where no guard has written it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lamplighter.arrays import Floats
from lamplighter.driver.environment import Environment
from lamplighter.driver.failure import agree
from lamplighter.driver.session import Session
from lamplighter.run_folder.events import read_events
from lamplighter.run_folder.names import FAILURE


def write_failing_frame(session: Session, env: Environment, elements: Sequence[str], error: str) -> bool:
    """Append the positions as they are to `failure.xyz`, in the current folder. Collective.

    Forces are not in it: the step was not finished. Positions are those of the images in the box.

    Args:
        session: LAMMPS, whose last command ended with an error on all ranks.
        env: Of the run.
        elements: Of each atom type.
        error: The message of the error, which the frame carries.

    Returns:
        Whether there is a frame of this step now; LAMMPS may have lost all atoms.

    Raises:
        OSError, RunFolderError: the folder takes no output, or its events cannot be read; on all ranks.
    """
    lammps = session.lammps
    count = int(lammps.extract_setting("nlocal"))
    rows = np.zeros((count, 5))
    if count:
        rows[:, 0] = lammps.numpy.extract_atom("id")[:count].ravel()
        rows[:, 1] = lammps.numpy.extract_atom("type")[:count].ravel()
        rows[:, 2:] = lammps.numpy.extract_atom("x")[:count]
    gathered = env.comm.gather(rows, root=0)
    step, box = session.step, lammps.extract_box()

    def append() -> bool:
        atoms = np.concatenate(gathered)
        if len(atoms) and not any(event.step == step for event in read_events(Path())):
            text = _frame(box, atoms[np.argsort(atoms[:, 0], kind="stable")], elements, step, error)
            with Path(FAILURE).open("a", encoding="utf-8") as file:
                file.write(text)
        return len(atoms) > 0 and Path(FAILURE).exists()

    return bool(agree(env.comm, append))


def _frame(box: Any, atoms: Floats, elements: Sequence[str], step: int, error: str) -> str:
    low, high, xy, yz, xz, periodic, _ = box
    origin, size = np.array(low), np.array(high) - np.array(low)
    cell = [size[0], 0.0, 0.0, xy, size[1], 0.0, xz, yz, size[2]]
    head = (
        f'Lattice="{_numbers(cell)}" Origin="{_numbers(origin)}" Properties=species:S:1:pos:R:3:id:I:1 step={step} '
        f'guard_frame=failure pbc="{" ".join("T" if each else "F" for each in periodic)}" error={json.dumps(error)}'
    )
    lines = [f"{elements[int(row[1]) - 1]} {_numbers(row[2:] - origin)} {int(row[0])}" for row in atoms]
    return "\n".join([str(len(atoms)), head, *lines]) + "\n"


def _numbers(values: Any) -> str:
    return " ".join(f"{float(each):.10g}" for each in values)
