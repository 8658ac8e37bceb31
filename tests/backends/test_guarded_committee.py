"""`committee` and `guard.variance` of a run file: one section for all models that `pair_style lamplighter` runs."""

from __future__ import annotations

import json
from pathlib import Path

import ase.io
import numpy as np
import pytest
import yaml
from tests.conftest import PROGRAMS, Run

from lamplighter.conformance import Subject, structures


def test_the_guard_ends_a_run_on_the_variance_of_its_members(subject: Subject, run: Run, tmp_path: Path) -> None:
    """At the first evaluation; the variance, and the atom, are those of the frameworks' own calculators."""
    if subject.lines is not None or subject.name.startswith("mace"):
        pytest.skip("tests/driver and tests/potentials have MACE and pair styles of LAMMPS")
    atoms = structures.liquid(subject.elements)
    ase.io.write(tmp_path / "liquid.xyz", atoms)
    forces = []
    for model in (subject.model, subject.second):
        atoms.calc = subject.reference(model)
        forces.append(atoms.get_forces())
    variance = np.square(forces - np.mean(forces, axis=0)).sum(axis=(0, 2)) / 2
    content = {
        "structure": "liquid.xyz",
        "potential": {"models": [str(subject.model), str(subject.second)], "dtype": "float64"},
        "committee": {"every": 2},
        "guard": {"variance": float(0.9 * variance.max()), "frames_before": 0},
        "velocities": "300 K",
        "timestep": "0.1 fs",
        "stages": [{"type": "nve", "length": "4 steps"}],
    }
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(content))
    words = [PROGRAMS / "lamplighter", "run", tmp_path / "run.yaml", "--trust"]
    done = run(words, env={"XDG_CONFIG_HOME": str(tmp_path)}, timeout=250)
    assert done.returncode == 0, done.stderr[-3000:]
    (event,) = [json.loads(line) for line in (tmp_path / "run" / "events.jsonl").read_text().splitlines()]
    assert (event["criterion"], event["step"]) == ("variance", 0)
    assert event["value"] == pytest.approx(variance.max(), rel=1e-3)
    assert event["atoms"][0] == int(np.argmax(variance)) + 1
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["status"], summary["stability"]["cause"]) == ("stopped", "variance")
