"""`lamplighter models`: what is said of each kind of file, with and without its framework."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest
from tests.conftest import Run

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
    as_json = json.loads(lamplighter("models", path, calculator, "--json")[1])
    assert list(as_json) == [str(path), str(calculator)]
    assert as_json[str(path)]["elements"] == ["H", "C", "O"]
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
    assert "ENV/bin/pip install 'lamplighter[mace]'" in found["note"]
    assert "python: ENV/bin/python" in found["note"]


def test_a_deepmd_model_without_tensorflow(lamplighter: Lamplighter) -> None:
    """The number of parameters is that of its networks: embedding 10-20-40, fitting 64-64-64, for three elements."""
    code, out, _ = lamplighter("models", MODELS.parent / "deepmd" / "models" / "ec_emc_dp_0.pb")
    found = said(out)
    assert code == 0
    assert found["framework"] == "DeePMD, frozen TensorFlow graph, descriptor se_e2_a"
    assert (found["elements"], found["cutoff"], found["precision"]) == ("H C O", "5 Å", "float64")
    embedding = (1 * 10 + 10) + (10 * 20 + 20) + (20 * 40 + 40)
    fitting = (
        (40 * 6 * 64 + 64) + 2 * (64 * 64 + 64 + 64) + (64 + 1)
    )  # the layers between have a timestep for each node
    assert found["parameters"] == str(3 * embedding + 3 * fitting)
    assert found["exchanges"].startswith("none")
    assert "kind: deepmd" in found["needs"]
    assert set(found["atomic energies"].split()[::2]) == {"H", "C", "O", "(eV)"}


def test_a_checkpoint_of_nequip_is_read_without_running_it(lamplighter: Lamplighter, tmp_path: Path) -> None:
    """In the layout that training with nequip 0.19 writes."""
    import torch

    settings = {
        "_target_": "allegro.model.AllegroModel",
        "type_names": ["H", "C", "O"],
        "r_max": 5.0,
        "model_dtype": "float32",
        "num_layers": 2,
        "per_type_energy_shifts": {"C": -48.8, "H": -10.7, "O": -102.6},
    }
    moments = {0: {"exp_avg": torch.zeros(3, 16)}, 1: {"exp_avg": torch.zeros(7)}}
    torch.save(
        {
            "pytorch-lightning_version": "2.6.6",
            "hyper_parameters": {
                "model": settings,
                "info_dict": {"versions": {"nequip": "0.19.1"}},
                "x": "nequip.train",
            },
            "optimizer_states": [{"state": moments}],
        },
        tmp_path / "best.ckpt",
    )
    code, out, _ = lamplighter("models", tmp_path / "best.ckpt")
    found = said(out)
    assert code == 0
    assert (found["framework"], found["version"]) == ("Allegro, checkpoint", "nequip 0.19.1")
    assert (found["elements"], found["cutoff"], found["layers"]) == ("H C O", "5 Å", "2")
    assert (found["precision"], found["parameters"]) == ("float32", "55")
    assert found["atomic energies"] == "H -10.7, C -48.8, O -102.6 (eV)"
    assert found["exchanges"].startswith("none")
    assert found["needs"] == "nequip and nequip-allegro"


def test_files_for_pair_styles_of_lammps(lamplighter: Lamplighter, tmp_path: Path) -> None:
    import json
    import zipfile

    serial, compiled, symmetrix = (tmp_path / name for name in ("serial.pt", "a.nequip.pt2", "a.json"))
    texts = {"version": "0.13.0", "chemical_symbols_to_index": "C H O", "cutoff": "5.0", "dtype": "single"}
    with zipfile.ZipFile(serial, "w") as file:
        for name in ("data.pkl", "constants.pkl", "code/__torch__/sevenn/nn/sequential.py"):
            file.writestr(f"serial/{name}", "")
        for name, text in texts.items():
            file.writestr(f"serial/extra/{name}", text)
    labels = {"nequip_aoti_inputs": "pos edge_index atom_types", "type_names": "H C O", "r_max": "4.0"}
    with zipfile.ZipFile(compiled, "w") as file:
        file.writestr("model/data/aotinductor/model/metadata.json", json.dumps({**labels, "model_dtype": "float64"}))
    symmetrix.write_text(json.dumps({"atomic_numbers": [1, 8], "r_cut": 6.0, "atomic_energies": [-13.6, -2042.0]}))
    code, out, _ = lamplighter("models", serial, compiled, symmetrix)
    first, second, third = (said(part) for part in out.split("\n\n"))
    assert code == 0
    assert first["framework"] == "SevenNet, for LAMMPS' pair_style e3gnn"
    assert (first["elements"], first["cutoff"], first["precision"]) == ("C H O", "5 Å", "float32")
    assert second["framework"] == "Allegro, for LAMMPS' pair_style allegro"
    assert (second["elements"], second["cutoff"], second["precision"]) == ("H C O", "4 Å", "float64")
    assert third["framework"] == "MACE, for LAMMPS' pair_style symmetrix/mace"
    assert third["atomic energies"] == "H -13.6, O -2042 (eV)"
    assert all("via: own" in each["needs"] for each in (first, second, third))


def test_an_ml_iap_file_of_nequip_says_what_is_inside(lamplighter: Lamplighter, small_models, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    require("nequip")
    import torch
    from nequip.integrations.lammps_mliap.lmp_mliap_wrapper import NequIPLAMMPSMLIAPWrapper

    package, packed = small_models.build_nequip(tmp_path / "a.nequip.zip"), tmp_path / "a.nequip.lmp.pt"
    before = torch.get_default_dtype()
    torch.save(NequIPLAMMPSMLIAPWrapper(str(package), model_key="sole_model", compile=False), packed)
    torch.set_default_dtype(before)
    code, out, _ = lamplighter("models", package, packed)
    outside, inside = (said(part) for part in out.split("\n\n"))
    assert code == 0
    assert inside["framework"] == "NequIP, ML-IAP object of a package"
    assert inside["sha256"] != outside["sha256"]
    for label in ("version", "elements", "cutoff", "layers", "precision", "atomic energies", "exchanges"):
        assert inside[label] == outside[label]


def test_files_that_are_no_models(lamplighter: Lamplighter, tmp_path: Path) -> None:
    import zipfile

    import torch

    text, other = tmp_path / "notes.txt", tmp_path / "other.pt"
    text.write_text("not a model\n" * 20)
    torch.save(torch.nn.Linear(2, 2), other)
    half, calculator, of_torch = (tmp_path / name for name in ("half.pb", "half.yaml", "deepmd.pth"))
    frozen = (MODELS.parent / "deepmd" / "models" / "ec_emc_dp_0.pb").read_bytes()
    half.write_bytes(frozen[: len(frozen) // 2])
    calculator.write_text("calculator: ase.calculators.emt:EMT\noptions: {a: ")
    with zipfile.ZipFile(of_torch, "w") as file:
        for name in ("data.pkl", "constants.pkl", "code/__torch__/deepmd/pt/model/model/ener_model.py"):
            file.writestr(f"deepmd/{name}", "")
    code, _, error = lamplighter("models", text, other, half, calculator, of_torch, tmp_path / "missing.model")
    assert code == 1
    assert "notes.txt is not a torch file" in error
    assert "other.pt is a torch file of no framework that is known here" in error
    assert "missing.model does not exist" in error
    assert "half.pb is no frozen model of DeePMD-kit's TensorFlow backend: `dp freeze -o MODEL.pb` writes one" in error
    assert "half.yaml does not name an ASE calculator: expected YAML such as" in error
    assert "deepmd.pth is a model of DeePMD-kit's PyTorch backend" in error


@pytest.mark.parametrize("name", ["nequip/nequip_0.nequip.zip", "gap/gap_0.xml", "../../models/ec_emc_0.model"])
def test_half_a_file_is_named_as_such(lamplighter: Lamplighter, tmp_path: Path, name: str) -> None:
    whole = MODELS.parent / "frameworks" / "models" / name
    half = tmp_path / whole.name
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    code, _, error = lamplighter("models", half)
    assert code == 1
    assert f"{half} is truncated" in error or f"{half} cannot be read as the XML file of a GAP" in error


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


def test_a_sevennet_checkpoint_of_several_modalities(lamplighter: Lamplighter, small_models) -> None:  # type: ignore[no-untyped-def]
    require("sevenn")
    path = small_models.sevennet_checkpoint("SevenNet_MF_0")
    code, out, _ = lamplighter("models", path)
    found = said(out)
    assert code == 0
    assert found["heads"] == "R2SCAN, PBE (a run has to name one: `head NAME`)"
    assert "atomic energies" not in found


def test_a_nequip_package_and_an_allegro_package(lamplighter: Lamplighter, small_models, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    require("nequip")
    require("allegro")
    import nequip

    from lamplighter.potentials.nequip import read_network

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
    for path, found in ((graph, first), (local, second)):
        assert found["parameters"] == str(sum(each.numel() for each in read_network(path).parameters()))
    assert first["exchanges"].startswith("yes")
    assert second["exchanges"].startswith("none")


def test_a_package_of_several_networks_lists_them(lamplighter: Lamplighter, small_models, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    require("nequip")
    path = small_models.build_nequip(tmp_path / "two.nequip.zip", names=("pbe", "r2scan"))
    code, out, _ = lamplighter("models", path)
    found = said(out)
    assert code == 0
    assert found["heads"] == "pbe, r2scan (a run has to name one: `head NAME`)"
    assert (found["elements"], found["cutoff"], found["layers"]) == ("H C O", "4 Å", "3")


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


class Program:
    """Unpickled, it writes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):  # type: ignore[no-untyped-def]
        return Path.touch, (self.mark,)


def test_describing_a_package_runs_nothing_in_its_pickle(lamplighter: Lamplighter, tmp_path: Path) -> None:
    import pickle
    import zipfile

    path, mark = tmp_path / "liquid.nequip.zip", tmp_path / "it ran"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("liquid/model/package_metadata.txt", "atom_types: {0: H}\nversions: {nequip: 0.19.1}\n")
        file.writestr("liquid/model/config.yaml", "model: {model_dtype: float64, r_max: 4.0}\n")
        file.writestr("liquid/model/eager_model.pkl", pickle.dumps(Program(mark)))
    code, out, _ = lamplighter("models", path)
    assert code == 0
    assert said(out)["elements"] == "H"
    assert not mark.exists()
    pickle.loads(pickle.dumps(Program(mark)))
    assert mark.exists()


def test_a_run_file_stands_for_the_models_that_it_names(lamplighter: Lamplighter, tmp_path: Path) -> None:
    (tmp_path / "xtb.yaml").write_text("calculator: tblite.ase:TBLite\noptions: {method: GFN1-xTB}\n")
    run_file = "structure: a.xyz\npotential: {POTENTIAL}\nstages: [{type: minimise}]\n"
    (tmp_path / "run.yaml").write_text(run_file.replace("POTENTIAL", "models: xtb.yaml"))
    code, out, err = lamplighter("models", "run.yaml")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == str(tmp_path / "xtb.yaml")
    (tmp_path / "lines.yaml").write_text(run_file.replace("POTENTIAL", "lammps: pair_style zero 5"))
    assert "whose potential names no model files" in lamplighter("models", "lines.yaml")[2]


WITHOUT_TORCH = """
import sys
class Without:
    def find_spec(self, name, *_):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
sys.meta_path.insert(0, Without())
from lamplighter.cli import main
main()
"""


def test_an_environment_without_torch(run: Run, python: Path) -> None:
    """As of DeePMD alone: what needs no torch works, and what does says so."""
    deepmd = MODELS.parent / "deepmd" / "models" / "ec_emc_dp_0.pb"
    done = run([python, "-c", WITHOUT_TORCH, "models", deepmd])
    assert "DeePMD, frozen TensorFlow graph" in done.stdout
    assert done.returncode == 0
    done = run([python, "-c", WITHOUT_TORCH, "models", MODELS / "ec_emc_0.model"])
    assert done.stderr == "Error: this needs torch, which is not installed: pip install torch\n"
    assert done.returncode == 1
