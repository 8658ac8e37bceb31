"""The volume scan of a run file: the numbers of `lamplighter scan`, after stages or alone, and gone on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.lj import LennardJones
from ase.io import read, write
from tests.conftest import PROGRAMS, Run

import lamplighter
from lamplighter import exit_status
from lamplighter.analysis.isolated_molecules import BONDED
from lamplighter.api.scan_models import energies_of, members_of
from lamplighter.errors import ConfigError, LamplighterError, RunFolderError, StructureError
from lamplighter.observables.scan_frames import generated
from lamplighter.observables.stored_scan import read_scan
from lamplighter.potentials.native import compile_files
from lamplighter.report import format_summary
from lamplighter.report.page.assemble import assemble
from lamplighter.report.page.content import Missing, Notes, Picture, Table
from lamplighter.report.page.section import ReportedRun, Wishes
from lamplighter.report.page.sections import SECTIONS, volume_scan
from lamplighter.report.page.verdict import verdict_of
from lamplighter.structures.rigid_scan import density_of

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.thorough]

EXAMPLE = Path(__file__).parents[2] / "examples" / "ec_emc"
SHIFTED = ["pair_style lj/cut 7.0", "pair_coeff * * 0.0104 3.40", "pair_modify shift yes"]
OPTIONS = {"sigma": 3.4, "epsilon": 0.0104, "rc": 7.0}
REFERENCE = {"reference": "ase.calculators.lj:LennardJones", "options": OPTIONS}
SCAN = {"atomic": True, "densities": [0.5, 1.0, 1.5, 2.0]}
MELT = {"type": "nvt", "length": "100 steps", "temperature": "90 K", "thermostat": "svr"}


@pytest.fixture
def argon(tmp_path: Path) -> Path:
    """32 atoms: each is a molecule of its own, which is evaluated alone as well."""
    atoms = bulk("Ar", "fcc", a=5.3, cubic=True).repeat(2)
    atoms.rattle(0.05, seed=1)
    write(tmp_path / "argon.xyz", atoms)
    return tmp_path / "argon.xyz"


def scan(write_run_file: Callable[..., Path], stages: list[Any] | None = None, **sections: Any) -> Path:
    """The run file of a scan of argon, by a potential that equals ASE's LennardJones."""
    given = {"potential": {"lammps": SHIFTED}, "workflow": {"volume_scan": {**SCAN, **REFERENCE}}, **sections}
    return write_run_file(stages or [], **given)


def status_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "status.json").read_text())


def test_energies_are_those_of_ases_calculator(write_run_file: Callable[..., Path], tmp_path: Path) -> None:
    result = lamplighter.run(scan(write_run_file), progress=False)
    found = read_scan(result.folder)
    (curve,) = found.curves
    assert curve.name == "lj/cut"
    frames = read(result.folder / "volume_scan.xyz", ":")
    assert [density_of(each) for each in frames[:4]] == pytest.approx(SCAN["densities"])
    assert len(frames) == 4 + 32
    for k, atoms in enumerate(frames[:4]):
        label = atoms.get_potential_energy()
        atoms.calc = LennardJones(**OPTIONS)
        assert curve.total[k] == pytest.approx(atoms.get_potential_energy(), rel=1e-6)
        assert label == pytest.approx(atoms.get_potential_energy(), rel=1e-6)
    assert found.reference is not None
    assert found.reference.interaction == pytest.approx(curve.interaction, abs=1e-9)
    assert found.errors[0].rms_attractive < 1e-9
    assert found.contacts[0] == np.inf
    assert found.contacts[3] == pytest.approx(_closest(frames[3]), rel=1e-6)
    left = {path.name for path in result.folder.iterdir()}
    assert {f"volume_scan.{kind}" for kind in ("xyz", "csv", "json", "png")} <= left
    assert {"run.yaml", "structure.data", "provenance.json", "status.json", "summary.json"} <= left
    assert not {"in.lammps", "thermo.csv", "log.lammps"} & left
    provenance = json.loads((result.folder / "provenance.json").read_text())
    assert provenance["structure"]["sha256"]
    status = status_of(result.folder)
    assert (status["status"], status["natoms"], status["volume_scan"]["status"]) == ("completed", 32, "completed")
    text = format_summary(result.summary)
    assert "Run completed, 32 atoms, 1 rank" in text
    assert "Volume scan: completed." in text
    assert "Note" not in text


def _closest(atoms: Atoms) -> float:
    distances = atoms.get_all_distances(mic=True)
    return float(distances[np.triu_indices(len(atoms), 1)].min())


def test_after_stages_the_last_configuration_is_scanned(write_run_file: Callable[..., Path], tmp_path: Path) -> None:
    folder = lamplighter.run(scan(write_run_file, [MELT]), progress=False).folder
    found = read_scan(folder)
    assert found.source.startswith("the last configuration at ")
    last = read(folder / "final.data", format="lammps-data", Z_of_type={1: 18}, units="metal")
    atoms = last.copy()
    atoms.set_cell(last.cell * (density_of(last) / 1.0) ** (1 / 3), scale_atoms=True)
    atoms.calc = LennardJones(**OPTIONS)
    assert found.curves[0].total[1] == pytest.approx(atoms.get_potential_energy(), rel=1e-9)
    start = atoms.copy()
    start.positions = read(tmp_path / "argon.xyz").positions * (start.cell[0, 0] / 10.6)
    start.calc = LennardJones(**OPTIONS)
    assert abs(start.get_potential_energy() - atoms.get_potential_energy()) > 0.01
    assert "in.lammps" in {path.name for path in folder.iterdir()}
    assert len(status_of(folder)["stages"]) == 1
    assert yaml.safe_load((folder / "run.yaml").read_text())["workflow"]["volume_scan"]["atomic"] is True
    run = ReportedRun(folder, "argon", Wishes())
    assert verdict_of(run).state == "not known"
    assert "there are no bonds" in verdict_of(run).sentence


def test_what_the_guard_has_ended_is_not_scanned(write_run_file: Callable[..., Path]) -> None:
    path = scan(write_run_file, [MELT], guard={"energy": 1e-9})
    result = lamplighter.run(path, progress=False)
    status = status_of(result.folder)
    assert (status["status"], status["volume_scan"]["status"]) == ("stopped", "skipped")
    assert not list(result.folder.glob("volume_scan*"))
    assert "Volume scan: skipped, because the guard ended the stages before it" in format_summary(result.summary)
    with pytest.raises(RunFolderError, match=r"Volume scan: skipped, because the guard ended"):
        volume_scan.make(ReportedRun(result.folder, "argon", Wishes()))
    with pytest.raises(RunFolderError, match=r"holds no volume scan: it has no volume_scan.json"):
        read_scan(result.folder)
    with pytest.raises(RunFolderError, match="was ended by its guard"):
        lamplighter.run(path, resume=True, progress=False)


def test_each_member_is_evaluated_with_what_is_added(write_run_file: Callable[..., Path], tmp_path: Path) -> None:
    members = [[f"pair_style lj/cut {cut}", "pair_coeff * * 0.0104 3.40"] for cut in (5.0, 7.0)]
    potential = {"members": members, "zbl": {"inner": "2.5 A", "outer": "3.5 A"}}
    workflow = {"volume_scan": SCAN}
    folder = lamplighter.run(scan(write_run_file, potential=potential, workflow=workflow), progress=False).folder
    found = read_scan(folder)
    assert [each.name for each in found.curves] == ["lj/cut 1", "lj/cut 2"]
    assert found.reference is None
    for curve, cut in zip(found.curves, (5.0, 7.0), strict=True):
        lines = [
            f"pair_style hybrid/overlay lj/cut {cut} zbl 2.5 3.5",
            "pair_coeff * * lj/cut 0.0104 3.40",
            "pair_coeff * * zbl 18 18",
        ]
        path = scan(write_run_file, potential={"lammps": lines}, workflow=workflow)
        alone = lamplighter.run(path, output=tmp_path / str(cut), progress=False).folder
        assert curve.total == pytest.approx(read_scan(alone).curves[0].total, rel=1e-12)
    assert found.curves[0].total != pytest.approx(found.curves[1].total, rel=1e-3)


def test_types_are_those_of_the_structure_in_their_order(write_run_file: Callable[..., Path], tmp_path: Path) -> None:
    """Coefficients by numbers of the types of a data file, xenon before argon."""
    atoms = read(tmp_path / "argon.xyz")
    atoms.numbers[::2] = 54
    write(tmp_path / "mixed.data", atoms, format="lammps-data", specorder=["Xe", "Ar"], masses=True)
    write(tmp_path / "mixed.xyz", atoms)
    xenon, argon = "0.0200 3.90", "0.0104 3.40"
    curves = []
    for name, (one, two) in {"mixed.data": (xenon, argon), "mixed.xyz": (argon, xenon)}.items():
        lines = [
            "pair_style lj/cut 7.0",
            f"pair_coeff 1 1 {one}",
            f"pair_coeff 2 2 {two}",
            "pair_coeff 1 2 0.01442 3.65",
        ]
        structure = {"file": str(tmp_path / name)}
        path = scan(write_run_file, structure=structure, potential={"lammps": lines}, workflow={"volume_scan": SCAN})
        folder = lamplighter.run(path, output=tmp_path / f"run_{name}", progress=False).folder
        curves.append(read_scan(folder).curves[0].total)
    assert curves[0] == pytest.approx(curves[1], rel=1e-9)


def test_isotopes_have_the_energies_of_equal_volumes(write_run_file: Callable[..., Path], tmp_path: Path) -> None:
    atoms, totals = read(tmp_path / "argon.xyz"), []
    for masses in ([39.948, 39.948], [39.948, 35.9675]):
        atoms.set_masses(masses * 16)
        write(tmp_path / "argon.xyz", atoms)
        densities = [0.5 * k * sum(masses) / 79.896 for k in (1, 2, 3, 4)]
        workflow = {"volume_scan": {**SCAN, "densities": densities}}
        folder = lamplighter.run(
            scan(write_run_file, workflow=workflow), output=tmp_path / str(masses[1]), progress=False
        ).folder
        totals.append(read_scan(folder).curves[0].total)
    assert totals[0] == pytest.approx(totals[1], rel=1e-9)


def test_copies_of_the_structure_are_scanned(write_run_file: Callable[..., Path], tmp_path: Path) -> None:
    structure = {"file": str(tmp_path / "argon.xyz"), "replicate": [2, 1, 1]}
    path = scan(write_run_file, structure=structure, workflow={"volume_scan": SCAN})
    twice = read_scan(lamplighter.run(path, progress=False).folder)
    path = scan(write_run_file, workflow={"volume_scan": SCAN})
    once = read_scan(lamplighter.run(path, output=tmp_path / "once", progress=False).folder)
    assert twice.n_molecules == 2 * once.n_molecules == 64
    assert twice.curves[0].interaction == pytest.approx(once.curves[0].interaction, rel=1e-9)


CALCULATOR = """
from pathlib import Path
import time
from ase import Atoms
from ase.build import molecule
from ase.calculators.lj import LennardJones

class Counted(LennardJones):
    \"\"\"Writes down each call; fails at the third while there is no file `go`, or takes its time.\"\"\"

    def __init__(self, folder, slow=False, **options):
        super().__init__(**options)
        self.folder, self.slow = Path(folder), slow

    def calculate(self, *given, **more):
        calls = self.folder / "calls"
        number = len(calls.read_text().splitlines()) if calls.exists() else 0
        with calls.open("a") as file:
            file.write("call\\n")
        if number == 2 and not (self.folder / "go").exists():
            if not self.slow:
                raise RuntimeError("no licence")
            time.sleep(1.0)
        super().calculate(*given, **more)
"""


def counted(write_run_file: Callable[..., Path], tmp_path: Path, **options: Any) -> Path:
    (tmp_path / "counted_lj.py").write_text(CALCULATOR)
    given = {"reference": "counted_lj:Counted", "options": {"folder": str(tmp_path), **OPTIONS, **options}}
    return scan(write_run_file, workflow={"volume_scan": {**SCAN, **given}})


def test_what_was_evaluated_is_not_evaluated_again(
    write_run_file: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    path = counted(write_run_file, tmp_path)
    with pytest.raises(LamplighterError, match=r"counted_lj:Counted, at 1.5 g/cm³: .*no licence"):
        lamplighter.run(path, trust=True, progress=False)
    folder = tmp_path / "run"
    assert status_of(folder)["status"] == status_of(folder)["volume_scan"]["status"] == "failed"
    assert "no licence" in status_of(folder)["error"]
    with pytest.raises(RunFolderError, match="already holds a run"):
        lamplighter.run(path, progress=False)
    (tmp_path / "go").touch()
    lamplighter.run(path, resume=True, progress=False)
    assert len((tmp_path / "calls").read_text().splitlines()) == 4 + 32 + 1
    found = read_scan(folder)
    assert found.reference is not None
    assert found.reference.interaction == pytest.approx(found.curves[0].interaction, abs=1e-9)
    labelled = read(folder / "volume_scan.xyz", 0)
    forces = labelled.get_forces()
    labelled.calc = LennardJones(**OPTIONS)
    assert forces == pytest.approx(labelled.get_forces(), abs=1e-6)  # kept from the first attempt
    before = (folder / "volume_scan.json").stat().st_mtime_ns
    assert lamplighter.run(path, resume=True, progress=False).summary["status"] == "completed"
    assert (folder / "volume_scan.json").stat().st_mtime_ns == before
    changed = yaml.safe_load(path.read_text())
    changed["workflow"]["volume_scan"]["densities"] = "0.5:2.0:5"
    path.write_text(yaml.safe_dump(changed))
    with pytest.raises(RunFolderError, match=r"workflow.volume_scan.densities was \[0.5, 1.0, 1.5, 2.0\] and is now"):
        lamplighter.run(path, resume=True, progress=False)


def test_a_signal_ends_it_in_good_order(write_run_file: Callable[..., Path], tmp_path: Path) -> None:
    path = counted(write_run_file, tmp_path, slow=True)
    command = [sys.executable, "-c", "from lamplighter.cli import main; main()", "run", str(path), "--trust"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    calls = tmp_path / "calls"
    deadline = time.monotonic() + 60.0
    while process.poll() is None and time.monotonic() < deadline:
        if calls.exists() and len(calls.read_text().splitlines()) >= 3:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == exit_status.LATER, err
    assert "SIGTERM ended the volume scan; go on with it: lamplighter run " in err
    assert status_of(tmp_path / "run")["volume_scan"]["status"] == "failed"
    assert len((tmp_path / "run" / "volume_scan_evaluated.jsonl").read_text().splitlines()) == 3


def test_stages_and_scan_are_resumed_in_their_order(
    write_run_file: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stages that are done are not run again."""
    monkeypatch.syspath_prepend(str(tmp_path))
    path = counted(write_run_file, tmp_path)
    content = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**content, "stages": [MELT]}))
    with pytest.raises(LamplighterError, match="no licence"):
        lamplighter.run(path, trust=True, progress=False)
    before = (tmp_path / "run" / "thermo.csv").read_text()
    last = (tmp_path / "run" / "final.data").read_bytes()
    (tmp_path / "go").touch()
    summary = lamplighter.run(path, resume=True, progress=False).summary
    assert (tmp_path / "run" / "thermo.csv").read_text() == before
    assert (tmp_path / "run" / "final.data").read_bytes() == last
    assert (tmp_path / "run" / "provenance.resumed_at_volume_scan.json").exists()
    assert summary["stages"][0]["steps_done"] == 100
    assert summary["volume_scan"]["status"] == "completed"


def test_the_report_shows_it(write_run_file: Callable[..., Path]) -> None:
    path = scan(write_run_file, workflow={"volume_scan": {**SCAN, "densities": "0.1:2.5:13", **REFERENCE}})
    run = ReportedRun(lamplighter.run(path, progress=False).folder, "argon", Wishes())
    assert verdict_of(run).sentence == "A volume scan, completed; there were no dynamics that could hold or fail."
    assert volume_scan.SECTION in SECTIONS
    report = assemble([run.folder], SECTIONS, Wishes())
    assert report.faults == []
    said = [section.key for section, content in report.runs[0].sections if content.blocks]
    assert said == ["system", "conditions", "potential", "volume_scan", "provenance"]
    assert {each.definition for each in report.runs[0].numbers} == {"volume_scan"}
    made = volume_scan.make(run)
    found = read_scan(run.folder)
    numbers = {each.name: each for each in made.numbers}
    assert numbers["density of the well"].value == found.curves[0].well_density.value
    assert numbers["energy of the well"].value == pytest.approx(1e3 * found.curves[0].well_energy.value)
    assert numbers["wall"].unit == "g/cm³"
    names = [block.name for block in made.blocks if isinstance(block, Picture | Table)]
    assert names == ["volume_scan", "volume_scan_differences", "volume_scan_features", "volume_scan_errors"]
    assert not [block for block in made.blocks if isinstance(block, Missing | Notes)]
    (features,) = [block for block in made.blocks if isinstance(block, Table) and block.name == "volume_scan_features"]
    assert [row[0] for row in features.rows] == ["lj/cut", "ase.calculators.lj:LennardJones"]


def test_what_is_missing_is_said_before_anything_runs(write_run_file: Callable[..., Path], tmp_path: Path) -> None:
    slab = read(tmp_path / "argon.xyz")
    slab.pbc = [True, True, False]
    write(tmp_path / "slab.xyz", slab)
    problems: list[tuple[dict[str, Any], type[Exception], str]] = [
        (
            {"reference": "no_such_module:Thing"},
            LamplighterError,
            "reference no_such_module:Thing: no_such_module",
        ),
        ({"reference": "ase.calculators.lj:Thing"}, LamplighterError, "ase.calculators.lj has no Thing"),
        ({"densities": [1.0, 2.0, 30.0]}, ConfigError, "densities must lie between 0 and 25 g/cm³, got 30"),
        ({"atomic": False}, StructureError, "workflow.volume_scan: no bonds were found"),
    ]
    for changes, kind, message in problems:
        path = scan(write_run_file, [MELT], workflow={"volume_scan": {**SCAN, **changes}})
        with pytest.raises(kind, match=message):
            lamplighter.run(path, progress=False)
    path = scan(write_run_file, structure=str(tmp_path / "slab.xyz"))
    with pytest.raises(ConfigError, match="needs a structure that is periodic in all three directions, and"):
        lamplighter.run(path, progress=False)
    assert not (tmp_path / "run").exists()


def test_what_would_be_done_is_printed(write_run_file: Callable[..., Path]) -> None:
    text = lamplighter.script_of(scan(write_run_file))
    assert all(line.startswith("#") for line in text.splitlines())
    assert "argon.xyz at 4 densities, 0.5 to 2 g/cm³" in text
    assert "# evaluated by lj/cut; reference ase.calculators.lj:LennardJones" in text
    text = lamplighter.script_of(scan(write_run_file, [MELT]))
    assert "pair_style lj/cut 7.0" in text
    assert "the last configuration at 4 densities" in text


@pytest.mark.mpi
def test_a_committee_on_two_ranks_says_what_the_command_does(mpirun: Run, tmp_path: Path) -> None:
    """Two MACE models: in files of their own, and in one compiled file."""
    atoms = molecule("CH3CH2OH", cell=[5.5] * 3, pbc=True).repeat([2, 1, 1])
    atoms.wrap()
    write(tmp_path / "ethanol.xyz", atoms)
    models = [EXAMPLE / "models" / f"ec_emc_{k}.model" for k in range(2)]
    compile_files(models, tmp_path / "both.lamp", ["H", "C", "O"])
    frames = generated(tmp_path / "ethanol.xyz", -1, [0.3, 0.6, 0.9], BONDED, False)
    expected = [energies_of(frames, member, name, 1, True) for name, member in members_of(models).items()]
    content = {
        "structure": "ethanol.xyz",
        "potential": {"models": [*map(str, models), "both.lamp"]},
        "workflow": {"volume_scan": {"densities": [0.3, 0.6, 0.9]}},
    }
    (tmp_path / "scan.yaml").write_text(yaml.safe_dump(content))
    done = mpirun(2, [PROGRAMS / "lamplighter", "run", "scan.yaml", "--trust"])
    assert done.returncode == 0, done.stderr
    assert "ethanol.xyz at 0.4598 g/cm³: 2 C2H6O, molecules rigid" in done.stdout
    found = read_scan(tmp_path / "scan")
    assert [each.name for each in found.curves] == ["ec_emc_0", "ec_emc_1", "both 1", "both 2"]
    for curve, energies in zip(found.curves, [*expected, *expected], strict=True):
        assert curve.total == pytest.approx(energies.total, abs=1e-7)
        assert curve.plateau == pytest.approx(energies.isolated, abs=1e-7)
    assert status_of(tmp_path / "scan")["ranks"] == 2
    loaders = [each["loader"] for each in json.loads((tmp_path / "scan" / "provenance.json").read_text())["models"]]
    assert loaders == ["native engine, from its compiled form"] * 3
