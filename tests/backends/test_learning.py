"""One generation of active learning with models that programs of other frameworks train."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ase.io
import pytest
import small_models
import yaml
from test_training import EXAMPLE, MODULES, TINY

import lamplighter as ll

LABELLER = "ase.calculators.emt:EMT"  # which opens at once; its numbers for these elements are smooth, and no more
SELECTION: dict[str, dict[str, Any]] = {"nequip": {"by": "extrapolation"}, "deepmd": {"by": "random"}}


def study_of(folder: Path, trainer: str) -> Path:
    """Tiny models, two epochs, on small clusters that a calculator of ASE labels; runs of 20 fs of two of them."""
    frames = ase.io.read(EXAMPLE / "data" / "xtb_train.xyz", ":")
    small = [ase.Atoms(each.numbers, each.positions) for each in sorted(frames[3:], key=len)[:12]]
    ase.io.write(folder / "frames.xyz", small, format="extxyz")
    ll.label(folder / "frames.xyz", LABELLER, folder / "labelled.xyz", prefix="REF_", progress=False)
    labelled = ase.io.read(folder / "labelled.xyz", ":")
    for name, part in {"clusters": labelled[:9], "held_out": labelled[9:]}.items():
        ase.io.write(folder / f"{name}.xyz", part, format="extxyz")
    for name, atoms in {"a": small[2], "b": small[8]}.items():
        ase.io.write(folder / f"{name}.xyz", atoms, format="extxyz")
    run = {
        "guard": {"bond_ratio": 2.0},
        "output": {"trajectory": "20 steps", "thermo": "20 steps"},
        "stages": [{"type": "nvt", "length": "40 steps", "temperature": "300 K"}],
    }
    content = {
        "training": {
            "trainer": trainer,
            "data": {"train": {"clusters": "clusters.xyz"}, "validation": 0.25, "test": {"held_out": "held_out.xyz"}},
            "seeds": [1],
            "length": 2,
            "settings": TINY[trainer],
        },
        "labeller": LABELLER,
        "exploration": {"run": run, "starts": ["a.xyz", "b.xyz"]},
        "selection": SELECTION[trainer],
        "evaluation": {"along": 2},
        "stop": 1,
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(content))
    return folder / "study.yaml"


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("trainer", SELECTION)
def test_a_generation_adds_what_its_runs_found_and_the_next_models_are_trained_on_it(
    tmp_path: Path, trainer: str
) -> None:
    small_models.require(MODULES[trainer])
    first, last = ll.learn(study_of(tmp_path, trainer), trust=True, progress=False).generations
    assert {each.name for each in first.runs} == {"a_seed1", "b_seed2"}
    assert first.added > 0
    assert last.frames == {"clusters": 9, "explored": first.added}
    assert first.errors["along"].frames in (1, 2)  # runs end at the first frame that is not like the training frames
    assert first.models[0].read_bytes() != last.models[0].read_bytes()
    added = ase.io.read(first.folder / "added.xyz", ":")
    assert {str(each.symbols) for each in added} <= {str(ase.io.read(tmp_path / f"{k}.xyz").symbols) for k in "ab"}
