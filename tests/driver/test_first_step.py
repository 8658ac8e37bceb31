"""What is not used is not imported before the first step, and other packages say nothing on the terminal."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml
from tests.conftest import PROGRAMS, Run

pytest.importorskip("mace")

EXAMPLE = Path(__file__).parents[2] / "examples" / "ec_emc"
UNUSED = ("torch", "mace", "e3nn", "matplotlib", "pandas", "MDAnalysis")

# every command that LAMMPS gets comes through here; the last one of a stage makes its steps
WATCH = """
import sys
import lamplighter
from lamplighter.driver import session

command, found = session.Session.command, set()
def watched(self, line):
    command(self, line)
    found.update(name for name in {unused!r} if name in sys.modules)
session.Session.command = watched
for run, output in {runs!r}.items():
    lamplighter.run(run, output=output, progress=False)
    print("imported:", *sorted(found))
"""


def run_file(folder: Path, name: str, potential: dict) -> str:
    content = {
        "structure": str(EXAMPLE / "structures" / "ec_emc_160.xyz"),
        "potential": potential,
        "velocities": "300 K",
        "stages": [{"type": "nvt", "temperature": "300 K", "length": "2 steps"}],
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


def loader_and_precision(folder: Path) -> tuple[str, str]:
    """What provenance.json says of how the model file was read, and in which precision it ran."""
    (model,) = json.loads((folder / "provenance.json").read_text())["models"]
    return model["loader"], model["precision"]


def test_a_model_that_was_compiled_before_needs_neither_torch_nor_mace(run: Run, tmp_path: Path) -> None:
    model = {"models": [str(EXAMPLE / "models" / "ec_emc_1.model")]}
    path = run_file(tmp_path, "double", model)
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(tmp_path)}
    first = run([PROGRAMS / "lamplighter", "run", path, "-o", tmp_path / "first"], env=env)
    assert first.returncode == 0, first.stderr
    assert loader_and_precision(tmp_path / "first") == ("weights_only", "float64")
    for noise in ("cuequivariance", "Warning", "_Jd"):  # of packages that compiled the model
        assert noise not in first.stdout + first.stderr
    single = run_file(tmp_path, "single", {**model, "dtype": "float32"})
    runs = {path: str(tmp_path / "second"), single: str(tmp_path / "third")}
    again = run([sys.executable, "-c", WATCH.format(unused=UNUSED, runs=runs)], env=env)
    assert again.stdout.splitlines()[0] == "imported:", again.stderr  # after the first run its figure is drawn
    assert (tmp_path / "second" / "thermo.csv").read_text() == (tmp_path / "first" / "thermo.csv").read_text()
    assert loader_and_precision(tmp_path / "second") == ("native engine, from its compiled form", "float64")
    assert loader_and_precision(tmp_path / "third") == ("native engine, from its compiled form", "float32")
    through = {run_file(tmp_path, "bridge", {**model, "engine": "bridge"}): str(tmp_path / "fourth")}
    bridge = run([sys.executable, "-c", WATCH.format(unused=UNUSED, runs=through)])
    assert "mace" in bridge.stdout.splitlines()[-1], "the watch must see what is imported, or it shows nothing"
    for noise in ("cuequivariance", "Warning", "_Jd"):
        assert noise not in bridge.stdout + bridge.stderr


@pytest.mark.parametrize(
    ("lines", "needed"),
    [
        ("pair_style lamplighter\npair_coeff * * m.lamp H C O\n", False),
        ("pair_style lj/cut 8.5\npair_coeff * * 1 1\n", False),
        ("pair_style lamplighter\npair_coeff * * m.model H C O\n", True),
        ("pair_style lamplighter\npair_coeff * * ${model} H C O\n", True),
        ("include in.potential\n", True),
    ],
)
def test_torch_is_loaded_before_lammps_where_a_script_may_need_it(tmp_path: Path, lines: str, needed: bool) -> None:
    from lamplighter.driver.torch_need import script_needs_torch

    (tmp_path / "in.lmp").write_text(lines)
    assert script_needs_torch(tmp_path / "in.lmp") == needed
