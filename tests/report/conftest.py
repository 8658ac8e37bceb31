"""Run folders as the engine leaves them, with a thermo table whose truth is known."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
import yaml

HEADER = (
    "stage,step,time_ps,temperature_K,pressure_bar,density_g_cm3,volume_A3,potential_energy_eV,"
    "kinetic_energy_eV,total_energy_eV,pxx_bar,pyy_bar,pzz_bar,pxy_bar,pxz_bar,pyz_bar,"
    "lx_A,ly_A,lz_A,xy_A,xz_A,yz_A"
)
NATOMS = 640

RunMaker = Callable[..., Path]


def thermo_lines(stage: int, first_step: int, n: int, every: int, timestep_fs: float, **means: Any) -> list[str]:
    """Rows with white noise around given means; a mean may also be an array of shape (n,)."""
    rng = np.random.default_rng(stage)
    noise = {"temperature": 10.0, "pressure": 500.0, "density": 0.01, "potential": 0.5, "total": 0.05}
    usual = {"temperature": 500.0, "pressure": 1.0, "density": 0.92, "potential": -6400.0, "total": -6360.0}
    values = {name: means.get(name, usual[name]) + noise[name] * rng.standard_normal(n) for name in usual}
    lines = []
    for i in range(n):
        step = first_step + i * every
        t, p, rho, pe, total = (values[k][i] for k in ("temperature", "pressure", "density", "potential", "total"))
        lines.append(
            f"{stage},{step},{step * timestep_fs / 1000:.6f},{t:.4f},{p:.4f},{rho:.6f},9000,{pe:.5f},40,{total:.5f}"
            + f",{p:.2f}" * 3 + ",0,0,0,20,20,20,0,0,0"
        )  # fmt: skip
    return lines


@pytest.fixture
def make_run(tmp_path: Path) -> RunMaker:
    """`make_run(lines, stages, **status)`: a run folder with that thermo table and status."""

    def make(lines: list[str], stages: list[dict[str, Any]], name: str = "run", **status: Any) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "thermo.csv").write_text("\n".join([HEADER, *lines]) + "\n")
        content = {
            "status": "completed", "error": None, "failed_stage": None, "natoms": NATOMS, "ranks": 2,
            "threads_per_rank": 1, "stages": stages, **status,
        }  # fmt: skip
        (folder / "status.json").write_text(json.dumps(content))
        (folder / "provenance.json").write_text("{}")
        return folder

    return make


def stage(
    index: int, kind: str, steps: int, timestep_fs: float | None = 0.5, wall_s: float | None = 100.0
) -> dict[str, Any]:
    """One entry of `stages` in status.json."""
    return {
        "index": index, "type": kind, "name": f"{kind} {index}", "steps": steps, "timestep_fs": timestep_fs,
        "wall_s": wall_s,
    }  # fmt: skip


EXAMPLE = Path(__file__).parents[2] / "examples" / "ec_emc"

# One process for all runs: torch and MACE take most of the time to import.
_CARRY_OUT = "import sys, lamplighter\nfor each in sys.argv[1:]: lamplighter.run(each, progress=False)"


@pytest.fixture(scope="session")
def real_runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Real runs of 160 atoms of EC:EMC with the example's models: two that hold, one with a committee that is ended
    by a guard of bonds that is far too strict.
    """
    folder = tmp_path_factory.mktemp("real")
    models = [str(EXAMPLE / "models" / f"ec_emc_{k}.model") for k in range(2)]
    stages = [
        {"type": "nvt", "name": "mobile", "length": "0.1 ps", "temperature": "500 K", "thermostat": "svr"},
        {"type": "npt", "name": "liquid", "length": "0.1 ps", "temperature": "500 K", "pressure": "1 atm"},
    ]
    plans: dict[str, dict[str, Any]] = {
        "held": {"potential": {"kind": "mace", "models": models[:1], "dtype": "float32"}, "guard": "stability"},
        "again": {"potential": {"kind": "mace", "models": models[1:], "dtype": "float32"}, "guard": "stability"},
        "failed": {
            "potential": {"kind": "mace", "models": models, "dtype": "float32"},
            "committee": {"every": 2},
            "guard": {"bond_stretch": "0.15 A", "frames_before": 3, "frames_every": 2},
        },
    }
    for seed, (name, plan) in enumerate(plans.items(), start=1):
        content = {
            "structure": str(EXAMPLE / "structures" / "ec_emc_160.xyz"), "timestep": "0.5 fs", "seed": seed,
            "velocities": "500 K", "stages": stages, **plan,
            "output": {"folder": str(folder / name), "thermo": "1 fs", "trajectory": "2 fs"},
        }  # fmt: skip
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    command = [sys.executable, "-c", _CARRY_OUT, *(str(folder / f"{name}.yaml") for name in plans)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False, cwd=folder)
    assert done.returncode == 0, done.stderr
    return {name: folder / name for name in plans}


@dataclass(frozen=True)
class Judged:
    """The report of two real runs with labelled frames and a training set: page and `--json`."""

    page: Path
    content: dict[str, Any]
    frames: Path
    training: Path


EIGHT = (0, 1, 3, 6, 8, 17, 20, 23)
"""Frames of 7 trajectories: two of EC:EMC 1:1, six of 1:2."""

_REPORT = "from lamplighter import cli\ncli.main()"


@pytest.fixture(scope="session")
def judged(real_runs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """One command, so that everything goes through it; models are evaluated in its process."""
    from lamplighter.observables.extrapolation import fit_training_set, save_extrapolation

    folder = tmp_path_factory.mktemp("judged")
    data = EXAMPLE / "data"
    frames = [ase.io.read(data / "liquid_test.xyz", index=k) for k in EIGHT]
    ase.io.write(folder / "eight.xyz", frames)
    ase.io.write(folder / "known.xyz", frames[2:])
    save_extrapolation(folder / "fit.npz", fit_training_set(folder / "known.xyz", frames[2:], most=100))
    words = [
        real_runs["held"], real_runs["failed"], "--labelled", folder / "eight.xyz", "--group", "trajectory",
        "--lone-molecules", "gfn2", "--trained", folder / "known.xyz", "--name", "EC=C3H4O3", "--name", "EMC=C4H8O3",
        "--extrapolation", folder / "fit.npz", "-o", folder / "judged.html", "--json",
    ]  # fmt: skip
    command = [sys.executable, "-c", _REPORT, "report", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False, cwd=folder)
    assert done.returncode == 0, done.stderr
    return Judged(folder / "judged.html", json.loads(done.stdout), folder / "eight.xyz", folder / "fit.npz")


@pytest.fixture
def lamplighter(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """The command in this process: exit status, output, errors."""
    from lamplighter import cli

    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["lamplighter", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        captured = capsys.readouterr()
        return int(end.value.code or 0), captured.out, captured.err

    return call
