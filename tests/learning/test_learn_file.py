"""Study files: what is refused before anything is trained, and what runs are given."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from lamplighter.errors import ConfigError, LamplighterError
from lamplighter.learning.cost import cost_of
from lamplighter.learning.generation import Generation
from lamplighter.learning.study import load_study

EXAMPLES = Path(__file__).parents[2] / "examples"
GOOD: dict[str, Any] = {
    "training": {
        "trainer": "mace",
        "data": {"train": "train.xyz", "validation": 0.1, "test": {"held_out": "test.xyz"}},
        "seeds": [1, 2],
        "length": 2,
    },
    "labeller": "gfn2",
    "exploration": {
        "run": {
            "committee": 10,
            "output": {"trajectory": "20 steps"},
            "stages": [{"type": "nvt", "length": "1 ps", "temperature": "300 K"}],
        },
        "starts": ["a.xyz", "b.xyz"],
    },
    "stop": 3,
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("a.xyz", "b.xyz"):
        (tmp_path / name).write_text("1\n\nH 0 0 0\n")
    return tmp_path


def changed(path: str, value: Any) -> dict[str, Any]:
    content = copy.deepcopy(GOOD)
    inside = content
    *way, last = path.split(".")
    for key in way:
        inside = inside.setdefault(key, {})
    inside[last] = value
    return content


def test_runs_get_the_models_the_threshold_and_the_guard_of_active_learning() -> None:
    run = load_study(GOOD).run_with([Path("/m/1.model"), Path("/m/2.model")], 0.7)
    assert run["potential"]["models"] == ["/m/1.model", "/m/2.model"]
    assert (run["guard"]["variance"], run["guard"]["bond_ratio"], run["guard"]["density"]) == (0.7, 2.0, [0.2, 1.2])
    assert "structure" not in run
    assert "seed" not in run


def test_a_committee_of_models_whose_files_hold_one_each_is_counted(folder: Path) -> None:
    """DeePMD-kit's, which no file bundles: what stands for models before they are trained is one name a seed."""
    for name in ("train.xyz", "test.xyz"):
        frames = [Atoms("H2", [[0, 0, 0], [0, 0, x]]) for x in (0.7, 0.75, 0.8)]
        for frame in frames:
            frame.calc = SinglePointCalculator(frame, energy=-1.0, forces=np.zeros((2, 3)))
        write(folder / name, frames)
    content = changed("training.trainer", "deepmd")
    content["training"]["settings"] = {}
    counted = cost_of(load_study(content))
    assert (counted.models, counted.frames, counted.steps) == (2, 3, 2000)


def test_runs_of_a_random_selection_do_not_end_because_models_disagree() -> None:
    study = load_study(changed("selection.by", "random"))
    run = study.run_with([Path("/m/1.model"), Path("/m/2.model")], None)
    assert run["guard"]["variance"] is None
    assert run["guard"]["bond_ratio"] == 2.0


def test_paths_of_a_run_file_elsewhere_are_its_own(folder: Path) -> None:
    (folder / "runs").mkdir()
    (folder / "runs" / "explore.yaml").write_text(
        "bonds: {file: bonds.txt}\noutput: {trajectory: 20 steps}\n"
        "stages: [{type: nvt, length: 1 ps, temperature: 300 K}]\n"
    )
    study = load_study(changed("exploration.run", "runs/explore.yaml"))
    assert study.run_with([Path("/m/1.model"), Path("/m/2.model")], 0.5)["bonds"]["file"] == str(
        folder / "runs" / "bonds.txt"
    )


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("training.seeds", [1], "selection by variance needs a committee"),
        ("training.output", "models", "training.output: models go into the folder of the study"),
        ("training.lenght", 3, "unknown key .did you mean 'length'"),
        ("exploration.run.structure", "a.xyz", "structure: is said by exploration.starts"),
        ("exploration.run.potential", {"models": ["m.model"]}, "the models of each generation are put here"),
        ("exploration.run.guard", {"variance": 0.3}, "guard.variance: is said by selection.above"),
        ("exploration.run.guard", 5, "guard: expected a mapping, got 5"),
        ("exploration.run.output.trajectory", "never", "frames are selected from trajectories"),
        (
            "exploration.run.output.trajectory",
            "15 steps",
            "written every 15 steps, and the models. variance is evaluated every 10",
        ),
        ("exploration.run.stages", [{"type": "nvt", "length": "1 ps"}], "temperature"),
        ("exploration.starts", ["a.xyz", "c.xyz"], "c.xyz does not exist"),
        ("exploration.starts", {"files": ["a.xyz"], "recipes": ["r.yaml"]}, "either `recipes`"),
        ("exploration.starts", {"files": ["a.xyz"], "packings": 3}, "packings: is of recipes"),
        ("exploration.starts", ["a.xyz", "c/a.xyz"], "two are called a"),
        ("selection.above", -1.0, "selection.above"),
        ("selection.above", {"error": "1 A"}, "is not a force"),
        ("stop", {"generations": 2, "forces": "0.05 eV/A"}, "stop.forces: needs frames along the runs"),
        ("stop", 0, "generations"),
        ("selection", {"by": "random", "above": 0.5}, "selection.above: is a threshold of variance or extrapolation"),
        ("selection", {"by": "extrapolation", "above": {"error": "1 eV/A"}}, "is of the variance of a committee"),
        ("selection", {"by": "interval"}, "selection.every: is of `by: interval`, and needed there"),
        ("selection", {"every": "50 ps"}, "selection.every: is of `by: interval`"),
        ("begin", "old", "begin"),
        ("evaluation.bonds", "long.xyz", "evaluation.bonds: .*long.xyz does not exist"),
    ],
)
def test_what_cannot_work_is_refused_with_its_key(path: str, value: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_study(changed(path, value))


def test_rules_that_contradict_the_selection_are_refused() -> None:
    content = changed("selection.by", "random") | {"stop": {"generations": 2, "uncertain_share": 0.1}}
    with pytest.raises(ConfigError, match=r"selection\.by is random"):
        load_study(content)


def test_what_a_start_model_explores_first_is_checked() -> None:
    content = changed("selection", {"by": "interval", "every": "40 steps"}) | {"first": "start"}
    with pytest.raises(ConfigError, match=r"first: start: the train file names none"):
        load_study(content)
    content["training"]["start"] = "base.model"
    with pytest.raises(ConfigError, match=r"it is one model, and training\.seeds has 2"):
        load_study(content)
    content["training"]["seeds"] = [1]
    assert load_study(content).given.first == "start"
    content["selection"]["every"] = "30 steps"
    with pytest.raises(ConfigError, match=r"wanted every 30 steps, and frames are written every 20"):
        load_study(content)


def test_models_that_explore_first_are_checked(folder: Path) -> None:
    content = changed("first", ["x.model", "y.model", "z.model"])
    with pytest.raises(ConfigError, match=r"first: .*x\.model does not exist"):
        load_study(content)
    for name in content["first"]:
        (folder / name).touch()
    study = load_study(content)
    assert study.first_models == [folder / name for name in content["first"]]
    with pytest.raises(ConfigError, match=r"first: there are 3, and training\.seeds has 2: give as many"):
        load_study(content | {"begin": "previous"})
    with pytest.raises(ConfigError, match=r"first: selection by variance needs a committee, and there is one model"):
        load_study(content | {"first": ["x.model"]})
    with pytest.raises(ConfigError, match=r"what the models of `first` were trained on is not known"):
        load_study(content | {"selection": {"by": "extrapolation"}})


def test_a_calibrated_threshold_needs_frames_that_no_model_has_seen() -> None:
    content = changed("selection.above", {"error": "1 eV/A"})
    del content["training"]["data"]["test"]
    with pytest.raises(ConfigError, match=r"give training\.data\.test"):
        load_study(content)


def test_runs_for_the_quality_get_one_model_each_and_the_guard_of_stability(folder: Path) -> None:
    (folder / "npt.yaml").write_text(
        "structure: a.xyz\nstages: [{type: npt, length: 1 ps, temperature: 300 K, pressure: 1 bar}]\n"
    )
    truth = (EXAMPLES / "opls_reference" / "500K.json").read_text(encoding="utf-8")
    (folder / "truth.json").write_text(truth)
    content = changed("evaluation.quality", {"runs": "npt.yaml", "reference": "truth.json"})
    study = load_study(content | {"stop": {"generations": 3, "quality": 0.1}})
    run = study.quality_run(0, Path("/m/1.model"))
    assert run["potential"]["models"] == ["/m/1.model"]
    assert run["structure"]["file"] == str(folder / "a.xyz")
    assert run["guard"]["bond_stretch"] == "0.5 A"
    (folder / "truth.json").write_text("{}")  # found out before anything is trained
    with pytest.raises(ConfigError, match=r"evaluation\.quality\.reference: .*truth\.json holds neither a density"):
        load_study(content)
    content["evaluation"]["quality"]["reference"] = "none.json"
    with pytest.raises(ConfigError, match=r"evaluation\.quality\.reference: .*none\.json does not exist"):
        load_study(content)
    (folder / "npt.yaml").write_text("structure: a.xyz\npotential: {models: x.model}\nstages: []\n")
    with pytest.raises(ConfigError, match=r"npt\.yaml\.potential\.models: the models of each generation are put here"):
        load_study(content)
    with pytest.raises(ConfigError, match=r"stop\.quality: needs runs that Q is made from"):
        load_study(GOOD | {"stop": {"generations": 3, "quality": 0.1}})


def test_a_generation_that_an_earlier_version_began_is_known_by_its_files(folder: Path) -> None:
    """Its note has absolute paths, also within keys."""
    generation, study = Generation(0, folder / "generation_0"), load_study(GOOD)
    generation.folder.mkdir()
    noted = {"training.files": [f"{folder}/train.xyz"], f"sha256.{folder}/train.xyz": "1a", "sha256./elsewhere/b": "2b"}
    generation.asked.write_text(json.dumps(noted))
    now = {"training.files": ["train.xyz"], "sha256.train.xyz": "1a", "sha256./elsewhere/b": "2b"}
    generation.begin(now, study.portable)
    with pytest.raises(LamplighterError, match=r"sha256\.train\.xyz: was 1a, is 3c"):
        generation.begin(now | {"sha256.train.xyz": "3c"}, study.portable)
