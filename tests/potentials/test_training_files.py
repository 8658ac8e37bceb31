"""What training leaves beside a model is told apart from it, and the message names the file to use in its place."""

from __future__ import annotations

import importlib.util
import zipfile
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import PROGRAMS, Run

from conftest import build_mace
from lamplighter.errors import ModelError
from lamplighter.model_files import mace_package, training_files
from lamplighter.model_files.describe import describe

EXAMPLE = Path(__file__).parents[2] / "examples" / "ec_emc"


def told(path: Path, *, for_own_lammps: bool = False) -> str:
    with pytest.raises(ModelError) as refusal:
        training_files.refuse(path, for_own_lammps)
    assert str(path) in str(refusal.value)
    return str(refusal.value)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as mace_run_train leaves it, written by mace-torch's own functions; and what it makes for LAMMPS."""
    pytest.importorskip("mace")
    mace_package.load()
    import torch
    from e3nn.util import jit
    from mace.calculators.lammps_mace import LAMMPS_MACE
    from mace.tools import CheckpointHandler, CheckpointState

    folder = tmp_path_factory.mktemp("trained")
    build_mace(folder / "water.model", channels=4, hidden_ell=0, interactions=2)
    model = torch.load(folder / "water.model", weights_only=False)
    jit.compile(model).save(folder / "water_compiled.model")
    model.heads = ["Default"]
    jit.compile(LAMMPS_MACE(model)).save(folder / "water.model-lammps.pt")
    optimizer = torch.optim.Adam(model.parameters())
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    handler = CheckpointHandler(directory=str(folder / "checkpoints"), tag="water_run-123", keep=True)
    handler.save(CheckpointState(model, optimizer, scheduler), epochs=4, keep_last=True)
    return folder


def test_files_of_mace(trained: Path) -> None:
    model = trained / "water.model"
    training_files.refuse(model)
    assert f"give {model}" in told(trained / "water_compiled.model")
    (checkpoint,) = (trained / "checkpoints").iterdir()
    assert f"a checkpoint of mace_run_train, numbers without the network that they are of: give {model}" in told(
        checkpoint
    )
    for_lammps = trained / "water.model-lammps.pt"
    assert f"pair_style mace (TorchScript): give {model}" in told(for_lammps)
    training_files.refuse(for_lammps, for_own_lammps=True)
    assert any(f"give {model}" in note for note in describe(for_lammps).notes)


def test_a_model_under_another_name_is_found_beside_it(trained: Path, tmp_path: Path) -> None:
    (checkpoint,) = (trained / "checkpoints").iterdir()
    alone = tmp_path / "best.pt"
    alone.write_bytes(checkpoint.read_bytes())
    assert "give the .model file of the same training; `mace_run_train" in told(alone)
    (tmp_path / "other.model").write_bytes((trained / "water.model").read_bytes())
    assert "beside it: other.model" in told(alone)


def test_every_command_names_the_model(trained: Path, run: Run) -> None:
    (checkpoint,) = (trained / "checkpoints").iterdir()
    (trained / "run.yaml").write_text(
        f"structure: {EXAMPLE / 'structures' / 'ec_emc_160.xyz'}\npotential: {{models: [water_compiled.model]}}\n"
        "stages: [{type: minimise}]\n"
    )
    (trained / "in.lmp").write_text(
        "units metal\nregion b block 0 9 0 9 0 9\ncreate_box 1 b\nmass * 1.008\n"
        "pair_style lamplighter\npair_coeff * * water.model-lammps.pt H\n"
    )
    words: dict[str, list[str | Path]] = {
        "run": ["run.yaml"],
        "lmp": ["-in", "in.lmp", "-log", "none"],
        "compile": [checkpoint],
        "models": ["water_compiled.model"],
    }
    for command, arguments in words.items():
        done = run([PROGRAMS / "lamplighter", command, *arguments], cwd=trained)
        assert done.returncode == 1, command
        assert "water.model" in done.stderr.replace("water.model-lammps.pt", ""), command
        assert "lamplighter trust" not in done.stderr, "nobody is asked to trust a file that is none to run"


def test_files_of_sevennet(tmp_path: Path) -> None:
    if importlib.util.find_spec("sevenn") is None:
        pytest.skip("sevenn is not installed in this environment")
    import sevenn
    from sevenn.scripts.deploy import deploy

    source = next((Path(sevenn.__file__).parent / "pretrained_potentials" / "SevenNet_0__11Jul2024").glob("*.pth"))
    best = tmp_path / "checkpoint_best.pth"
    best.write_bytes(source.read_bytes())
    deploy(str(best), str(tmp_path / "deployed_serial"))
    deployed = tmp_path / "deployed_serial.pt"
    training_files.refuse(best)
    assert f"give {best}" in told(deployed)
    best.unlink()
    assert "give the checkpoint (checkpoint_best.pth) it was deployed from" in told(deployed)


def archive(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as made:
        for name in names:
            made.writestr(f"{path.stem}/{name}", "")
    return path


def test_files_of_nequip_made_for_lammps(tmp_path: Path) -> None:
    deployed = archive(tmp_path / "w.nequip.pth", "data.pkl", "constants.pkl", "code/__torch__/nequip/nn/x.py")
    assert "give the package (.nequip.zip) or checkpoint (.ckpt) of the model" in told(deployed)
    training_files.refuse(deployed, for_own_lammps=True)


def test_files_of_deepmd(tmp_path: Path) -> None:
    frozen = archive(tmp_path / "model.pth", "data.pkl", "constants.pkl", "code/__torch__/deepmd/pt/model.py")
    assert f"`dp convert-backend {frozen} MODEL.pb`" in told(frozen, for_own_lammps=True)
    for name in ("model.ckpt-100.index", "model.ckpt-100.data-00000-of-00001", "model.ckpt-100.meta", "checkpoint"):
        (tmp_path / name).write_bytes(b"\x00\x01")
        assert "dp freeze" in told(tmp_path / name)
    graph = EXAMPLE / "deepmd" / "models" / "ec_emc_dp_1.pb"
    (tmp_path / "graph.pb").write_bytes(graph.read_bytes())
    assert "beside it: graph.pb" in told(tmp_path / "model.ckpt-100.meta")
    training_files.refuse(tmp_path / "graph.pb")
    folder = tmp_path / "model.savedmodel"
    folder.mkdir()
    assert "JAX backend" in told(folder)


def test_sparse_points_of_a_gap(tmp_path: Path) -> None:
    sparse = tmp_path / "gap.xml.sparseX.GAP_2024_1"
    np.savetxt(sparse, np.ones((2, 2)))
    assert "gap.xml, which is not beside them" in told(sparse)
    (tmp_path / "gap.xml").write_text("<GAP/>")
    assert f"give the XML file that they belong to, {tmp_path / 'gap.xml'}" in told(sparse)
