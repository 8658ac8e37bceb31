"""ASE calculators that declare more than they deliver, or nothing: right numbers of what there is, a word of the rest.

Each behaves like one that people use: CHGNet 0.4.2 declares energies of atoms and has none; calculators of asap3
declare nothing, give a stress of six numbers, and look at the cell as soon as they get atoms.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

from lamplighter.conformance import measurements
from lamplighter.errors import ModelError
from lamplighter.model_files import trust
from lamplighter.potentials.ase_calculator import AseCalculator
from lamplighter.potentials.bridge import callbacks as bridge
from lamplighter.potentials.interface import System

LACKS = '''
from ase.calculators.emt import EMT
class Lacks(EMT):
    """EMT that lacks what it declares."""
    def __init__(self, lacks):
        super().__init__()
        self.lacks = lacks
        self.implemented_properties = [*EMT.implemented_properties, "stresses"]
    def calculate(self, *words, **options):
        super().calculate(*words, **options)
        for name in self.lacks:
            self.results.pop(name)
'''
made: dict[str, Any] = {}
exec(LACKS, made)
Lacks = made["Lacks"]


class DeclaresNothing:
    """No calculator of ASE's, but called like one."""

    def __init__(self) -> None:
        self.inner = EMT()

    def set_atoms(self, atoms: Atoms) -> None:
        assert abs(atoms.cell.volume) > 1.0, "Invalid unit cell"

    def get_potential_energy(self, atoms: Atoms, force_consistent: bool = False) -> np.ndarray:
        assert not force_consistent
        return np.array([self.inner.get_potential_energy(atoms)])

    def get_forces(self, atoms: Atoms) -> np.ndarray:
        return np.asarray(self.inner.get_forces(atoms), dtype=np.float32)

    def get_stress(self, atoms: Atoms) -> np.ndarray:
        stress: np.ndarray = self.inner.get_stress(atoms)
        return stress

    def get_potential_energies(self, atoms: Atoms) -> np.ndarray:
        return np.asarray(self.inner.get_potential_energies(atoms)).reshape(-1, 1)


class Shaped(EMT):  # type: ignore[misc]
    """Results of another kind than they should be."""

    implemented_properties: ClassVar[list[str]] = [*EMT.implemented_properties]

    def __init__(self, name: str, change: Callable[[Any], Any]) -> None:
        super().__init__()
        self.name_, self.change = name, change

    def calculate(self, *words: Any, **options: Any) -> None:
        super().calculate(*words, **options)
        self.results[self.name_] = self.change(self.results[self.name_])


def copper() -> Atoms:
    atoms = bulk("Cu", cubic=True).repeat((2, 2, 2))
    atoms.rattle(0.1, seed=2)
    return atoms


def system(atoms: Atoms) -> System:
    return System(atoms.numbers, atoms.positions, atoms.cell.array, np.asarray(atoms.pbc), virial_wanted=True)


def in_ase() -> Atoms:
    atoms = copper()
    atoms.calc = EMT()
    return atoms


@pytest.mark.parametrize(
    ("calculator", "said"),
    [
        (lambda: Lacks(["energies"]), "declares 'energies' and does not give it: each atom has an equal part"),
        (lambda: Lacks(["free_energy"]), "declares 'free_energy' and does not give it: the energy stands for it"),
        (lambda: Lacks(["stress"]), "declares 'stress' and does not give it: the pressure is not a number"),
        (lambda: Shaped("energies", lambda each: each[:3]), "declares 'energies' and does not give it"),
        (lambda: Shaped("energies", lambda each: each.reshape(-1, 1)), ""),
        (lambda: Shaped("stress", lambda each: np.full(6, np.nan)), "declares 'stress' and does not give it"),
        (DeclaresNothing, ""),
        (EMT, ""),
    ],
)
def test_what_there_is_is_right_and_what_is_not_is_said_once(
    calculator: Callable[[], Any], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    opened, expected = AseCalculator(calculator(), "wild"), in_ase()
    for _ in range(2):
        found = opened.compute(system(copper()))
        assert found.energies.sum() == pytest.approx(expected.get_potential_energy(), rel=1e-12)
        np.testing.assert_allclose(found.forces, expected.get_forces(), rtol=0, atol=1e-6)
        if "'energies'" in said:
            assert np.ptp(found.energies) < 1e-12
        else:
            np.testing.assert_allclose(found.energies, expected.get_potential_energies(), rtol=0, atol=1e-12)
        if "'stress'" in said:
            assert found.virial is None
        else:
            stress = -np.asarray(found.virial) / expected.get_volume()
            np.testing.assert_allclose(stress, expected.get_stress(voigt=False), rtol=0, atol=1e-12)
    words = capsys.readouterr().err
    assert words.count("Note: ") == bool(said)
    assert said in words


@pytest.mark.parametrize(
    ("calculator", "told"),
    [
        (Shaped("forces", lambda each: each[:-1]), r"wild gives forces .* numbers of shape \(32, 3\), got \(31, 3\)"),
        (Shaped("energy", lambda each: None), "wild gives energy that cannot be used"),
    ],
)
def test_numbers_that_cannot_be_used_end_the_run(calculator: Any, told: str) -> None:
    calculator.implemented_properties = ["energy", "forces"]
    with pytest.raises(ModelError, match=told):
        AseCalculator(calculator, "wild").compute(system(copper()))


def test_numbers_that_are_not_finite_are_no_lack_of_the_calculator(capsys: pytest.CaptureFixture[str]) -> None:
    """They are the pair style's to refuse, and what comes after a trial that was refused is whole again."""

    class BreaksOnce(EMT):  # type: ignore[misc]
        broken = True

        def calculate(self, *words: Any, **options: Any) -> None:
            super().calculate(*words, **options)
            if self.broken:
                self.results = {name: value * np.nan for name, value in self.results.items()}

    calculator, atoms = BreaksOnce(), in_ase()
    opened = AseCalculator(calculator, "wild")
    broken = opened.compute(system(atoms))
    assert np.isnan(broken.energies).all()
    assert np.isnan(broken.forces).all()
    calculator.broken = False
    atoms.positions[0] += 0.1
    found = opened.compute(system(atoms))
    np.testing.assert_allclose(found.energies, atoms.get_potential_energies(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(-found.virial / atoms.get_volume(), atoms.get_stress(voigt=False), rtol=0, atol=1e-12)
    assert capsys.readouterr().err == ""


def test_a_stress_that_does_not_come_is_refused_where_it_is_needed(
    lammps_instance,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,  # type: ignore[no-untyped-def]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "wild_module.py").write_text(LACKS)
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "wild.calculator.yaml"
    path.write_text(yaml.safe_dump({"calculator": "wild_module:Lacks", "options": {"lacks": ["stress", "energies"]}}))
    trust.add([path])
    lmp = lammps_instance
    atoms, lines = in_ase(), ["pair_style lamplighter", f"pair_coeff * * {path} Cu"]
    measurements.load(lmp, atoms, lines, ("Cu",))
    lmp.command("thermo_style custom step pe press")
    lmp.command("fix n all nvt temp 300 300 0.1")
    lmp.command("run 2 post no")  # at constant volume it runs
    assert np.isnan(lmp.get_thermo("press"))
    lmp.command("run 0 post no")
    lmp.command("unfix n")
    measurements.load(lmp, atoms, lines, ("Cu",))
    lmp.command("fix n all npt temp 300 300 0.1 iso 1 1 1")
    with pytest.raises(Exception, match=r"fix n \(npt\) changes the box by the pressure, and .* gives no stress"):
        lmp.command("run 0 post no")
    bridge.pending_error()
    lmp.command("unfix n")
