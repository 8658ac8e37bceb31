"""A model whose framework is not installed is recognised, and the message names what to install."""

from __future__ import annotations

import importlib.util
import zipfile
from pathlib import Path

import pytest
import torch

from lamplighter.errors import ModelError
from lamplighter.model_files import recognition
from lamplighter.potentials import registry
from lamplighter.potentials.interface import LoadOptions

MACE_MODEL = Path(__file__).parents[2] / "examples" / "ec_emc" / "models" / "ec_emc_0.model"
OPTIONS = LoadOptions(elements=("H", "C", "O"))


def package(folder: Path) -> Path:
    path = folder / "liquid.nequip.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("liquid/model/package_metadata.txt", "atom_types: {0: H}\n")
    return path


def checkpoint(folder: Path) -> Path:
    path = folder / "checkpoint_best.pth"
    config = {"chemical_species": ["H"], "num_convolution_layer": 3, "cutoff": 5.0}
    torch.save({"config": config, "model_state_dict": {}}, path)
    return path


def gap(folder: Path) -> Path:
    path = folder / "liquid.xml"
    path.write_text(
        """<GAP_1>
<Potential label="GAP_1" init_args="IP GAP label=GAP_1"/>
<GAP_params label="GAP_1" gap_version="1769700636">
  <GAP_data do_core="F"><e0 Z="1" value="-10.7"/><e0 Z="6" value="-48.8"/><e0 Z="8" value="-102.6"/></GAP_data>
  <gpSparse label="GAP_1" n_coordinate="1" fitted="T">
    <gpCoordinates label="GAP_11" dimensions="1" n_sparseX="1">
      <descriptor>distance_2b cutoff=4.0 Z1=1 Z2=6</descriptor>
      <sparseX i="1" alpha="1.0" sparseCutoff="1.0">1.0</sparseX>
    </gpCoordinates>
  </gpSparse>
</GAP_params>
</GAP_1>
"""
    )
    return path


def without(module: str) -> None:
    if importlib.util.find_spec(module) is not None:
        pytest.skip(f"{module} is installed in this environment")


@pytest.mark.parametrize(
    ("module", "make", "kind", "extra", "target"),
    [
        ("mace", lambda folder: MACE_MODEL, "mace", "lamplighter[mace]", "make install"),
        ("nequip", package, "nequip", "lamplighter[nequip]", "make install-frameworks"),
        ("sevenn", checkpoint, "sevennet", "lamplighter[sevenn]", "make install-frameworks"),
        ("quippy", gap, "gap", "lamplighter[gap]", "make install"),
    ],
)
def test_the_message_names_the_extra_and_the_command(  # type: ignore[no-untyped-def]
    tmp_path: Path, module: str, make, kind: str, extra: str, target: str
) -> None:
    without(module)
    path = make(tmp_path)
    framework = recognition.framework_of(path)
    assert framework is not None
    assert framework.kind == kind
    with pytest.raises(ModelError) as refused:
        registry.recognise(path).load(path, OPTIONS)
    assert extra in str(refused.value)
    assert target in str(refused.value)


def test_compile_says_what_is_wrong_with_a_file_whatever_is_installed(tmp_path: Path) -> None:
    from lamplighter.potentials.native import compile_files

    (tmp_path / "notes.model").write_text("mace.modules sevenn nequip")
    with pytest.raises(ModelError, match=r"missing.model does not exist"):
        compile_files([tmp_path / "missing.model"], tmp_path / "made.lamp", ("H",))
    with pytest.raises(ModelError, match=r"notes.model is not a torch file"):
        compile_files([tmp_path / "notes.model"], tmp_path / "made.lamp", ("H",))
    without("mace")
    with pytest.raises(ModelError, match=r"lamplighter\[mace\]"):
        compile_files([MACE_MODEL], tmp_path / "made.lamp", ("H",))


@pytest.mark.parametrize(("make", "kind"), [(package, "nequip"), (checkpoint, "sevennet"), (gap, "gap")])
def test_a_file_is_recognised_with_or_without_its_framework(tmp_path: Path, make, kind: str) -> None:  # type: ignore[no-untyped-def]
    assert registry.recognise(make(tmp_path)).kind == kind


def test_mace_files_are_recognised_without_mace() -> None:
    framework = recognition.framework_of(MACE_MODEL)
    assert framework is not None
    assert framework.kind == "mace"


def test_other_files_are_of_no_framework(tmp_path: Path) -> None:
    other = tmp_path / "other.pt"
    torch.save({"model_state_dict": {}, "epoch": 3}, other)
    text = tmp_path / "notes.txt"
    text.write_text("mace.modules sevenn nequip")
    assert recognition.framework_of(other) is None
    assert recognition.framework_of(text) is None
    with pytest.raises(ModelError, match="kind KIND"):
        registry.recognise(other)
