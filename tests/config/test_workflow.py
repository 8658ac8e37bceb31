"""Workflows of the run file become the stages that their protocols name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from lamplighter.config import Minimise, Npt, load_run_file
from lamplighter.config.loading import parse_run_file
from lamplighter.errors import ConfigError
from lamplighter.run_folder.folder import run_file_text

BASE: dict[str, Any] = {"structure": "liquid.xyz", "potential": {"models": "liquid.model"}}


def stages(workflow: Any, **sections: Any) -> list[Any]:
    return parse_run_file({**BASE, "workflow": workflow, **sections}).stages


def test_compression_is_the_protocols_by_default() -> None:
    found = stages({"compression": {"temperature": "300 K"}})
    assert len(found) == 2 * 19
    assert {str(stage.length) for stage in found} == {"50 ps"}
    assert [stage.pressure.start.metal for stage in found[::2]] == [1.0 + 1000.0 * k for k in range(19)]
    assert all(stage.pressure.start == stage.pressure.stop for stage in found)
    assert found[2].name == "compression 1001 bar, equilibration"
    assert found[3].name == "compression 1001 bar"


def test_lengths_pressures_and_couplings_are_given() -> None:
    found = stages(
        {
            "compression": {
                "temperature": "350 K",
                "pressures": ["1 atm", "0.1 GPa", "2 kbar", "5 kbar"],
                "equilibration": "5 ps",
                "production": "2000 steps",
                "timestep": "1 fs",
                "thermostat": "svr",
                "barostat": {"type": "triclinic", "damping": "2 ps"},
            }
        }
    )
    assert [str(stage.length) for stage in found[:2]] == ["5 ps", "2000 steps"]
    assert str(found[2].pressure.start) == "0.1 GPa"
    assert found[7].thermostat.type == "svr"
    assert found[7].barostat.type == "triclinic"
    assert str(found[7].timestep) == "1 fs"


def test_thermal_expansion() -> None:
    found = stages({"thermal_expansion": {"temperatures": ["300 K", "325 K"], "pressure": "1 atm"}})
    assert [(s.name, str(s.length), s.temperature.stop.metal) for s in found] == [
        ("expansion 300 K, equilibration", "500 ps", 300.0),
        ("expansion 300 K", "500 ps", 300.0),
        ("expansion 325 K, equilibration", "500 ps", 325.0),
        ("expansion 325 K", "500 ps", 325.0),
    ]
    assert {str(stage.pressure.start) for stage in found} == {"1 atm"}


def test_staged_equilibration_is_table_s1() -> None:
    found = stages("staged_equilibration")
    assert [type(stage) for stage in found] == [Minimise, Npt, Minimise, *[Npt] * 7]
    table = [
        (stage.length.metal / 1000.0, stage.temperature.start.metal, stage.temperature.stop.metal,
         stage.pressure.start.metal / 10.0, stage.pressure.stop.metal / 10.0)
        for stage in found
        if isinstance(stage, Npt)
    ]  # fmt: skip
    assert table == [
        pytest.approx(row)
        for row in [  # ns, K → K, MPa → MPa
            (0.5, 1, 1, 0.01, 0.2),
            (0.5, 1, 300, 0.2, 10),
            (0.4, 300, 300, 10, 0.1),
            (0.8, 300, 400, 0.1, 1),
            (0.8, 400, 300, 1, 0.1),
            (1.0, 300, 300, 0.1, 100),
            (1.0, 300, 300, 100, 0.1),
            (1.0, 300, 300, 0.1, 0.1),
        ]
    ]
    short = stages({"staged_equilibration": {"scale": 0.01, "temperature": "350 K", "hot": "450 K"}})
    assert short[1].length.metal == pytest.approx(5.0)
    assert short[5].temperature.stop.metal == 450.0


def test_stages_of_the_run_file_come_first() -> None:
    found = stages(
        {"staged_equilibration": None, "compression": {"temperature": "300 K"}}, stages=[{"type": "minimise"}]
    )
    assert len(found) == 1 + 10 + 38
    assert found[10].name == "staged equilibration, relax"
    assert found[11].name == "compression 1 bar, equilibration"


def test_the_resolved_run_file_holds_the_stages_and_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump({**BASE, "workflow": {"compression": {"temperature": "300 K"}}}))
    run = load_run_file(path)
    assert len(run.stages) == 38
    assert str(run.velocities.temperature) == "300 K"
    assert str(run.stages[0].barostat.damping) == "500 fs"
    text = run_file_text(run)
    assert yaml.safe_load(text)["workflow"] is None
    again = tmp_path / "again.yaml"
    again.write_text(text)
    assert load_run_file(again).stages == run.stages


def test_a_volume_scan_stays_and_is_read_again(tmp_path: Path) -> None:
    """Its stages are written out, and the staged equilibration does not come back."""
    path = tmp_path / "run.yaml"
    workflow = {"staged_equilibration": None, "volume_scan": {"densities": [0.5, 1, 1.5], "reference": "gfn2"}}
    path.write_text(yaml.safe_dump({**BASE, "workflow": workflow}))
    run = load_run_file(path)
    assert len(run.stages) == 10
    assert run.volume_scan is not None
    assert run.volume_scan.values == [0.5, 1.0, 1.5]
    again = tmp_path / "again.yaml"
    again.write_text(run_file_text(run))
    assert (
        load_run_file(again).model_dump() == run.model_copy(update={"output": load_run_file(again).output}).model_dump()
    )
    assert len(load_run_file(again).stages) == 10


def test_a_volume_scan_alone_is_the_protocols() -> None:
    run = parse_run_file({**BASE, "workflow": "volume_scan"})
    assert run.stages == []
    assert run.volume_scan is not None
    assert len(run.volume_scan.values) == 25
    assert (run.volume_scan.values[0], run.volume_scan.values[-1]) == (0.1, 2.5)
    assert run.volume_scan.reference is None
    members = ["pair_style lj/cut 5.0\npair_coeff * * 0.1 3.0", "pair_style lj/cut 6.0\npair_coeff * * 0.1 3.0"]
    run = parse_run_file({**BASE, "potential": {"members": members}, "workflow": "volume_scan"})
    assert run.committee is None


@pytest.mark.parametrize(
    ("workflow", "message"),
    [
        ({}, "workflow: is empty; the keys known here are staged_equilibration, compression"),
        ("compresion", "workflow.compresion: unknown key (did you mean 'compression'?)"),
        ({"compression": None}, "workflow.compression.temperature: is required"),
        (
            {"compression": {"temperature": ["300 K", "400 K"]}},
            "workflow.compression.temperature: ['300 K', '400 K'] is not a temperature",
        ),
        (
            {"compression": {"temperature": "300 K", "pressures": ["1 bar", "1 kbar", "2 kbar"]}},
            "workflow.compression.pressures: needs at least 4 values, got 3: the Tait equation has three parameters",
        ),
        (
            {"compression": {"temperature": "300 K", "pressures": ["1 bar", "1 kbar", "1000 bar", "2 kbar"]}},
            "workflow.compression.pressures: names 1000 bar twice",
        ),
        (
            {"compression": {"temperature": "300 K", "pressures": ["1 bar", 5]}},
            "workflow.compression.pressures[1]: 5 has no unit",
        ),
        (
            {"compression": {"temperature": "300 K", "production": "0.1 fs"}},
            "stages[1].length: must be at least one timestep (0.5 fs), got '0.1 fs'",
        ),
        (
            {"thermal_expansion": {"temperatures": ["300 K"]}},
            "workflow.thermal_expansion.temperatures: needs at least 2 values, got 1: a slope needs two points",
        ),
        (
            {"compression": {"temperature": "300 K"}, "thermal_expansion": {"temperatures": ["300 K", "310 K"]}},
            "workflow: compression and thermal_expansion are series of their own",
        ),
        (
            {"compression": {"temperature": "300 K"}, "volume_scan": None},
            "workflow: compression and volume_scan are series of their own: give each a run file of its own",
        ),
        (
            {"volume_scan": {"densities": [0.5, 1.5, 1.0]}},
            "workflow.volume_scan.densities: [0.5, 1.5, 1.0] must be > 0 g/cm³ and ascend",
        ),
        ({"volume_scan": {"densities": "0.1:2.5"}}, "densities: '0.1:2.5' cannot be understood: write LOW:HIGH:NUMBER"),
        ({"volume_scan": {"densities": [1, 2]}}, "densities: [1, 2] is 2 densities, fewer than 3"),
        (
            {"volume_scan": {"densities": yaml.safe_load("1:2:25")}},
            "densities: cannot be understood: 3745, as YAML reads it, is one number: quote LOW:HIGH:NUMBER",
        ),
        ({"volume_scan": {"densities": {"low": 1}}}, "densities: {'low': 1} cannot be understood"),
        (
            {"volume_scan": {"reference": "gfn7"}},
            "workflow.volume_scan.reference: must be gfn1, gfn2, an ASE calculator module:Class, or another run file, "
            "got 'gfn7'; a file of labelled frames is for `lamplighter scan --reference FILE --model RUN.yaml`",
        ),
        (
            {"volume_scan": {"options": {"rc": 5}}},
            "workflow.volume_scan.options: is of `reference`, which is not given",
        ),
        (
            {"volume_scan": {"reference": "gfn2", "options": {"rc": 5}}},
            "workflow.volume_scan.options: is of a reference module:Class, and gfn2 takes none",
        ),
        ({"volume_scan": {"density": [1, 2, 3]}}, "unknown key (did you mean 'densities'?)"),
        ({"staged_equilibration": {"scale": 0}}, "workflow.staged_equilibration.scale: input should be greater than 0"),
    ],
)
def test_what_is_wrong_is_refused_with_its_key(workflow: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        stages(workflow)
    assert message in str(caught.value)


def test_neither_stages_nor_workflow() -> None:
    with pytest.raises(ConfigError, match="stages: is required: at least one stage, or a workflow"):
        parse_run_file(BASE)


TOP = Path(__file__).parents[2]


def test_run_files_of_the_page_and_of_the_example_are_valid() -> None:
    blocks = re.findall(
        r"```yaml\n(.*?)```", (TOP / "docs" / "how_to" / "equation_of_state.md").read_text(encoding="utf-8"), re.S
    )
    assert len(blocks) == 3
    for text in blocks:
        run = parse_run_file(yaml.safe_load(text))
        assert run.stages or run.volume_scan
    for name in ("compression", "expansion", "scan"):
        run = load_run_file(TOP / "examples" / "ec_emc" / f"{name}.yaml")
        assert run.output.folder == TOP / "runs" / name
        assert isinstance(run.stages[-1], Npt) if name != "scan" else run.volume_scan
