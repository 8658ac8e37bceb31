"""Training frames: how they are divided, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ase.build
import numpy as np
import pytest
from ase import Atoms
from ase.io import write

from lamplighter.errors import LamplighterError, TrajectoryError
from lamplighter.training.train_file import DataSection
from lamplighter.training.training_data import TrainingData, read_training_data

E0 = {"H": -10.0, "O": -100.0, "C": -50.0, "N": -70.0}


def labelled(name: str, number: int, shift: float = 0.0, key: str = "REF_energy") -> list[Atoms]:
    """Frames of a molecule, bound by 2 eV/atom and `shift` (eV/atom)."""
    frames = []
    for seed in range(number):
        atoms = ase.build.molecule(name)
        atoms.rattle(0.05, seed=seed)
        atoms.info[key] = sum(E0[each] for each in atoms.symbols) + (shift - 2.0 + 0.01 * seed) * len(atoms)
        atoms.arrays[key.replace("energy", "forces")] = np.full((len(atoms), 3), 0.1 * seed)
        frames.append(atoms)
    return frames


def lone_atoms(*elements: str) -> list[Atoms]:
    atoms = [Atoms(each, info={"REF_energy": E0[each]}) for each in elements]
    for each in atoms:
        each.arrays["REF_forces"] = np.zeros((1, 3))
    return atoms


def data_of(folder: Path, files: dict[str, list[Atoms]], **more: Any) -> TrainingData:
    for name, frames in files.items():
        write(folder / f"{name}.xyz", frames, format="extxyz")
    train = {name: str(folder / f"{name}.xyz") for name in files if name not in ("validation", "test")}
    for name in ("validation", "test"):
        if name in files:
            more[name] = str(folder / f"{name}.xyz")
    return read_training_data(DataSection.model_validate({"train": train, **more}))


def energies(frames: Any) -> set[float]:
    return {each.labels.energy for each in frames}


def test_each_seed_sees_its_own_share_and_is_validated_by_the_rest(tmp_path: Path) -> None:
    data = data_of(tmp_path, {"water": [*lone_atoms("H", "O"), *labelled("H2O", 20)]})
    first, second = data.of_member(1, 0.8), data.of_member(2, 0.8)
    assert len(first.train) == data.size_of_member(0.8) == 16
    assert len(first.validation) == 4
    assert not energies(first.train) & energies(first.validation)
    assert energies(first.train) != energies(second.train)
    assert first.lone_atoms == {"H": -10.0, "O": -100.0}
    assert first.knows_all_lone_atoms
    assert energies(data.of_member(1, 0.8).train) == energies(first.train)


def test_a_share_for_validation_is_the_same_for_all_members(tmp_path: Path) -> None:
    data = data_of(tmp_path, {"water": labelled("H2O", 20), "methane": labelled("CH4", 10)}, validation=0.2)
    first, second = data.of_member(1, 0.5), data.of_member(2, 0.5)
    assert energies(first.validation) == energies(second.validation)
    assert len(first.validation) == 6
    assert len(first.train) == data.size_of_member(0.5) == 12
    assert not energies(first.train) & energies(first.validation)


def test_elements_without_a_training_frame_are_named(tmp_path: Path) -> None:
    files = {"water": labelled("H2O", 5), "validation": labelled("CH4", 2)}
    with pytest.raises(LamplighterError, match=r"seed 1: C: no training frame has this element"):
        data_of(tmp_path, files).of_member(1, 1.0)
    with pytest.raises(LamplighterError, match=r"test.test: .*test.xyz has N, and no training frame does"):
        data_of(tmp_path, {"water": labelled("H2O", 5), "test": labelled("NH3", 2)}, validation=0.2)


def test_elements_of_test_frames_are_those_of_each_member(tmp_path: Path) -> None:
    """One frame of methane among many of water is not in each member's share."""
    both = [*labelled("H2O", 9), *labelled("CH4", 1)]
    data = data_of(tmp_path, {"all": both, "validation": labelled("H2O", 2), "test": labelled("CH4", 1)})
    assert data.of_member(1, 1.0).elements == ["H", "C", "O"]
    with pytest.raises(LamplighterError, match=r"seed 1: C: no training frame of this member .* test.test do"):
        data.of_member(1, 0.2)


def test_an_isolated_atom_needs_no_forces(tmp_path: Path) -> None:
    alone = lone_atoms("H", "O")
    for each in alone:
        del each.arrays["REF_forces"]
    data = data_of(tmp_path, {"water": [*labelled("H2O", 5), *alone]}, validation=0.2)
    assert data.lone_atoms == {"H": -10.0, "O": -100.0}


def test_isolated_atoms_of_two_energies_are_refused_by_their_files(tmp_path: Path) -> None:
    other = lone_atoms("H")
    other[0].info["REF_energy"] += 0.0005  # digits that were cut off
    files = {"water": [*labelled("H2O", 5), *lone_atoms("H")], "more": [*labelled("H2O", 5), *other]}
    data_of(tmp_path, files, validation=0.2)
    other[0].info["REF_energy"] += 0.5
    with pytest.raises(LamplighterError, match=r"-10.0+ eV in .*water.xyz and -9.4995.. eV in .*more.xyz"):
        data_of(tmp_path, files, validation=0.2)


def test_what_is_wrong_with_labels_is_said_in_keys_of_the_train_file(tmp_path: Path) -> None:
    frames = labelled("H2O", 3)
    for each in frames:
        each.info["dft_energy"] = 0.0
    with pytest.raises(TrajectoryError, match=r"say which is the reference with data\.labels\.energy .it has"):
        data_of(tmp_path, {"water": frames}, validation=0.2)


def test_a_missing_label_names_its_frame(tmp_path: Path) -> None:
    frames = labelled("H2O", 3)
    del frames[2].info["REF_energy"]
    with pytest.raises(TrajectoryError, match=r"frame 2 of .*water.xyz has no label 'REF_energy'"):
        data_of(tmp_path, {"water": frames}, validation=0.2)


def test_files_that_call_their_labels_differently_are_not_mixed(tmp_path: Path) -> None:
    files = {"water": labelled("H2O", 3), "methane": labelled("CH4", 3, key="dft_energy")}
    with pytest.raises(LamplighterError, match=r"'REF_energy', and those of .*methane.xyz 'dft_energy'"):
        data_of(tmp_path, files, validation=0.2)


def test_labels_of_two_methods_are_said_and_those_of_one_are_not(tmp_path: Path) -> None:
    same = {"water": labelled("H2O", 6), "more": labelled("H2O", 6, shift=0.3)}
    assert data_of(tmp_path, same, validation=0.2).notes == []
    other = {"water": labelled("H2O", 6), "more": labelled("H2O", 4, shift=-7.0)}
    (note,) = data_of(tmp_path, other, validation=0.2).notes
    assert "energies of more.xyz lie -6.99 eV/atom from those of the other files" in note
    alone = {"water": [*lone_atoms("H", "O"), *labelled("H2O", 6, shift=-40.0)]}
    (note,) = data_of(tmp_path, alone, validation=0.2).notes
    assert "bound by 41.9" in note


def test_a_frame_that_outweighs_all_others_is_named(tmp_path: Path) -> None:
    frames = labelled("H2O", 20)
    assert data_of(tmp_path, {"water": frames}, validation=0.2).notes == []
    frames[7].arrays["REF_forces"][1, 2] = -25.0
    (note,) = data_of(tmp_path, {"water": frames}, validation=0.2).notes
    others = sum(float((each.arrays["REF_forces"] ** 2).sum()) for each in frames) - 25.0**2
    assert f"frame 7 of water.xyz (from 0) holds {100 * 625 / (others + 625):.0f} % of the squared forces" in note
    assert "the largest component is 25 eV/Å" in note


def test_of_a_kind_of_a_few_frames_each_member_sees_one(tmp_path: Path) -> None:
    data = data_of(tmp_path, {"water": labelled("H2O", 20), "methane": labelled("CH4", 1)}, validation=0.1)
    assert all("C" in data.of_member(seed, 0.3).elements for seed in range(5))
