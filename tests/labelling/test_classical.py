"""A classical force field is a method by its name, and by a run file: the same labels."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import yaml
from ase.io import read, write

import lamplighter as ll
from lamplighter.config.potential import PotentialSection
from lamplighter.labelling.method import checked
from lamplighter.labelling.named_methods import CLASSICAL, named_method
from lamplighter.structures.labelled_frames import read_labelled


def test_the_names_are_those_of_run_files() -> None:
    annotation = PotentialSection.model_fields["classical"].annotation
    assert next(get_args(each) for each in get_args(annotation) if get_args(each)) == CLASSICAL


def test_opls_labels_by_name_are_those_of_a_run_file(tmp_path: Path) -> None:
    pytest.importorskip("rdkit")
    pytest.importorskip("moltemplate")
    sys.path.insert(0, str(Path(__file__).parents[1] / "potentials" / "classical"))
    import electrolytes

    structure = electrolytes.written(tmp_path, [("EC", 4), ("EMC", 4)], 7.5)
    keys = {"classical": "opls-aa", "cutoff": "6.5 A"}
    stages = [{"type": "nve", "length": "1 steps", "timestep": "1 fs"}]
    content = {"structure": structure, "potential": keys, "velocities": "300 K", "stages": stages}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(content))
    options = {"molecules": structure["molecules"], "cutoff": "6.5 A"}
    frames = read(structure["file"], ":")
    frames.append(frames[0].copy())
    frames[1].rattle(0.02, seed=2)
    write(tmp_path / "frames.xyz", frames)
    made = ll.label(tmp_path / "frames.xyz", "opls-aa", tmp_path / "lab.xyz", options=options, workers=1)
    assert made.n_labelled == 2, made
    assert {"moltemplate", "rdkit", "lammps"} <= set(made.provenance["versions"])
    found = read_labelled(tmp_path / "lab.xyz").labels
    method = named_method(str(tmp_path / "run.yaml"))
    with checked(method, ["H", "C", "O"]) as evaluator:
        for atoms, labels in zip(frames, found, strict=True):
            again = evaluator.evaluate(atoms)
            assert labels.energy == pytest.approx(again.energy, abs=1e-4)  # positions of a file are rounded
            np.testing.assert_allclose(labels.forces, again.forces, atol=1e-4)
            np.testing.assert_allclose(labels.stress, again.stress, atol=1e-6)


def test_rigid_water_has_no_stress_wherever_it_is_asked(tmp_path: Path) -> None:
    pytest.importorskip("rdkit")
    pytest.importorskip("moltemplate")
    sys.path.insert(0, str(Path(__file__).parents[1] / "potentials" / "classical"))
    import electrolytes

    structure = electrolytes.written(tmp_path, [("water", 7), ("EC", 1)], 7.0)
    keys = {"classical": "opls-aa", "cutoff": "6.5 A", "water": "spc/e"}
    stages = [{"type": "nve", "length": "1 steps", "timestep": "1 fs"}]
    content = {"structure": structure, "potential": keys, "velocities": "300 K", "stages": stages}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(content))
    atoms = read(structure["file"])
    write(tmp_path / "frames.xyz", [atoms, atoms[-10:]])  # the second one has no water
    made = ll.label(tmp_path / "frames.xyz", str(tmp_path / "run.yaml"), tmp_path / "lab.xyz", workers=1)
    assert made.n_labelled == 2, made
    assert "1 periodic frames have no stress: run.yaml gives none" in made.notes
    watery, dry = read_labelled(tmp_path / "lab.xyz").labels
    assert np.isnan(watery.stress).all()
    assert np.isfinite(watery.forces).all()
    assert np.isfinite(dry.stress).all()
    with ll.Calculator(tmp_path / "run.yaml") as atoms.calc:
        assert atoms.get_potential_energy() == pytest.approx(watery.energy, abs=1e-4)
        with pytest.raises(NotImplementedError, match="this potential gives no stress"):
            atoms.get_stress()
    write(tmp_path / "watery.xyz", [atoms] * 2)
    errors = ll.model_errors(tmp_path / "watery.xyz", run_file=tmp_path / "run.yaml", reference=tmp_path / "run.yaml")
    assert errors.results[0].table.stress is None
    assert "labels energy of run.yaml, forces of run.yaml\n" in str(errors)
    assert "run.yaml gives no stress of these frames: none is compared" in errors.notes


def test_opls_needs_a_list_of_molecules() -> None:
    with pytest.raises(ll.LamplighterError, match=r"opls-aa needs to know which atoms are bonded: give the list"):
        named_method("opls-aa")
    with pytest.raises(ll.ConfigError, match="charge_scale"):
        named_method("opls-aa", {"molecules": "m.yaml", "charge_scale": 3})
