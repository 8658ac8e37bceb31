"""examples/composition_transfer and clusters_or_liquid: what is compared differs in data, and in nothing else."""

from __future__ import annotations

from pathlib import Path

import ase.io
import numpy as np
import yaml

from lamplighter.analysis.isolated_molecules import isolated_molecules
from lamplighter.campaign.campaign_file import CampaignSection
from lamplighter.config.problems import section_of
from lamplighter.learning.ablation import load_ablation
from lamplighter.training.train_file import TrainFile

EXAMPLES = Path(__file__).parents[2] / "examples"
TRANSFER, CLUSTERS = EXAMPLES / "composition_transfer", EXAMPLES / "clusters_or_liquid"


def trainings(folder: Path) -> dict[str, TrainFile]:
    found = load_ablation(folder / "sets.yaml").points
    assert all(isinstance(each.asked, TrainFile) for each in found)
    return {each.name: each.asked for each in found if isinstance(each.asked, TrainFile)}


def without_data(asked: TrainFile) -> TrainFile:
    return asked.model_copy(update={"data": None, "output": None})


def test_models_of_one_composition_and_of_several_see_as_many_frames() -> None:
    points = trainings(TRANSFER)
    assert list(points) == ["ec2_emc10", "ec6_emc6", "ec10_emc2", "ends", "all"]
    first = points["all"]
    for asked in points.values():
        kind = asked.data.train["liquid"]
        frames = sum(len(ase.io.read(file, ":")) for file in kind.files)
        assert round(frames * kind.share) == 30
        assert without_data(asked) == without_data(first)


def test_liquids_that_no_set_holds_are_whole_and_labelled() -> None:
    frames = ase.io.read(TRANSFER / "others.xyz", ":")
    held = [sorted(set(isolated_molecules([each]).names)) for each in frames]
    assert held == [["C3H4O3", "C5H10O3"]] * 6 + [["C3H2O3", "C4H8O3"]] * 6 + [["C4H6O3"]] * 6
    assert all(each.info["stress_xtb"].size == 9 for each in frames)
    assert all(np.abs(each.arrays["forces_xtb"]).max() < 20.0 for each in frames)


def test_clusters_and_liquid_have_as_many_atoms_and_no_other_difference() -> None:
    points = trainings(CLUSTERS)
    atoms, of_a_batch = {}, {}
    for name, asked in points.items():
        files = [file for kind in asked.data.train.values() for file in kind.files]
        frames = [each for file in files for each in ase.io.read(file, ":") if len(each) > 1]
        assert {bool(each.pbc.all()) for each in frames} == {name == "liquid"}
        atoms[name] = sum(map(len, frames))
        of_a_batch[name] = atoms[name] / len(frames) * asked.settings["batch_size"]
    assert abs(atoms["liquid"] / atoms["clusters"] - 1) < 0.02
    assert abs(of_a_batch["liquid"] / of_a_batch["clusters"] - 1) < 0.1
    first, second = (without_data(each) for each in points.values())
    assert first.settings | {"batch_size": 2} == second.settings
    assert first.model_copy(update={"settings": {}}) == second.model_copy(update={"settings": {}})


def test_the_densities_are_asked_of_every_model() -> None:
    path = CLUSTERS / "density.yaml"
    section = section_of(CampaignSection, yaml.safe_load(path.read_text(encoding="utf-8")), str(path))
    expected = {
        f"sets/{name}/models/{name}_{seed}.model" for name, one in trainings(CLUSTERS).items() for seed in one.seeds
    }
    assert set(section.axes["model"].values.values()) == expected
