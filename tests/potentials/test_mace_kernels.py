"""Kernels of others evaluate MACE where they are installed and give the same; else they are left out, with a note."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ase.io
import numpy as np
import pytest
import torch
from lammps_evaluation import evaluate

import structures
from lamplighter.potentials import mace_kernels
from lamplighter.potentials.bridged_inputs import BridgedInputs
from lamplighter.potentials.interface import LoadOptions
from lamplighter.potentials.mace import Mace
from lamplighter.potentials.mace_kernels import Kernels, wanted

ELEMENTS = " ".join(structures.ELEMENTS)
Convert = Callable[..., torch.nn.Module]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Callable[[Convert], None]:
    """Installs kernels, whose converter is given, and asks for them on CPUs."""

    def install(run: Convert) -> None:
        monkeypatch.setitem(sys.modules, "fast_kernels_converter", SimpleNamespace(run=run))
        missing = Kernels("MissingKernels", "no_such_package", "no_such_converter")
        kernels = Kernels("FastKernels", "json", "fast_kernels_converter")
        monkeypatch.setattr(mace_kernels, "KERNELS", (missing, kernels))
        monkeypatch.setenv("LAMPLIGHTER_MACE", "kernels")

    return install


def test_kernels_that_give_the_same_are_used(installed: Callable[[Convert], None], small_model: Path) -> None:
    asked: list[Any] = []

    def run(model: torch.nn.Module, device: str) -> torch.nn.Module:
        asked.append((device, next(model.parameters()).dtype))
        torch.set_default_dtype(torch.float64)  # as mace-torch does
        return copy.deepcopy(model)

    installed(run)
    model = Mace.load(small_model, LoadOptions(structures.ELEMENTS, "float32"))
    assert asked == [("cpu", torch.float32)]
    assert model.summary == "mace-torch by FastKernels, whose forces are the same"
    assert model.n_inputs > 0
    assert torch.get_default_dtype() == torch.float32


@pytest.mark.parametrize("how", ["wrong", "nan", "fails"])
def test_kernels_that_do_not_are_left_out_with_a_note(
    installed: Callable[[Convert], None], small_model: Path, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    def run(model: torch.nn.Module, device: str) -> torch.nn.Module:
        if how == "fails":
            raise ImportError("cuequivariance_ops_torch is not installed")
        spoilt = copy.deepcopy(model)
        with torch.no_grad():
            next(spoilt.interactions[0].linear_up.parameters()).mul_(1.001 if how == "wrong" else float("nan"))
        return spoilt

    installed(run)
    model = Mace.load(small_model, LoadOptions(structures.ELEMENTS, "float64"))
    assert not model.summary
    said = capsys.readouterr().err
    assert "Note: FastKernels is installed and not used" in said
    assert ("is not installed" if how == "fails" else "forces differ by") in said
    assert "MissingKernels" not in said


def test_they_are_for_gpus_unless_the_user_says_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu, gpu = torch.device("cpu"), torch.device("cuda", 0)
    for said, on_cpu, on_gpu in (
        ("", False, True), ("plain", False, False), ("reordered", False, False), ("kernels", True, True),
    ):  # fmt: skip
        monkeypatch.setenv("LAMPLIGHTER_MACE", said)
        assert (wanted(cpu), wanted(gpu)) == (on_cpu, on_gpu)


def test_cuequivariance_gives_the_forces_and_readouts_of_mace(
    lammps_instance, trained_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # type: ignore[no-untyped-def]
    """Its slow form, for CPUs, where it is installed."""
    pytest.importorskip("cuequivariance_torch")
    cluster = ase.io.read(structures.EXAMPLE / "data" / "xtb_train.xyz", "0")
    style = "lamplighter dtype float64 engine bridge"
    found = {}
    for said in ("reordered", "kernels"):
        monkeypatch.setenv("LAMPLIGHTER_MACE", said)
        assert ("cuEquivariance" in Mace.load(trained_model, LoadOptions(structures.ELEMENTS)).summary) == (
            said == "kernels"
        )
        found[said] = (
            evaluate(lammps_instance, structures.smaller_than_cutoff(), style, f"{trained_model} {ELEMENTS}")["forces"],
            BridgedInputs(trained_model).describe(cluster),
        )
    for one, other in zip(*found.values(), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-8)
