"""No command opens a file that would run its own code, unless it is trusted; and the process stays as it was."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from tests.conftest import PROGRAMS, Run

from lamplighter.cache import cache_folders
from lamplighter.errors import LamplighterError
from lamplighter.model_files import mace_package, trust
from lamplighter.model_files.describe import describe
from lamplighter.model_files.examination import code_in
from lamplighter.model_files.pickle_shells import names_with_places
from lamplighter.observables.predictions import load_predictions
from lamplighter.structures.atoms_file import read_atoms
from lamplighter.structures.labelled_frames import read_frames

EXAMPLE = Path(__file__).parents[2] / "examples" / "ec_emc"
HONEST = EXAMPLE / "models" / "ec_emc_0.model"


class Command:
    """Pickles as a call of `os.system`."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (self.command,)


@pytest.fixture(scope="module")
def forged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A MACE model with one more attribute, which creates the file `ran` beside it."""
    path = tmp_path_factory.mktemp("forged") / "forged.model"
    mace_package.load()
    network = torch.load(HONEST, weights_only=False, map_location="cpu")
    network.interactions[0].attack = Command(f"touch {path.with_name('ran')}")
    torch.save(network, path)
    return path


@pytest.mark.parametrize("command", ["run", "compile", "errors", "scan"])
def test_a_model_with_a_command_in_it_is_refused_by_every_command(command: str, forged: Path, run: Run) -> None:
    folder = forged.parent
    (folder / "run.yaml").write_text(
        yaml.safe_dump(
            {
                "structure": str(EXAMPLE / "structures" / "ec_emc_160.xyz"),
                "potential": {"models": ["forged.model"], "engine": "bridge"},
                "stages": [{"type": "minimise", "max_steps": 1}],
                "output": {"folder": "made"},
            }
        )
    )
    frames = EXAMPLE / "structures" / "ec_emc_160.xyz"
    words: list[str | Path] = {
        "run": ["run.yaml"],
        "compile": ["forged.model", "-o", "made.lamp"],
        "errors": [EXAMPLE / "data" / "xtb_test.xyz", "--model", "forged.model"],
        "scan": [frames, "--density", "0.3,0.5,0.9", "--model", "forged.model"],
    }[command]
    done = run([PROGRAMS / "lamplighter", command, *words], cwd=folder)
    said = done.stdout + done.stderr
    assert not (folder / "ran").exists()
    assert "it asks for posix.system, in its attribute interactions.0.attack" in said
    assert done.returncode == 1
    assert "lamplighter trust" in said
    assert not (folder / "made").exists()
    assert not (folder / "made.lamp").exists()


@pytest.mark.mpi
def test_a_script_is_refused_once_on_all_ranks(forged: Path, mpirun: Run) -> None:
    (forged.parent / "in.lmp").write_text(
        "units metal\nregion b block 0 9 0 9 0 9\ncreate_box 1 b\nmass * 1\n"
        "pair_style lamplighter\npair_coeff * * forged.model H\nprint 'got here'\n"
    )
    done = mpirun(2, [PROGRAMS / "lamplighter", "lmp", "-in", "in.lmp", "-log", "none"], cwd=forged.parent)
    assert done.returncode != 0
    assert done.stderr.count("it asks for posix.system") == 1
    assert "got here" not in done.stdout
    assert not (forged.parent / "ran").exists()


def test_it_is_described_without_running_anything(forged: Path) -> None:
    (note,) = describe(forged).notes
    assert "it asks for posix.system, in its attribute interactions.0.attack" in note
    trust.add([forged])
    try:
        assert describe(forged).elements == [], "a description runs nothing, however far the file is trusted"
    finally:
        trust.remove([str(forged)])
    assert not (forged.parent / "ran").exists()


def test_what_is_trusted_runs_and_what_it_compiles_to_is_numbers(forged: Path, run: Run) -> None:
    done = run([PROGRAMS / "lamplighter", "compile", "forged.model", "--trust"], cwd=forged.parent)
    assert done.returncode == 0, done.stderr
    assert (forged.parent / "ran").exists(), "the attack itself must work, or the tests above show nothing"
    (forged.parent / "ran").unlink()
    assert code_in(forged.with_suffix(".lamp")) == ""
    assert trust.sha256(forged) in trust.trusted_files()


@pytest.mark.thorough
def test_importing_mace_leaves_torch_as_restricted_as_it_was(tmp_path: Path, model_file: Path) -> None:
    attack = tmp_path / "attack.pt"
    torch.save(Command(f"touch {tmp_path / 'ran'}"), attack)
    code = (
        "import os, torch\nfrom lamplighter.model_files.loading import load_torch\n"
        f"load_torch({str(model_file)!r})\nimport lamplighter.potentials.mace\n"
        "assert 'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD' not in os.environ\n"
        f"try:\n    torch.load({str(attack)!r})\nexcept Exception as problem:\n    print(type(problem).__name__)\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != mace_package.VARIABLE}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=200)
    assert done.stdout.split() == ["UnpicklingError"], done.stderr
    assert not (tmp_path / "ran").exists()


def test_the_place_of_a_name_is_told_from_pickles_of_every_protocol(tmp_path: Path) -> None:
    for protocol in (2, 4):
        path = tmp_path / f"{protocol}.pt"
        torch.save({"a": [torch.zeros(1)], "b": {"c": Command("true")}}, path, pickle_protocol=protocol)
        assert names_with_places(path)["posix.system"] == "b.c"
        assert code_in(path) == "it asks for posix.system, in its attribute b.c"


@pytest.mark.parametrize("model", sorted((EXAMPLE / "models").glob("*.model"))[:1])
def test_the_examples_models_ask_for_nothing(model: Path) -> None:
    assert code_in(model) == ""


def test_a_graph_of_deepmd_that_writes_files_is_a_program(tmp_path: Path) -> None:
    graph = EXAMPLE / "deepmd" / "models" / "ec_emc_dp_1.pb"
    assert code_in(graph) == ""
    node = b"\x0a\x01x\x12\x09WriteFile"  # a node of name x and operator WriteFile
    forged = tmp_path / "forged.pb"
    forged.write_bytes(graph.read_bytes() + b"\x0a" + bytes([len(node)]) + node)
    assert "WriteFile" in code_in(forged)


def test_a_cache_that_others_may_write_is_closed_or_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A compiled model that somebody else put there would give somebody else's numbers."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    ours = tmp_path / "lamplighter" / "models"
    ours.mkdir(parents=True)
    ours.chmod(0o777)
    assert cache_folders("models")[0] == ours
    assert ours.stat().st_mode & 0o022 == 0
    monkeypatch.setattr(os, "getuid", lambda: 12345)  # nobody's folder but another's
    assert ours not in cache_folders("models")


@pytest.mark.parametrize("ending", ["traj", "trj", "pckl", "pickle", "bundle", "json", "db", "npz", "npy", "py", "xyz"])
def test_structures_and_trajectories_are_never_unpickled_or_run(ending: str, tmp_path: Path) -> None:
    attack = pickle.dumps({"pbc": True, "numbers": Command(f"touch {tmp_path / 'ran'}")})
    source = f"import os; os.system('touch {tmp_path / 'ran'}')\n".encode()
    for number, content in enumerate((attack, b"PickleTrajectory" + attack, source)):
        path = tmp_path / f"{number}.{ending}"
        path.write_bytes(content)
        with pytest.raises(LamplighterError):
            read_atoms(path, None, 0)
        with pytest.raises(LamplighterError):
            read_frames(path)
    objects = tmp_path / "objects.npz"
    np.savez(objects, frames=np.array([Command(f"touch {tmp_path / 'ran'}")], dtype=object))
    with pytest.raises(LamplighterError):
        load_predictions(objects, [])
    assert not (tmp_path / "ran").exists()
