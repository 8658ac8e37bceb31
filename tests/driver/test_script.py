"""The script that a run carries out: composed from plain scripts, and nothing is written to show it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import ase.build
import ase.io
import pytest

import lamplighter
from lamplighter.driver import script
from lamplighter.driver.lammps_scripts import scripts_folder
from lamplighter.errors import ConfigError, ModelError, StructureError

NVT = {"type": "nvt", "length": "60 steps", "temperature": "80 K"}
NPT = {"type": "npt", "length": "60 steps", "temperature": "80 K", "pressure": "1 atm"}


def test_quantities_arrive_in_metal_units(write_run_file: Callable[..., Path]) -> None:
    stage = {
        **NPT,
        "length": "1 ps",
        "temperature": ["80 K", "90 K"],
        "pressure": ["1 atm", "0.2 MPa"],
        "thermostat": {"type": "svr", "damping": "50 fs"},
        "barostat": {"type": "anisotropic", "damping": "1 ps"},
    }
    text = lamplighter.script_of(write_run_file([stage]))
    for line in (
        "variable step_end equal 500",
        "variable timestep equal 0.002",
        "variable temperature_start equal 80",
        "variable temperature_stop equal 90",
        "variable temperature_damping equal 0.05",
        "variable pressure_start equal 1.01325",
        "variable pressure_stop equal 2",
        "variable pressure_damping equal 1",
        'variable barostat string "aniso"',
    ):
        assert line in text.splitlines()


def test_models_and_elements_reach_the_pair_style(write_run_file: Callable[..., Path], tmp_path: Path) -> None:
    models = [tmp_path / "first.model", tmp_path / "second one.model"]
    for model in models:
        model.write_bytes(b"")
    ase.io.write(tmp_path / "ethanol.xyz", ase.build.molecule("CH3CH2OH"))
    text = lamplighter.script_of(
        write_run_file(
            [NVT],
            structure={"file": "ethanol.xyz"},
            potential={"models": [model.name for model in models], "dtype": "float32", "device": "cpu", "kind": "mace"},
        )
    )
    assert "pair_style lamplighter dtype float32 device cpu kind mace engine auto" in text
    assert f"pair_coeff * * {models[0]} file:{tmp_path}/second%20one.model H C O" in text


def test_included_scripts_are_shown_between_marks(write_run_file: Callable[..., Path]) -> None:
    text = lamplighter.script_of(write_run_file([NVT]))
    assert "# >>> inputs/nvt_nose_hoover.lmp" in text
    assert "# <<< inputs/nvt_nose_hoover.lmp" in text
    assert "fix             integrate ${mobile} nvt temp" in text
    assert not [line for line in text.splitlines() if line.startswith("include")]


def test_showing_the_script_touches_nothing(write_run_file: Callable[..., Path], tmp_path: Path) -> None:
    path = write_run_file([NVT])
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")}
    lamplighter.script_of(path)
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")} == before


def test_npt_without_a_cell_is_refused(write_run_file: Callable[..., Path], tmp_path: Path) -> None:
    ase.io.write(tmp_path / "ethanol.xyz", ase.build.molecule("CH3CH2OH"))
    path = write_run_file([NVT, NPT], structure={"file": "ethanol.xyz"})
    with pytest.raises(ConfigError, match=r"stages\[1\] is npt, but the structure .*ethanol.xyz has no periodic cell"):
        lamplighter.script_of(path)


def test_npt_of_a_slab_is_refused(write_run_file: Callable[..., Path], tmp_path: Path) -> None:
    ase.io.write(tmp_path / "slab.xyz", ase.build.fcc111("Al", (2, 2, 3), vacuum=8.0, orthogonal=True))
    path = write_run_file([NPT], structure={"file": "slab.xyz"})
    with pytest.raises(ConfigError, match=r"is not periodic along z"):
        lamplighter.script_of(path)


def test_missing_velocities_of_the_structure_are_told(write_run_file: Callable[..., Path]) -> None:
    with pytest.raises(ConfigError, match=r"argon.xyz holds no velocities"):
        lamplighter.script_of(write_run_file([NVT], velocities={"from_structure": True}))


def test_a_missing_model_is_named(write_run_file: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"potential.models\[0\]: .*none.model does not exist"):
        lamplighter.script_of(write_run_file([NVT], potential={"models": "none.model"}))


def test_a_missing_structure_is_named(write_run_file: Callable[..., Path]) -> None:
    with pytest.raises(StructureError, match=r"none.xyz does not exist"):
        lamplighter.script_of(write_run_file([NVT], structure={"file": "none.xyz"}))


def test_every_plain_script_says_what_it_needs() -> None:
    scripts = sorted(scripts_folder().glob("*.lmp"))
    assert len(scripts) > 10
    for path in scripts:
        lines = path.read_text(encoding="utf-8").splitlines()
        header = "\n".join(line for line in lines if line.startswith("#"))
        used = {part.split("}")[0] for line in lines if not line.startswith("#") for part in line.split("${")[1:]}
        set_here = {line.split()[1] for line in lines if line.startswith("variable")}
        assert lines[0].startswith("# "), path
        assert {name for name in used - set_here if name not in header} == set(), path


def test_stages_follow_each_other_in_steps_and_time() -> None:
    run = lamplighter.RunFile(
        structure={"file": "a.xyz"},
        potential={"lammps": "pair_style zero 5"},
        stages=[
            {"type": "minimise"},
            {"type": "nvt", "length": "100 steps", "temperature": "1 K"},
            {"type": "nvt", "length": "0.1 ps", "temperature": "1 K", "timestep": "1 fs"},
        ],
    ).resolved(Path.cwd(), "run")
    placed = script.steps_of_stages(run.stages)
    assert [(each.begin, each.end) for each in placed] == [(0, 0), (0, 100), (100, 200)]
    assert placed[2].begin_ps == pytest.approx(0.05)
