"""A potential of another package: one class and one entry point, and nothing here knows of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ase.build import bulk

SPRINGS = """
import numpy as np
import torch

from lamplighter.potentials.interface import ClusterPotential, ClusterResult


class Springs(ClusterPotential):
    kind = "springs"
    runs_on_gpu = False

    def __init__(self, cutoff, strength):
        self.cutoff, self.strength, self.elements = cutoff, strength, ["Ar"]
        self.device, self.dtype = torch.device("cpu"), torch.float64

    @classmethod
    def recognises(cls, path):
        return path.read_bytes().startswith(b"springs ")

    @classmethod
    def load(cls, path, options):
        return cls(*map(float, path.read_text().split()[1:]))

    def compute(self, cluster):
        between = cluster.positions[: cluster.nlocal, None] - cluster.positions[None]
        distances = np.linalg.norm(between, axis=2)
        stretch = np.where((distances > 0.0) & (distances < self.cutoff), self.cutoff - distances, 0.0)
        energies = np.zeros(len(cluster.positions))
        energies[: cluster.nlocal] = 0.5 * self.strength * (stretch**2).sum(axis=1)
        pulls = (self.strength * stretch / np.where(distances > 0.0, distances, 1.0))[:, :, None] * between
        forces = -pulls.sum(axis=0)
        forces[: cluster.nlocal] += pulls.sum(axis=1)
        return ClusterResult(energies, forces)
"""


@pytest.mark.thorough
def test_it_runs_whatever_its_files_look_like(run: Callable[..., Any], python: Path, tmp_path: Path) -> None:
    (tmp_path / "springs.py").write_text(SPRINGS)
    info = tmp_path / "springs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: springs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[lamplighter.potentials]\nsprings = springs:Springs\n")
    (tmp_path / "model.txt").write_text("springs 4.0 0.05")
    bulk("Ar", cubic=True).repeat(3).write(tmp_path / "argon.xyz")
    content = {
        "structure": "argon.xyz",
        "potential": {"kind": "springs", "models": "model.txt"},
        "velocities": "50 K",
        "stages": [{"type": "nve", "length": "0.1 ps"}],
    }
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(content))
    program = "from lamplighter import run; print(*run('run.yaml', progress=False).thermo['total_energy_eV'])"
    done = run([python, "-c", program], env={"PYTHONPATH": str(tmp_path)}, timeout=300)
    assert done.returncode == 0, done.stderr
    energies = [float(each) for each in done.stdout.split()]
    assert max(energies) - min(energies) < 1e-5
    (model,) = json.loads((tmp_path / "run" / "provenance.json").read_text())["models"]
    assert model["loader"] == "the package of its kind"
