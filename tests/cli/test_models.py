"""`lamplighter models`: what is said of each kind of file, with and without its framework."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from .conftest import Lamplighter

BACKENDS = Path(__file__).parents[1] / "backends"
MODELS = Path(__file__).parents[2] / "examples" / "ec_emc" / "models"


def require(module: str) -> None:
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed in this environment")


def said(out: str) -> dict[str, str]:
    """Each line's text by its label."""
    lines = [line.strip() for line in out.splitlines()[1:] if line.startswith("  ")]
    return {label: text.strip() for label, text in ((line[:16].strip(), line[16:]) for line in lines)}


def test_a_mace_model(lamplighter: Lamplighter) -> None:
    require("mace")
    import torch

    path = MODELS / "ec_emc_0.model"
    code, out, _ = lamplighter("models", path)
    found = said(out)
    model = torch.load(path, weights_only=False, map_location="cpu")
    assert code == 0
    assert out.splitlines()[0] == str(path)
    assert found["framework"] == "MACE, model"
    assert found["elements"] == "H C O"
    assert found["cutoff"] == f"{float(model.r_max):g} Å"
    assert found["layers"] == str(int(model.num_interactions))
    assert found["precision"] == str(next(model.parameters()).dtype).removeprefix("torch.")
    assert found["parameters"] == str(sum(each.numel() for each in model.parameters()))
    energies = model.atomic_energies_fn.atomic_energies.flatten().tolist()
    assert found["atomic energies"].startswith(f"H {energies[0]:.6g}, C {energies[1]:.6g}")
    assert found["exchanges"].startswith("yes")


def test_a_gap_and_the_file_of_a_calculator(lamplighter: Lamplighter, tmp_path: Path) -> None:
    require("quippy")
    sys.path.insert(0, str(MODELS.parents[2] / "tests" / "potentials"))
    from gap_models import ENVIRONMENTS, PAIRS, fit  # type: ignore[import-not-found]

    path = fit(tmp_path, PAIRS, ENVIRONMENTS)
    calculator = tmp_path / "xtb.calculator.yaml"
    calculator.write_text("calculator: tblite.ase:TBLite\noptions: {method: GFN1-xTB}\n")
    code, out, _ = lamplighter("models", path, calculator)
    found, named = (said(part) for part in out.split("\n\n"))
    assert code == 0
    assert found["framework"] == "GAP, XML file with 9 files of sparse points"
    assert found["elements"] == "H C O"
    assert found["cutoff"] == "4 Å"
    assert out.count("descriptor ") == 9
    assert "distance_2b C-O, 4 Å, 8 sparse points" in out
    assert "soap O, 3.5 Å, 10 sparse points" in out
    assert found["parameters"] == str(6 * 8 + 3 * 10)
    assert found["exchanges"].startswith("none")
    assert "quippy" in found["needs"]
    assert named["framework"] == "ASE calculator, tblite.ase:TBLite, method GFN1-xTB"
    assert "one rank" in named["needs"]
    assert "names code" in named["note"]
    next(tmp_path.glob("*.sparseX.*")).unlink()
    code, _, err = lamplighter("models", path)
    assert code == 1
    assert "lacks files that belong to it" in err


def test_a_compiled_model(lamplighter: Lamplighter, tmp_path: Path) -> None:
    require("mace")
    compiled = tmp_path / "liquid.lamp"
    assert lamplighter("compile", MODELS / "ec_emc_0.model", "-o", compiled)[0] == 0
    code, out, _ = lamplighter("models", MODELS / "ec_emc_0.model", compiled)
    original, found = (said(part) for part in out.split("\n\n"))
    assert code == 0
    assert found["framework"] == "MACE, compiled for the native engine"
    for label in ("elements", "cutoff", "layers", "atomic energies", "exchanges"):
        assert found[label] == original[label]
    assert "no Python" in found["needs"]


def test_a_model_whose_framework_is_not_installed(lamplighter: Lamplighter, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("mace", *(name for name in sys.modules if name.startswith("mace."))):
        monkeypatch.setitem(sys.modules, module, None)
    code, out, _ = lamplighter("models", MODELS / "ec_emc_0.model")
    found = said(out)
    assert code == 0
    assert found["framework"] == "MACE, model"
    assert "pip install 'lamplighter[mace]'" in found["note"]


def test_files_that_are_no_models(lamplighter: Lamplighter, tmp_path: Path) -> None:
    import torch

    text, other = tmp_path / "notes.txt", tmp_path / "other.pt"
    text.write_text("not a model\n" * 20)
    torch.save(torch.nn.Linear(2, 2), other)
    code, _, error = lamplighter("models", text, other, tmp_path / "missing.model")
    assert code == 1
    assert "notes.txt is not a torch file" in error
    assert "other.pt is a torch file of no framework that is known here" in error
    assert "missing.model does not exist" in error


@pytest.fixture
def small_models(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.syspath_prepend(str(BACKENDS))
    return importlib.import_module("small_models")


def test_a_sevennet_checkpoint(lamplighter: Lamplighter, small_models) -> None:  # type: ignore[no-untyped-def]
    require("sevenn")
    from sevenn.util import load_checkpoint

    path = small_models.sevennet_checkpoint("SevenNet_0__11Jul2024")
    code, out, _ = lamplighter("models", path)
    found = said(out)
    model = load_checkpoint(path).build_model()
    assert code == 0
    assert found["framework"] == "SevenNet, checkpoint"
    assert found["elements"].endswith("and 65 more")
    assert found["cutoff"] == "5 Å"
    assert found["layers"] == "5"
    assert found["precision"] == "float32"
    assert found["parameters"] == str(sum(each.numel() for each in model.parameters()))
    assert found["exchanges"].startswith("yes")
    assert found["needs"] == "sevenn"


def test_a_nequip_package_and_an_allegro_package(lamplighter: Lamplighter, small_models, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    require("nequip")
    require("allegro")
    import nequip

    graph = small_models.build_nequip(tmp_path / "graph.nequip.zip")
    local = small_models.build_allegro(tmp_path / "local.nequip.zip")
    code, out, _ = lamplighter("models", graph, local)
    first, second = (said(part) for part in out.split("\n\n"))
    assert code == 0
    assert first["framework"] == "NequIP, package"
    assert second["framework"] == "Allegro, package"
    for found in (first, second):
        assert found["elements"] == "H C O"
        assert found["cutoff"] == "4 Å"
        assert found["precision"] == "float64"
        assert found["atomic energies"] == "H -13.6, C -1028, O -2042 (eV)"
        assert f"nequip {nequip.__version__}" in found["version"]
    assert (first["layers"], second["layers"]) == ("3", "2")
    assert first["exchanges"].startswith("yes")
    assert second["exchanges"].startswith("none")


def test_describing_a_package_runs_nothing_in_it(lamplighter: Lamplighter, small_models, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    require("nequip")
    import zipfile

    path = small_models.build_nequip(tmp_path / "graph.nequip.zip")
    changed, mark = tmp_path / "changed.nequip.zip", tmp_path / "it ran"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(changed, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith(".py"):
                content = f"open({str(mark)!r}, 'w').close()\n".encode() + content
            target.writestr(name, content)
    assert lamplighter("models", changed)[0] == 0
    assert not mark.exists()
