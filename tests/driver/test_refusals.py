"""What cannot work is refused in the same words, and in the same order, by every command that evaluates a potential."""

from __future__ import annotations

import importlib.util
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from tests.cli import conftest as of_cli

import lamplighter as package
from lamplighter.driver.evaluation import open_evaluator
from lamplighter.driver.members import members_of_run_file
from lamplighter.errors import LamplighterError

lamplighter = of_cli.lamplighter
Lamplighter = of_cli.Lamplighter

TYPES = ["O", "H"]
LJ = ["pair_style lj/cut 5.0", "pair_coeff * * 0.003 2.2"]
DEEPMD = ["pair_style deepmd none.pb", "pair_coeff * *"]


@dataclass(frozen=True)
class Case:
    """A potential that is refused.

    Attributes:
        potential: The section of the run file.
        words: Of the message.
        here: Whether it is this environment, or this user, that refuses it: a script for elsewhere is none the worse.
    """

    potential: dict[str, Any]
    words: str
    here: bool = False


CASES: dict[str, Case] = {
    "python": Case({"lammps": LJ, "python": "none/bin/python"}, "none/bin/python does not exist", here=True),
    "deepmd": Case({"kind": "deepmd", "models": "there.pb"}, "DeePMD-kit, which is not installed", here=True),
    "deepmd in members": Case({"members": [DEEPMD, LJ]}, "DeePMD-kit, which is not installed", here=True),
    "deepmd in lines": Case({"lammps": DEEPMD}, "DeePMD-kit, which is not installed", here=True),
    "file": Case({"models": "none.model"}, "potential.models[0]: /FOLDER/none.model does not exist"),
    "file of training": Case({"models": "a_compiled.model"}, "a_compiled.model is what mace_run_train leaves"),
    "style": Case({"models": "notes.json", "via": "own"}, "no pair style of LAMMPS reads /FOLDER/notes.json"),
    "newton": Case({"models": "a.nequip.pth", "via": "own", "dispersion": "pbe"}, "nequip needs `newton off`"),
    "elements": Case({"lammps": [LJ[0], "pair_coeff * * f.eam O Cu"]}, "gives atom type 2 the element Cu"),
    "trust": Case({"models": "code.pt"}, "/FOLDER/code.pt", here=True),
    "style that is not there": Case({"models": "gap.xml", "via": "own"}, "needs pair_style quip", here=True),
    # the first of two
    "python, file": Case({"models": "none.model", "python": "none/bin/python"}, "bin/python does not exist", here=True),
    "deepmd, file": Case({"kind": "deepmd", "models": "none.pb"}, "which is not installed", here=True),
    "style, trust": Case({"models": "code.pt", "via": "own"}, "no pair style of LAMMPS reads /FOLDER/code.pt"),
}  # fmt: skip


def run(call: Lamplighter) -> str:
    return said(lambda: package.run("run.yaml", progress=False))


def dry_run(call: Lamplighter) -> str:
    return said(lambda: package.script_of("run.yaml"))


def evaluator(call: Lamplighter) -> str:
    member = next(iter(members_of_run_file(Path("run.yaml")).values()))
    return said(lambda: open_evaluator(member, TYPES))


def command(*words: str) -> Callable[[Lamplighter], str]:
    def refused(call: Lamplighter) -> str:
        status, out, err = call(*words)
        assert status, out
        return err.strip().removeprefix("Error: ").removeprefix("--model run: ")

    return refused


def said(action: Callable[[], Any]) -> str:
    with pytest.raises(LamplighterError) as problem:
        action()
    return str(problem.value)


COMMANDS: dict[str, Callable[[Lamplighter], str]] = {
    "run": run,
    "dry run": dry_run,
    "open_evaluator": evaluator,
    "errors": command("errors", "frames.xyz", "--run-file", "run.yaml"),
    "decompose": command("decompose", "frames.xyz", "--run-file", "run.yaml"),
    "transfer": command("transfer", "frames.xyz", "--run-file", "run.yaml"),
    "scan": command("scan", "--reference", "frames.xyz", "--model", "run.yaml"),
}


@pytest.mark.parametrize("name", CASES)
def test_every_command_refuses_alike(
    name: str, lamplighter: Lamplighter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES[name]
    if "deepmd" in name and importlib.util.find_spec("deepmd") is not None:
        pytest.skip("DeePMD-kit is installed in this environment")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    write_files(tmp_path, case.potential)
    expected = case.words.replace("/FOLDER", str(tmp_path))
    heard = {called: ask(lamplighter) for called, ask in COMMANDS.items() if not (case.here and called == "dry run")}
    assert expected in heard["run"]
    assert set(heard.values()) == {heard["run"]}, heard


def write_files(folder: Path, potential: dict[str, Any]) -> None:
    frames = []
    for edge in (7.0, 7.6, 8.4, 9.6):
        atoms = molecule("H2O")
        atoms.set_cell([edge, edge, edge])
        atoms.pbc = True
        atoms.calc = SinglePointCalculator(atoms, energy=edge, forces=np.zeros((3, 3)))
        frames.append(atoms)
    write(folder / "frames.xyz", frames)
    write(folder / "structure.data", Atoms(frames[0]), format="lammps-data", specorder=TYPES, masses=True)
    content = {
        "structure": {"file": "structure.data", "elements": TYPES},
        "potential": potential,
        "stages": [{"type": "minimise"}],
    }
    if "members" in potential:
        content["committee"] = 20
    (folder / "run.yaml").write_text(yaml.safe_dump(content))
    (folder / "notes.json").write_text("{}")
    (folder / "there.pb").write_bytes(b"")
    (folder / "code.pt").write_bytes(b"\x80\x04cos\nsystem\n.")
    (folder / "gap.xml").write_text('<GAP_params><Potential label="G" init_args="IP GAP label=G"/></GAP_params>')
    for file, module in (("a_compiled.model", "mace"), ("a.nequip.pth", "nequip")):
        with zipfile.ZipFile(folder / file, "w") as archive:
            for part in ("data.pkl", "constants.pkl", f"code/__torch__/{module}/model.py"):
                archive.writestr(f"model/{part}", "")


ON_TWO_RANKS = """
import sys
import lamplighter
from lamplighter import cli
from lamplighter.config.potential import PotentialSection
from lamplighter.driver.evaluation import open_evaluator

section = {"calculator": "ase.calculators.lj:LennardJones"}
for action in (
    lambda: lamplighter.run("run.yaml", progress=False),
    lambda: open_evaluator(PotentialSection(**section), ["O", "H"]),
):
    try:
        action()
    except lamplighter.LamplighterError as problem:
        print(f"refused: {problem}", flush=True)
sys.argv = ["lamplighter", "errors", "frames.xyz", "--run-file", "run.yaml"]
cli.main()
"""


def test_one_rank_alone_is_asked_for_alike(mpirun: Callable[..., Any], python: Path, tmp_path: Path) -> None:
    """Each rank says it of what all carry out; the command, which the first rank leads, says it once."""
    write_files(tmp_path, {"calculator": "ase.calculators.lj:LennardJones"})
    done = mpirun(2, [python, "-c", ON_TWO_RANKS])
    message = (
        "potential: ase.calculators.lj:LennardJones is an ASE calculator, which gets all atoms at once, on one rank, "
        "and there are 2: start without mpirun, or with mpirun -n 1; threads are those of the calculator itself"
    )
    said_by = (done.stdout.count(f"refused: {message}"), done.stderr.count(f"Error: {message}"))
    assert said_by == (4, 1), done.stdout + done.stderr
