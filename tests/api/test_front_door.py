"""`import lamplighter as ll`: what somebody writes in a notebook, and what it says to nonsense."""

from __future__ import annotations

import csv
import inspect
import json
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase.build
import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.constraints import FixAtoms
from tests.conftest import Run as RunProgram

import lamplighter as ll
from lamplighter.cli import main

QUICK = {"damping": "0.2 ps"}
ARGON = {"lammps": ["pair_style lj/cut 7.0", "pair_coeff * * 0.0104 3.40"]}


def argon() -> Atoms:
    atoms = ase.build.bulk("Ar", "fcc", a=5.5, cubic=True).repeat(2)
    atoms.rattle(0.05, seed=1)
    return atoms


def content(atoms: Atoms, **sections: Any) -> dict[str, Any]:
    """A run of a few steps at constant pressure, with enough rows for error bars."""
    return {
        "structure": atoms,
        "potential": ARGON,
        "timestep": "2 fs",
        "velocities": "90 K",
        "output": {"thermo": "10 steps", "trajectory": "100 steps"},
        "guard": {"temperature": "2000 K"},
        "stages": [
            {"type": "nvt", "temperature": "90 K", "length": "0.4 ps"},
            {"type": "npt", "temperature": "90 K", "pressure": "2000 bar", "barostat": QUICK, "length": "24 ps"},
        ],
        **sections,
    }


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs of one system and one of another."""
    folder = tmp_path_factory.mktemp("api")
    for seed in (1, 2):
        ll.run(content(argon(), seed=seed), output=folder / f"argon_{seed}", progress=False)
    other = Atoms(["Kr"] * 32, argon().positions, cell=argon().cell, pbc=True)
    short = [{"type": "npt", "temperature": "90 K", "pressure": "1 bar", "length": "0.1 ps"}]
    ll.run(content(other, stages=short), output=folder / "krypton", progress=False)
    (folder / "empty").mkdir()
    (folder / "notes.txt").write_text("no run\n")
    return folder


def test_ten_lines_that_people_write(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    atoms = argon()
    ase.io.write("argon.xyz", atoms)
    short = [{"type": "nve", "length": "0.02 ps"}]
    (tmp_path / "liquid.yaml").write_text(json.dumps(content(atoms, structure="argon.xyz", stages=short)))
    # 1, 2: a run from a run file, and from what is in one
    run = ll.run("liquid.yaml", progress=False)
    again = ll.run(content(atoms, structure="argon.xyz", stages=short), output="again", progress=False)
    assert (run.folder, again.folder) == (tmp_path / "liquid", tmp_path / "again")
    assert run.status == again.status == "completed"
    # 3: names complete
    assert (
        set(dir(ll))
        >= set(ll.__all__)
        >= {"run", "Run", "open_run", "open_campaign", "density", "Calculator", "LamplighterError"}
    )
    # 4: a structure of ASE
    given = ll.run(content(atoms, stages=short), output="given", progress=False)
    assert given.thermo["potential_energy_eV"][0] == pytest.approx(run.thermo["potential_energy_eV"][0], rel=1e-9)
    # 5: columns of the thermo table, also for pandas
    run = ll.open_run(runs / "argon_1")
    density = run.thermo["density_g_cm3"]
    assert 1.0 < density.mean() < 2.0
    pandas = pytest.importorskip("pandas")
    assert list(pandas.DataFrame(run.thermo)["step"]) == list(run.thermo["step"])
    # 6: frames, also of ASE
    frames = list(run.trajectory)
    assert len(frames) == len(list(run.trajectory.atoms())) > 100
    last = frames[-1].to_ase()
    assert last.get_chemical_formula() == "Ar32"
    assert last.info["time_ps"] == pytest.approx(24.4)
    # 7: the density of a run, of several, of a pattern
    mean = ll.density(run).mean
    assert ll.density(str(runs / "argon_*")).mean == ll.density([runs / "argon_1", str(runs / "argon_2")]).mean != mean
    # 8: a number with its error
    assert re.fullmatch(r"1\.\d+ ± 0\.\d+ g/cm³", str(mean)), mean
    # 9: an ASE calculator
    atoms.calc = ll.Calculator(ARGON)
    assert atoms.get_potential_energy() == pytest.approx(given.thermo["potential_energy_eV"][0], rel=1e-6)
    # 10: one base of all errors
    with pytest.raises(ll.LamplighterError):
        ll.open_run("nowhere")
    page = run.report()
    assert page == runs / "argon_1" / "report.html"
    assert "<html" in page.read_text(encoding="utf-8")


def test_an_answer_prints_plots_and_is_kept_as_the_command_does(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(runs)
    options: dict[str, dict[str, Any]] = {
        "density": {"discard": "2 ps"},
        "stability": {"horizon": "20 ps"},
        "structure": {"molecules": "all", "every": 20},
        "check": {"density_start": "90 %"},
    }
    for name, given in options.items():
        answer = getattr(ll, name)("argon_1", **given)
        words = [f"--{key}".replace("_", "-") if n == 0 else str(value) for key, value in given.items() for n in (0, 1)]
        printed, as_json = (
            command(monkeypatch, capsys, name, "argon_1", *words, *more).out for more in ([], ["--json"])
        )
        assert f"{answer}\n" == printed
        assert answer.to_dict() == json.loads(as_json)
    density = ll.density("argon_1", discard=1)  # a number is a time in ps
    assert str(density) == str(ll.density("argon_1", discard="1 ps"))
    axes = density.plot()
    assert axes[0].get_xlabel()
    assert density._repr_png_().startswith(b"\x89PNG")
    assert "data:image/png" in density._repr_html_()
    assert {"mean", "to_csv", "plot"} <= set(dir(density))
    with pytest.raises(AttributeError, match=r"it has .*mean"):
        _ = density.median
    (table,) = density.to_csv(tmp_path / "density.csv")
    with table.open() as file:
        assert len(list(csv.reader(file))) == 2
    assert pickle.loads(pickle.dumps(density.result)).mean == density.mean


def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: object
) -> pytest.CaptureResult[str]:
    capsys.readouterr()
    monkeypatch.setattr(sys, "argv", ["lamplighter", *map(str, words)])
    with pytest.raises(SystemExit):
        main()
    return capsys.readouterr()


def test_atoms_keep_their_masses_constraints_and_velocities(tmp_path: Path) -> None:
    atoms = argon()
    atoms.set_constraint(FixAtoms([0, 1]))
    atoms.set_masses([39.962] * len(atoms))
    rng = np.random.default_rng(1)
    atoms.set_velocities(rng.normal(size=(len(atoms), 3)) * 0.01)
    stages = [{"type": "nve", "length": "0.02 ps"}]
    made = content(atoms, stages=stages, velocities={"from_structure": True}, guard={})
    made["output"]["trajectory"] = "5 steps"
    run = ll.run({**made, "structure": {"file": atoms}}, output=tmp_path / "run", progress=False)
    first, *_, last = run.trajectory.atoms()
    np.testing.assert_allclose(first.positions, atoms.positions, atol=1e-5)
    np.testing.assert_allclose(last.get_masses(), 39.962)
    moved = np.linalg.norm(last.positions - first.positions, axis=1)
    assert moved[:2].max() < 1e-6 < 1e-4 < moved[2:].min()
    with pytest.raises(ll.RunFolderError, match="already holds a run"):
        ll.run(made, output=tmp_path / "run", progress=False)
    with pytest.raises(ll.StructureError, match="holds no atoms"):
        ll.run(content(Atoms()), output=tmp_path / "none", progress=False)
    with pytest.raises(ll.StructureError, match="overlap"):
        ll.run(content(Atoms("Ar2", cell=[9, 9, 9], pbc=True)), output=tmp_path / "none", progress=False)
    assert not (tmp_path / "none").exists()


def test_a_run_file_that_is_wrong_says_so_in_python_as_from_a_file() -> None:
    with pytest.raises(ll.ConfigError, match=r"timestep: 0.5 has no unit") as wrong:
        ll.RunFile(structure="x.xyz", potential=ARGON, timestep="0.5", stages=[{"type": "nve", "length": "1 ps"}])
    assert "pydantic" not in str(wrong.value)
    with pytest.raises(ll.ConfigError, match=r"unknown key.*did you mean 'potential'"):
        ll.RunFile(structure="x.xyz", potentials=ARGON)
    with pytest.raises(ll.ConfigError, match="load_run_file reads a file"):
        ll.RunFile("run.yaml")


OF_RUNS = ["compression", "density", "expansion", "quality", "stability", "viscosity"]
OF_TRAJECTORIES = ["check", "conductivity", "diffusivity", "structure"]
NONSENSE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a number": (lambda _: 3, r"got 3 \(int\)"),
    "nothing": (lambda _: None, r"None \(NoneType\)"),
    "a mapping": (lambda _: {"runs": 1}, r"\(dict\)"),
    "a list of numbers": (lambda _: [1, 2], r"got 1 \(int\)"),
    "bytes": (lambda _: b"runs", r"\(bytes\)"),
    "an empty list": (lambda _: [], "none is given"),
    "a path that is not there": (lambda folder: folder / "nowhere", "does not exist|no such file"),
    "the same as text": (lambda folder: str(folder / "nowhere"), "does not exist|no such file"),
    "a pattern without a match": (lambda folder: f"{folder}/nowhere_*", "there is no such run"),
    "a folder that holds no run": (lambda folder: folder / "empty", "holds no run"),
}


def test_every_function_that_takes_runs_is_among_those_that_are_tested() -> None:
    taking = {
        name
        for name in ll.__all__
        if inspect.isfunction(getattr(ll, name))
        and {"runs", "trajectories", "trajectory"} & set(inspect.signature(getattr(ll, name)).parameters)
    }
    # that one takes what was learnt, too: tests/api/test_models_against_data.py
    assert taking == {*OF_RUNS, *OF_TRAJECTORIES, "extrapolation"}


@pytest.mark.parametrize(
    "function", [*OF_RUNS, *OF_TRAJECTORIES, "open_run", "Run", "open_campaign", "Campaign", "Calculator", "run"]
)
def test_nonsense_is_refused_with_its_value_and_never_with_a_fault(runs: Path, function: str) -> None:
    """Alike by all of them; only those beyond runs and trajectories take something else than runs, and say so."""
    for kind, (make, words) in NONSENSE.items():
        given = make(runs)
        with pytest.raises(ll.LamplighterError) as refused:
            getattr(ll, function)(given)
        if function in (*OF_RUNS, *OF_TRAJECTORIES):
            assert re.search(words, str(refused.value)), (kind, str(refused.value))
        assert "Traceback" not in str(refused.value)


@pytest.mark.parametrize("function", [*OF_RUNS, *OF_TRAJECTORIES])
def test_a_file_that_is_no_run_and_runs_of_two_systems_are_refused_as_by_the_command(
    runs: Path, function: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same words, but that arguments have the names of Python."""
    cases: list[list[Path]] = [[runs / "notes.txt"]]
    if function not in ("check", "compression", "expansion", "conductivity", "diffusivity"):
        cases.append([runs / "argon_1", runs / "krypton"])
    for given in cases:
        options: dict[str, Any] = {"reference_density": (1.5, 0.1)} if function == "quality" else {}
        with pytest.raises(ll.LamplighterError) as refused:
            getattr(ll, function)(given if len(given) > 1 else given[0], **options)
        words = ["--reference-density", "1.5", "0.1"] if options else []
        said = command(monkeypatch, capsys, function, *given, *words).err.removeprefix("Error: ").rstrip("\n")
        assert re.sub(r"--([a-z-]+)", lambda m: m.group(1).replace("-", "_"), said) == str(refused.value)


def test_a_wrong_argument_is_named_as_in_python(runs: Path) -> None:
    for call, words in (
        (lambda: ll.density(runs / "argon_1", pseudo_count=0), "^pseudo_count must be > 0, got 0"),
        (lambda: ll.density(runs / "argon_1", discard="5 bar"), "^discard: '5 bar' is not a time"),
        (lambda: ll.structure(runs / "argon_1", bin_width=-1), "^bin_width must be > 0 Å"),
        (lambda: ll.stability(runs / "argon_1", confidence=2), "^confidence must lie between 0 and 1"),
        (lambda: ll.structure(runs / "argon_1", pairs=[3]), r"^pairs: expected text, or a list of texts; got 3"),
        (lambda: ll.structure(runs / "argon_1", pairs=["Ar-X"]), "^pairs: .* has no pair Ar-X; it has Ar–Ar"),
        (lambda: ll.run(runs / "argon_1"), "it is a folder; the run file of a run folder is .*run.yaml"),
        (lambda: ll.check(runs / "argon_1", pressure=3), "pressure is no limit of `check`"),
        (lambda: ll.check(runs / "argon_1", density=3), "^density takes a lower and an upper bound"),
    ):
        with pytest.raises(ll.LamplighterError, match=words):
            call()


def test_importing_it_is_light_and_each_name_is_there() -> None:
    program = (
        "import sys; import lamplighter as ll; heavy = {'numpy', 'torch', 'ase', 'pydantic', 'mpi4py', 'matplotlib'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules);"
        "[getattr(ll, name) for name in ll.__all__]; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


SCRIPT = """
import sys
import ase.build
from mpi4py import MPI
import lamplighter as ll

atoms = ase.build.bulk("Ar", "fcc", a=5.5, cubic=True).repeat(2)
run = ll.run({
    "structure": atoms, "potential": {"lammps": ["pair_style lj/cut 7.0", "pair_coeff * * 0.0104 3.40"]},
    "timestep": "2 fs", "output": {"thermo": "2 steps", "trajectory": "50 steps"},
    "stages": [{"type": "npt", "temperature": "90 K", "pressure": "1 bar", "length": "2 ps"}],
}, output=sys.argv[1], progress=False)
density = ll.density(run, discard="0.5 ps")
(table,) = density.to_csv(run.folder / "density.csv")
page = run.report()
assert table.stat().st_size and page.stat().st_size
everywhere = MPI.COMM_WORLD.allgather((str(density), run.status, str(page)))
assert len(everywhere) == 2 and len(set(everywhere)) == 1, everywhere
try:
    ll.run({"structure": atoms}, output="other")
except ll.ConfigError as problem:
    assert "potential: is required" in str(problem)
else:
    raise AssertionError
print(density.mean)
"""


@pytest.mark.mpi
def test_a_script_on_two_ranks_has_the_same_answers_on_both_and_one_writer(
    mpirun: RunProgram, python: Path, tmp_path: Path
) -> None:
    done = mpirun(2, [python, "-c", SCRIPT, tmp_path / "run"])
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(set(done.stdout.split("\n")) - {""}) == 1
