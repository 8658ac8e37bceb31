"""The run file: what is right is read with its defaults, what is wrong is refused with its key and the remedy."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

import lamplighter
from lamplighter.config import RunFile, load_run_file
from lamplighter.config.quantity import parse_quantity
from lamplighter.config.run_file import OutputSection
from lamplighter.errors import ConfigError

GOOD: dict[str, Any] = {
    "structure": {"file": "liquid.xyz"},
    "potential": {"models": "liquid.model"},
    "stages": [
        {"type": "minimise"},
        {"type": "npt", "length": "20 ps", "temperature": ["300 K", "500 K"], "pressure": "1 atm"},
    ],
}


def write(folder: Path, content: Any, name: str = "run.yaml") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
    return path


def changed(path: str, value: Any) -> dict[str, Any]:
    """The good run file with one key set: `stages.1.length`."""
    content = copy.deepcopy(GOOD)
    place: Any = content
    *way, last = path.split(".")
    for key in way:
        place = place[int(key)] if key.isdigit() else place.setdefault(key, {})
    place[int(last) if last.isdigit() else last] = value
    return content


def refusal(folder: Path, content: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        load_run_file(write(folder, content))
    return str(caught.value)


def test_defaults_are_written_out(tmp_path: Path) -> None:
    run = load_run_file(write(tmp_path, GOOD))
    npt = run.stages[1]
    assert str(run.timestep) == "0.5 fs"
    assert npt.timestep.metal == pytest.approx(0.0005)
    assert npt.thermostat.type == "nose-hoover"
    assert npt.thermostat.damping.metal == pytest.approx(100 * 0.0005)
    assert npt.barostat.type == "isotropic"
    assert npt.barostat.damping.metal == pytest.approx(1000 * 0.0005)
    assert str(run.velocities.temperature) == "300 K"


def test_paths_are_relative_to_the_run_file(tmp_path: Path) -> None:
    run = load_run_file(write(tmp_path, GOOD, "heat.yaml"))
    assert run.structure.file == tmp_path / "liquid.xyz"
    assert run.potential.models == [tmp_path / "liquid.model"]
    assert run.output.folder == tmp_path / "heat"


def test_the_resolved_run_file_reads_as_itself(tmp_path: Path) -> None:
    run = load_run_file(write(tmp_path, GOOD))
    again = load_run_file(write(tmp_path, run.model_dump(mode="json"), "again.yaml"))
    assert again == run


def test_a_stage_may_have_its_own_timestep(tmp_path: Path) -> None:
    run = load_run_file(write(tmp_path, changed("stages.1.timestep", "1 fs")))
    assert run.stages[1].thermostat.damping.metal == pytest.approx(0.1)


def test_a_run_file_can_be_built_in_python() -> None:
    run = RunFile(
        structure={"file": "a.xyz"},
        potential={"lammps": "pair_style zero 5.0\npair_coeff * *"},
        stages=[{"type": "nvt", "length": "10 steps", "temperature": "80 K"}],
        output=OutputSection(folder="there"),
    )
    assert run.potential.lammps == ["pair_style zero 5.0", "pair_coeff * *"]
    assert lamplighter.RunFile is RunFile


@pytest.mark.parametrize(
    ("text", "kind", "metal"),
    [
        ("0.5 fs", "time", 0.0005),
        ("2ns", "time", 2000.0),
        ("1 atm", "pressure", 1.01325),
        ("0.1 MPa", "pressure", 1.0),
        ("100000 Pa", "pressure", 1.0),
        ("-1 kbar", "pressure", -1000.0),
        ("1 GPa", "pressure", 10000.0),
        ("2 nm", "length", 20.0),
        ("5e2 K", "temperature", 500.0),
        ("200 steps", "duration", 200.0),
    ],
)
def test_units_are_converted_to_those_of_lammps(text: str, kind: str, metal: float) -> None:
    assert parse_quantity(text, kind).metal == pytest.approx(metal, rel=1e-14)


NPT_STAGE = {"type": "npt", "length": "1 ps", "temperature": "300 K", "pressure": "1 bar"}


def mean_of(name: str, *before: dict[str, Any]) -> list[dict[str, Any]]:
    """Stages of which the last begins at the mean volume of another."""
    return [*before, {"type": "nvt", "length": "1 ps", "temperature": "300 K", "mean_volume_of": name}]


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (
            "stages.1.temperature",
            "500 bar",
            "stages[1].temperature: '500 bar' is not a temperature; write e.g. '500 K'",
        ),
        ("stages.1.temperature", 500, "stages[1].temperature: 500 has no unit; write e.g. '500 K'"),
        ("stages.1.temperature", "500", "stages[1].temperature: 500 has no unit; write e.g. '500 K'"),
        ("stages.1.temperature", "0 K", "stages[1].temperature: must be > 0, got '0 K'"),
        ("stages.1.temperature", "-5 K", "stages[1].temperature: must be > 0, got '-5 K'"),
        ("stages.1.temperature", ["1 K", "2 K", "3 K"], "stages[1].temperature: a ramp has a start and an end, got 3"),
        ("stages.1.temperature", ["1 K", "2 bar"], "stages[1].temperature: '2 bar' is not a temperature"),
        ("stages.1.temperature", True, "stages[1].temperature: True is not a temperature"),
        ("stages.1.temperature", "nan K", "stages[1].temperature: 'nan K' is not a temperature"),
        ("stages.1.pressure", "1 K", "stages[1].pressure: '1 K' is not a pressure; write e.g. '1 atm' or '1 bar'"),
        ("stages.1.pressure", 0, "stages[1].pressure: 0 has no unit"),
        ("stages.1.length", 20, "stages[1].length: 20 has no unit; write e.g. '20 ps' or '200 steps'"),
        ("stages.1.length", "20 A", "stages[1].length: '20 A' is not a duration"),
        ("stages.1.length", "0.1 fs", "stages[1].length: must be at least one timestep (0.5 fs), got '0.1 fs'"),
        ("stages.1.length", "2.5 steps", "stages[1].length: a number of steps must be whole, got '2.5 steps'"),
        ("stages.1.timestep", "5 steps", "stages[1].timestep: '5 steps' is not a time"),
        ("stages.1.thermostat", "berendsen", "stages[1].thermostat.type: must be 'nose-hoover', 'langevin' or 'svr'"),
        ("stages.1.thermostat", {"damping": 50}, "stages[1].thermostat.damping: 50 has no unit"),
        ("stages.1.barostat", "cubic", "stages[1].barostat.type: must be 'isotropic', 'anisotropic' or 'triclinic'"),
        ("stages.1.barostat", {"damp": "1 ps"}, "stages[1].barostat.damp: unknown key (did you mean 'damping'?)"),
        ("stages.1.ensemble", "npt", "stages[1].ensemble: unknown key; the keys known here are name, length"),
        (
            "stages.0.force_tolerance",
            "1 eV",
            "stages[0].force_tolerance: '1 eV' is not a force; write e.g. '0.05 eV/A'",
        ),
        ("stages.0.max_steps", 0, "stages[0].max_steps: input should be greater than or equal to 1, got 0"),
        (
            "stages.0.type",
            "minimize",
            "stages[0].type: 'minimize' is not a stage; choose one of minimise, nve, nvt, npt",
        ),
        ("stages.0", {"length": "1 ps"}, "stages[0].type: is required; choose one of minimise, nve, nvt, npt"),
        ("stages.1", {"type": "nvt", "length": "1 ps"}, "stages[1].temperature: is required"),
        (
            "stages.0.mean_volume_of",
            "npt",
            "stages[0].mean_volume_of: unknown key; the keys known here are type, name, force",
        ),
        (
            "stages.1.mean_volume_of",
            "npt",
            "stages[1].mean_volume_of: unknown key; the keys known here are name, length",
        ),
        (
            "stages",
            mean_of("cold", NPT_STAGE),
            "stages[1].mean_volume_of: names a stage before it, and none is named 'cold'; there are 'npt'",
        ),
        (
            "stages",
            mean_of("nvt"),
            "stages[0].mean_volume_of: names a stage before it, and none is named 'nvt'; there are none",
        ),
        (
            "stages",
            mean_of("npt", NPT_STAGE, NPT_STAGE),
            "stages[2].mean_volume_of: stages[0] and stages[1] are named 'npt': give them a `name` each",
        ),
        (
            "stages",
            mean_of("minimise", {"type": "minimise"}),
            "stages[1].mean_volume_of: stages[0] 'minimise' is minimise, "
            "and has no volume that fluctuates: name one that is npt",
        ),
        (
            "stages",
            mean_of("npt", {**NPT_STAGE, "temperature": ["300 K", "400 K"]}),
            "stages[1].mean_volume_of: the temperature of stages[0] 'npt' goes from 300 K to 400 K, so its mean",
        ),
        (
            "stages",
            mean_of("npt", {**NPT_STAGE, "pressure": ["1 bar", "1 kbar"]}),
            "stages[1].mean_volume_of: the pressure of stages[0] 'npt' goes from 1 bar to 1 kbar, so its mean",
        ),
        ("stages", [], "stages: is required: at least one stage, or a workflow"),
        ("timestep", 0.5, "timestep: 0.5 has no unit; write e.g. '0.5 fs'"),
        ("timestep", "-0.5 fs", "timestep: must be > 0, got '-0.5 fs'"),
        ("time_step", "1 fs", "time_step: unknown key (did you mean 'timestep'?)"),
        ("seed", 0, "seed: input should be greater than or equal to 1, got 0"),
        ("seed", "abc", "seed: input should be a valid integer"),
        ("structure.file", None, "structure.file: "),
        ("structure.fil", "a.xyz", "structure.fil: unknown key (did you mean 'file'?)"),
        ("structure.replicate", [1, 1], "structure.replicate[2]: is required"),
        ("structure.replicate", [1, 0, 1], "structure.replicate[1]: input should be greater than or equal to 1, got 0"),
        ("potential.dtype", "half", "potential.dtype: must be 'auto', 'float64' or 'float32', got 'half'"),
        ("potential.device", "gpu", "potential.device: must be auto, cpu, cuda or cuda:K"),
        ("potential.lammps", ["pair_style zero 5"], "potential: needs one of `models`"),
        ("potential.models", [], "potential: needs one of `models`"),
        ("velocities", {"temperature": "1 K", "from_structure": True}, "velocities: give either `temperature` or"),
        ("output.thermo", 10, "output.thermo: 10 has no unit; write e.g. '20 ps' or '200 steps'"),
        ("output.trajectory", "sometimes", "output.trajectory: 'sometimes' is not a duration"),
        ("output.restart", "1 K", "output.restart: '1 K' is not a duration"),
        ("neighbour.skin", "-1 A", "neighbour.skin: must not be negative, got '-1 A'"),
    ],
)
def test_a_wrong_value_is_refused_with_its_key_and_the_remedy(
    tmp_path: Path, path: str, value: Any, expected: str
) -> None:
    assert f"\n  {expected}" in refusal(tmp_path, changed(path, value))


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    content = changed("timestep", 1)
    content["stages"][1]["pressure"] = "1 K"
    message = refusal(tmp_path, content)
    assert "timestep: 1 has no unit" in message
    assert "stages[1].pressure: '1 K' is not a pressure" in message


def test_nve_alone_needs_a_temperature_for_its_velocities(tmp_path: Path) -> None:
    content = changed("stages", [{"type": "nve", "length": "1 ps"}])
    assert "velocities.temperature: is needed, because stages[0] is nve" in refusal(tmp_path, content)
    content["velocities"] = {"temperature": "300 K"}
    assert load_run_file(write(tmp_path, content)).velocities.temperature.metal == 300.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("stages: [", "is not valid YAML"),
        ("- 1\n- 2\n", "must be a mapping"),
        ("", "must be a mapping"),
        ("seed: 1\nseed: 2\n", "the key 'seed' is given twice"),
    ],
)
def test_a_file_that_is_no_run_file_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    message = refusal(tmp_path, text)
    assert expected in message
    assert "run.yaml" in message


def test_a_missing_run_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml does not exist"):
        load_run_file(tmp_path / "nowhere.yaml")
