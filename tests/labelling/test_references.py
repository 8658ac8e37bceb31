"""Scans, errors and decompositions take their reference from the same methods as labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from ase.build import bulk, molecule
from ase.io import write
from tblite.ase import TBLite

import lamplighter as ll

LINES = ["pair_style lj/cut 6.0", "pair_modify shift yes"]


def run_file(path: Path, epsilon: float, **keys: Any) -> Path:
    potential = {"lammps": [*LINES, f"pair_coeff * * {epsilon} 3.4"]}
    stages = [{"type": "nve", "length": "1 steps", "timestep": "1 fs"}]
    content = {"structure": "argon.xyz", "potential": potential, **(keys or {"velocities": "80 K", "stages": stages})}
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture
def argon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "argon.xyz", bulk("Ar", "fcc", a=5.3, cubic=True).repeat(3))
    return run_file(tmp_path / "reference.yaml", 0.0104)


def test_another_run_file_is_the_reference_of_a_volume_scan(argon: Path, tmp_path: Path) -> None:
    scan = {"densities": [1.2, 1.5, 1.8], "reference": "reference.yaml", "atomic": True}
    run = ll.run(run_file(tmp_path / "scan.yaml", 0.0208, workflow={"volume_scan": scan}), progress=False)
    found = json.loads((run.folder / "volume_scan.json").read_text())
    (model,) = found["curves"]
    reference = found["reference"]
    np.testing.assert_allclose(model["total"], 2.0 * np.array(reference["total"]), rtol=1e-9)
    command = ll.volume_scan("argon.xyz", "scan.yaml", reference=str(argon), density=[1.2, 1.5, 1.8], atomic=True)
    again = command.to_dict()["reference"]["total"]
    np.testing.assert_allclose(again, reference["total"], rtol=1e-9)

    (tmp_path / "in.txt").write_text("{{atoms}} {{cell}}")
    (tmp_path / "program.yaml").write_text("command: 'true'\ninputs: {in: in.txt}\noutput: out\n")
    scan = {**scan, "reference": "program.yaml"}
    with pytest.raises(ll.LamplighterError, match="is a command file, and a run file starts no programs"):
        ll.run(run_file(tmp_path / "other.yaml", 0.01, workflow={"volume_scan": scan}), progress=False)
    scan = {**scan, "options": {"a": 1}}
    with pytest.raises(ll.ConfigError, match="is of a reference module:Class, and a run file takes none"):
        ll.run(run_file(tmp_path / "other.yaml", 0.01, workflow={"volume_scan": scan}), progress=False)


def test_lone_molecules_of_a_decomposition_are_of_any_method(argon: Path, tmp_path: Path) -> None:
    frames = []
    for seed in range(5):
        pair = molecule("H2O") + molecule("H2O")
        pair.positions[3:] += [0.0, 0.0, 3.2 + 0.1 * seed]
        pair.calc = TBLite(method="GFN2-xTB", verbosity=0)
        pair.info["energy_xtb"], pair.arrays["forces_xtb"] = pair.get_potential_energy(), pair.get_forces()
        pair.calc = None
        frames.append(pair)
    write(tmp_path / "argon.xyz", frames[0])
    write(tmp_path / "waters.xyz", frames)
    model = str(run_file(tmp_path / "model.yaml", 0.001))
    named = ll.decompose("waters.xyz", run_file=model, reference="gfn2").to_dict()
    by_class = ll.decompose("waters.xyz", run_file=model, reference="tblite.ase:TBLite").to_dict()
    for part, value in named["reference_energies_eV"].items():
        np.testing.assert_allclose(by_class["reference_energies_eV"][part], value, atol=1e-6)
    with pytest.raises(ll.LamplighterError, match="the labels energy_xtb are not of gfn1"):
        ll.decompose("waters.xyz", run_file=model, reference="gfn1")
