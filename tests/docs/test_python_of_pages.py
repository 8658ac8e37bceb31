"""Every Python block of README, docs and examples runs.

A page is one program: its blocks run in order and share their names. A mark above a block, `<!-- needs: a, b -->`, says
what it finds in its folder (`SUPPLIES` makes it), which packages it takes, and `process` for a page that needs a
process of its own.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.build import bulk
from ase.calculators.lj import LennardJones
from ase.io import read, write

import lamplighter

from .pages import TOP, Block, blocks, pages

ARGON = ["pair_style lj/cut 8.5", "pair_coeff * * 0.0104 3.40"]
PROGRAMS = {page: found for page in pages() if (found := [each for each in blocks(page) if each.language == "python"])}


def _argon() -> Atoms:
    atoms = bulk("Ar", "fcc", a=5.4, cubic=True) * (3, 3, 3)
    atoms.rattle(0.05, seed=1)
    return atoms


def _structure(path: Path) -> None:
    write(path, _argon())


def _labelled(path: Path) -> None:
    """Frames of argon with the labels of ASE's Lennard-Jones calculator."""
    frames = [_argon() for _ in range(3)]
    for seed, atoms in enumerate(frames):
        atoms.rattle(0.1, seed=seed)
        atoms.calc = LennardJones(sigma=3.4, epsilon=0.0104, rc=7.0)
        atoms.get_forces()
    write(path, frames)


def _run_file(path: Path) -> None:
    _structure(path.with_name("argon.xyz"))
    content = {
        "structure": "argon.xyz",
        "potential": {"lammps": ARGON},
        "timestep": "2 fs",
        "stages": [
            {"type": "npt", "name": "liquid", "length": "1 ps", "temperature": "85 K", "pressure": "1 atm"},
            {"type": "nvt", "name": "mobile", "length": "1 ps", "temperature": "85 K"},
        ],
        "output": {"trajectory": "0.05 ps", "restart": "1 ps"},
    }
    path.write_text(yaml.safe_dump(content))


def _run(path: Path) -> None:
    """A finished run of argon."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _run_file(path.with_name("of_argon.yaml"))
    lamplighter.run(path.with_name("of_argon.yaml"), output=path)


def _longer_run(path: Path) -> None:
    """As `_run`, long enough for diffusivities in blocks of 2 ps."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _run_file(path.with_name("longer.yaml"))
    content = yaml.safe_load(path.with_name("longer.yaml").read_text())
    content["stages"][1]["length"] = "12 ps"
    path.with_name("longer.yaml").write_text(yaml.safe_dump(content))
    lamplighter.run(path.with_name("longer.yaml"), output=path)


def _compression(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    _structure(path.with_name("argon.xyz"))
    series = {"temperature": "85 K", "equilibration": "0.5 ps", "production": "2 ps"}
    content = {
        "structure": "argon.xyz",
        "potential": {"lammps": ARGON},
        "timestep": "2 fs",
        "workflow": {"compression": {**series, "pressures": ["1 bar", "1 kbar", "2 kbar", "4 kbar"]}},
    }
    path.with_name("of_compression.yaml").write_text(yaml.safe_dump(content))
    lamplighter.run(path.with_name("of_compression.yaml"), output=path)


def _campaign(path: Path) -> None:
    """Of two seeds at 300 K; `path` is where it keeps its run files."""
    campaign = path.parent.with_suffix(".yaml")
    _structure(campaign.with_name("argon.xyz"))
    stage = {"type": "npt", "temperature": "300 K", "pressure": "5 kbar", "length": "200 steps"}
    base = {"structure": "argon.xyz", "potential": {"lammps": ARGON}, "timestep": "2 fs", "stages": [stage]}
    axes = {"temperature": {"keys": ["stages.*.temperature"], "values": ["300 K", "350 K"]}, "seed": [1, 2]}
    campaign.write_text(yaml.safe_dump({"base": {**base, "output": {"thermo": "2 steps"}}, "axes": axes}))
    for run in lamplighter.open_campaign(campaign).file.runs[:2]:
        lamplighter.run(run.run_file, output=run.folder, progress=False)


def _failing_run(path: Path) -> None:
    """A run folder whose evidence has a bond that is too long, with the atoms and the step of the example's page."""
    path.mkdir(parents=True)
    frames = []
    for _ in range(6):
        frame = Atoms("OCH", [(0.0, 0.0, 0.0), (1.944, 0.0, 0.0), (2.9, 0.0, 0.0)], cell=[20.0] * 3, pbc=True)
        frame.info["step"] = 1879
        frame.new_array("guard", np.array([1, 1, 0]))
        frames.append(frame)
    write(path / "failure.xyz", frames)


def _failing_liquid(path: Path) -> None:
    """Evidence of a run of the example's liquid, whose last frame marks two atoms."""
    path.mkdir(parents=True)
    frame = read(TOP / "examples" / "ec_emc" / "structures" / "ec_emc_160.xyz")
    marks = np.zeros(len(frame), int)
    marks[:2] = 1
    frame.new_array("guard", marks)
    write(path / "failure.xyz", frame)


def _lammps_script(path: Path) -> None:
    lines = ["units metal", "lattice fcc 5.4", "region box block 0 3 0 3 0 3", "create_box 1 box", "create_atoms 1 box"]
    path.write_text("\n".join([*lines, "mass 1 39.948", *ARGON, "run 1", ""]))


def _example_model(path: Path) -> None:
    name = "ec_emc_0.model" if path.name == "my_mace.model" else path.name
    (found,) = (TOP / "examples" / "ec_emc").glob(f"**/{name}")
    shutil.copy(found, path)


SUPPLIES: dict[str, Callable[[Path], None]] = {
    "argon.xyz": _structure,
    "labelled.xyz": _labelled,
    "md.xyz": _structure,
    "run.yaml": _run_file,
    "run": _run,
    "few_1": _run,
    "few_2": _run,
    "hot": _failing_liquid,
    "liquid": _longer_run,
    "liquid.yaml": _run_file,
    "liquid/run_files": _campaign,
    "liquid_1": _longer_run,
    "runs/ec_emc": _run,
    "runs/compression": _compression,
    "runs/bond_1000K": _failing_run,
    "in.liquid": _lammps_script,
    "ec_emc_0.model": _example_model,
    "few_clusters_3.model": _example_model,
    "my_mace.model": _example_model,
}


MODELS_AND_SERIES = {"runs/compression", "liquid_1", "mace"}
"""What takes seconds: left out of the quick tests."""


def _parameter(page: str) -> object:
    needs = {need for block in PROGRAMS[page] for need in block.needs}
    return pytest.param(page, marks=pytest.mark.thorough if needs & MODELS_AND_SERIES else ())


@pytest.mark.thorough
@pytest.mark.parametrize("page", [_parameter(page) for page in PROGRAMS], ids=str)
def test_the_python_of_a_page_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs = {need for block in PROGRAMS[page] for need in block.needs}
    monkeypatch.chdir(tmp_path)
    for need in sorted(needs - {"process"}):
        if need in SUPPLIES:
            if not (tmp_path / need).exists():
                SUPPLIES[need](tmp_path / need)
        elif importlib.util.find_spec(need) is None:
            pytest.skip(f"{need} is not installed")
    if "process" in needs:
        program = "".join(block.text for block in PROGRAMS[page])
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return
    names: dict[str, object] = {"__name__": page}
    for block in PROGRAMS[page]:
        _execute(block, names)


def _execute(block: Block, names: dict[str, object]) -> None:
    # lines of the page, so that a traceback names the line that failed
    exec(compile("\n" * block.line + block.text, block.page, "exec"), names)


def test_needs_are_known() -> None:
    for page, found in PROGRAMS.items():
        for need in (need for block in found for need in block.needs):
            if need != "process" and need not in SUPPLIES:
                assert need.isidentifier(), f"{page}: nothing makes {need}"
