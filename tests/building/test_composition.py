"""Amounts become numbers of molecules: against sums on paper."""

from __future__ import annotations

from typing import Any

import pytest

from lamplighter.building import library
from lamplighter.building.recipe import parse_recipe
from lamplighter.errors import ConfigError, StructureError

pytest.importorskip("rdkit")

from lamplighter.building.composition import Unit, numbers_of
from lamplighter.building.species import of_library, of_smiles


def numbers(components: list[dict[str, Any]], atoms: int | None = None, density: str = "1.2 g/cm3") -> list[int]:
    recipe = parse_recipe({"components": components, "atoms": atoms, "density": density})
    units = [
        Unit(each, of_library(each.molecule) if each.molecule else of_smiles(str(each.smiles)))
        for each in recipe.components
    ]
    return numbers_of(units, recipe).tolist()


def test_three_to_seven_by_weight_is_the_system_of_the_literature() -> None:
    by_weight = [{"molecule": "EC", "mass": 3}, {"molecule": "EMC", "mass": 7}]
    assert [numbers(by_weight, atoms) for atoms in (160, 640)] == [[4, 8], [16, 32]]
    # 3:7 is 1:1.974 by molecules, which many molecules tell from 1:2
    assert numbers(by_weight, 4320) == [109, 215]
    by_moles = [{"molecule": "EC", "mole": 1}, {"molecule": "EMC", "mole": 2}]
    assert numbers(by_moles, 4320) == [108, 216]


def test_shares_by_mole_and_by_volume() -> None:
    assert numbers([{"molecule": "EC", "mole": 1}, {"molecule": "DMC", "mole": 2}], 340) == [10, 20]
    # 1 cm³ of each: 1.321/88.062 and 0.997/18.015 mol, 1 to 3.689
    found = numbers([{"molecule": "EC", "volume": 1}, {"molecule": "water", "volume": 1}], 20000)
    assert found[1] / found[0] == pytest.approx(3.689, rel=2e-3)


def test_a_molal_solution_has_its_moles_in_a_kilogram_of_solvent() -> None:
    # 1 mol/kg: 18.015 g of water for each 0.018015 mol, one in 55.51
    assert numbers([{"molecule": "water", "number": 555}, {"molecule": "NaCl", "molality": "1 mol/kg"}]) == [555, 10]


def test_a_molar_solution_has_its_moles_in_a_litre_of_the_solution() -> None:
    # at 1.2 g/cm³: 1200 g − 151.9 g of LiPF6 leave 1048.1 g of EC, 11.902 mol, with one mole of salt
    found = numbers([{"molecule": "EC", "mole": 1}, {"molecule": "LiPF6", "molarity": "1 mol/L"}], 20000)
    assert found[0] / found[1] == pytest.approx(11.902, rel=5e-3)


def test_too_few_atoms_are_refused_with_a_number_that_would_do() -> None:
    components = [{"molecule": "EC", "mass": 99}, {"molecule": "VC", "mass": 1}]
    with pytest.raises(StructureError, match=r"0 VC, which is 100 % off .*about (\d+) atoms meet it") as refused:
        numbers(components, 200)
    enough = int(str(refused.value).split("about ")[1].split()[0])
    found = numbers(components, enough)
    assert found[0] * 88.062 / (found[0] * 88.062 + found[1] * 86.046) == pytest.approx(0.99, rel=0.01)
    with pytest.raises(StructureError, match="too few atoms"):
        numbers([{"molecule": "water", "number": 5}, {"molecule": "NaCl", "molality": "1 mol/kg"}])


def test_what_a_volume_or_a_molarity_lacks_is_named() -> None:
    with pytest.raises(ConfigError, match=r"components\[1\]\.density: is needed for a volume of VC"):
        numbers([{"molecule": "EC", "volume": 1}, {"molecule": "VC", "volume": 1}], 200)
    with pytest.raises(ConfigError, match=r"a litre of 0\.1 g/cm3 has less mass"):
        numbers([{"molecule": "EC", "mole": 1}, {"molecule": "LiPF6", "molarity": "1 M"}], 200, "0.1 g/cm3")


@pytest.mark.parametrize("name", library.molecules())
def test_numbers_of_the_library_are_registry_numbers_and_densities_have_sources(name: str) -> None:
    entry = library.molecules()[name]
    *digits, check = (int(digit) for digit in entry.cas.replace("-", ""))
    assert sum(place * digit for place, digit in enumerate(reversed(digits), start=1)) % 10 == check
    assert (entry.density is None) == (entry.source is None) == (entry.temperature is None)
    if entry.checked is not None:
        assert entry.density == pytest.approx(float(entry.checked.split(": ")[1]), rel=4e-3)
    made = next(iter(of_library(name)))
    sign = {"+": 1, "-": -1}.get(name[-1], 0)
    assert made.charge == sign
    assert len(made.shapes(2, 1)[0]) == len(made.elements)


@pytest.mark.parametrize("name", library.salts())
def test_salts_of_the_library_are_neutral(name: str) -> None:
    assert sum(count * each.charge for each, count in of_library(name).items()) == 0
