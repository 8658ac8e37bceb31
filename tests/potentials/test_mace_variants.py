"""Models of newer versions of MACE through the bridge: what they may differ in, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lammps_evaluation import evaluate, load

import structures
from conftest import build_mace

ELEMENTS = " ".join(structures.ELEMENTS)


def test_a_model_without_parity_is_not_evaluated_as_its_mirror_image(lammps_instance, tmp_path: Path) -> None:
    """`use_so3`: harmonics of vectors that point the other way are those of the mirror image."""
    import mace.modules  # isort: skip  # noqa: F401
    from e3nn import o3
    from mace.calculators import MACECalculator

    hidden = o3.Irreps("6x0e+6x1e")
    model = build_mace(
        tmp_path / "so3.model", channels=6, hidden_ell=0, interactions=2, hidden_irreps=hidden, use_so3=True
    )
    atoms = structures.liquid()
    atoms.calc = MACECalculator(model_paths=str(model), device="cpu", default_dtype="float64")
    found = evaluate(lammps_instance, atoms, "lamplighter dtype float64", f"{model} {ELEMENTS}")
    np.testing.assert_allclose(found["forces"], atoms.get_forces(), rtol=0, atol=1e-9)
    mirrored = atoms.copy()
    mirrored.calc = atoms.calc
    mirrored.positions[:, 0] *= -1.0
    assert np.abs(np.abs(mirrored.get_forces()) - np.abs(atoms.get_forces())).max() > 1e-6  # the model can tell


def test_radial_functions_that_see_the_features_are_left_to_the_bridge(lammps_instance, tmp_path: Path) -> None:
    """`RealAgnosticAttResidual`: no table of distances holds them."""
    import mace.modules
    from mace.calculators import MACECalculator

    name = "RealAgnosticAttResidualInteractionBlock"
    cls = mace.modules.interaction_classes[name]
    model = build_mace(tmp_path / "att.model", channels=6, hidden_ell=1, interactions=2, interaction_cls=cls)
    atoms = structures.liquid()
    atoms.calc = MACECalculator(model_paths=str(model), device="cpu", default_dtype="float64")
    found = evaluate(lammps_instance, atoms, "lamplighter dtype float64", f"{model} {ELEMENTS}")
    np.testing.assert_allclose(found["forces"], atoms.get_forces(), rtol=0, atol=1e-9)
    for engine, remedy in (("native", "'engine auto' and 'engine bridge'"), ("torch-fast", "use engine bridge")):
        with pytest.raises(Exception, match=rf"{engine}.* lacks the interaction {name}: {remedy}"):
            load(lammps_instance, atoms, f"lamplighter engine {engine}", f"{model} {ELEMENTS}")


def test_a_model_of_dipoles_is_refused_by_its_class(lammps_instance, tmp_path: Path) -> None:
    """Not by a traceback out of its first step; `atomic_inter_scale` is what it lacks."""
    import mace.modules
    import torch

    whole = torch.load(build_mace(tmp_path / "a.model", channels=4, hidden_ell=1, interactions=2), weights_only=False)
    whole.__class__ = mace.modules.EnergyDipolesMACE  # the blocks of one are those of the other
    torch.save(whole, tmp_path / "dipoles.model")
    with pytest.raises(Exception, match=r"dipoles.model holds a EnergyDipolesMACE, where MACE and ScaleShiftMACE"):
        load(lammps_instance, structures.lone_atom(), "lamplighter", f"{tmp_path / 'dipoles.model'} {ELEMENTS}")


def test_a_model_of_charge_and_spin_means_a_neutral_closed_shell(lammps_instance, tmp_path: Path) -> None:
    from mace.calculators import MACECalculator

    spec = {"type": "continuous", "in_dim": 1, "emb_dim": 4, "per": "graph"}
    words = {"channels": 4, "hidden_ell": 0, "interactions": 2}
    model = build_mace(
        tmp_path / "a.model", **words, embedding_specs={"total_charge": spec}, use_embedding_readout=True
    )
    atoms = structures.liquid()
    atoms.calc = MACECalculator(model_paths=str(model), device="cpu", default_dtype="float64")
    found = evaluate(lammps_instance, atoms, "lamplighter dtype float64 engine bridge", f"{model} {ELEMENTS}")
    np.testing.assert_allclose(found["forces"], atoms.get_forces(), rtol=0, atol=1e-9)
    assert float(found["energy"]) == pytest.approx(atoms.get_potential_energy(), abs=1e-6)
    for name, per in (("elec_temp", "graph"), ("total_charge", "node")):
        other = build_mace(tmp_path / "b.model", **words, embedding_specs={name: {**spec, "per": per}})
        for engine in ("auto", "bridge"):
            with pytest.raises(Exception, match=f"an embedding of {name} of each {per}"):
                load(lammps_instance, structures.lone_atom(), f"lamplighter engine {engine}", f"{other} {ELEMENTS}")
