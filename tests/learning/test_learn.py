"""The loop, with real trainings, runs and labels of small clusters: one generation, killed, gone on with, extended."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
import yaml
from dscribe.descriptors import SOAP
from quippy.potential import Potential
from tests.tiny_mace import TINY

import lamplighter as ll
from lamplighter.errors import LamplighterError
from lamplighter.json_text import json_text, plain
from lamplighter.learning.generation import read_record
from lamplighter.learning.generations import generation_of
from lamplighter.learning.starts import starts_of
from lamplighter.learning.study import load_study
from lamplighter.structures.labelled_frames import read_labelled

EXAMPLE = Path(__file__).parents[2] / "examples" / "ec_emc"
PROGRAM = Path(sys.prefix) / "bin" / "lamplighter"


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Models of some hundred numbers, two epochs, on the smallest clusters of the example; runs of 20 fs of two."""
    frames = ase.io.read(EXAMPLE / "data" / "xtb_train.xyz", ":")
    small = sorted(frames[3:], key=len)[:16]
    ase.io.write(tmp_path / "clusters.xyz", [*frames[:3], *small[:12]])
    ase.io.write(tmp_path / "held_out.xyz", small[12:])
    for name, atoms in {"a": small[2], "b": small[8]}.items():
        ase.io.write(tmp_path / f"{name}.xyz", ase.Atoms(atoms.numbers, atoms.positions), format="extxyz")
    content: dict[str, Any] = {
        "training": {
            "trainer": "mace",
            "data": {"train": {"clusters": "clusters.xyz"}, "validation": 0.25, "test": {"held_out": "held_out.xyz"}},
            "seeds": [1, 2],
            "length": 2,
            "settings": TINY,
        },
        "labeller": "gfn2",
        "exploration": {
            "run": {
                "committee": 5,
                "guard": {"bond_ratio": 2.0},
                "output": {"trajectory": "5 steps", "thermo": "5 steps"},
                "stages": [{"type": "nvt", "length": "40 steps", "temperature": "300 K"}],
            },
            "starts": ["a.xyz", "b.xyz"],
        },
        "stop": 1,
        "selection": {"above": {"error": "20 eV/A"}},
        "evaluation": {"along": 2},
    }
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(content))
    return tmp_path / "study.yaml"


def changed(file: Path, **changes: Any) -> Path:
    content = yaml.safe_load(file.read_text()) | changes
    file.write_text(yaml.safe_dump(content))
    return file


def fitted_in_one_step(file: Path) -> dict[str, Any]:
    """Keys of a study of one GAP, whose frames are selected at random: each part of it is the same to the last bit."""
    content = yaml.safe_load(file.read_text())
    pairs = "distance_Nb order=2 cutoff=3.0 n_sparse=5 covariance_type=ard_se delta=1.0 theta_uniform=0.7"
    pairs += " sparse_method=uniform compact_clusters=T add_species=T"
    gap = {"gap": f"{{{pairs}}}", "default_sigma": "{0.002 0.1 0.05 0}", "sparse_jitter": 1e-8}
    training = {**content["training"], "trainer": "gap", "length": None, "settings": gap, "seeds": [1]}
    run = {key: value for key, value in content["exploration"]["run"].items() if key != "committee"}
    exploration = {**content["exploration"], "run": run}
    return {"training": training, "exploration": exploration, "selection": {"by": "random"}}


def kill_when(file: Path, mark: Path) -> None:
    """Start the command, and kill it, and it alone, once a file is there."""
    process = subprocess.Popen([PROGRAM, "learn", file], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        while not mark.exists():
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


@pytest.mark.thorough
@pytest.mark.timeout(900)
def test_a_generation_that_was_killed_goes_on_and_the_next_one_is_trained_on_what_it_found(study: Path) -> None:
    folder = study.parent / "study"
    first = folder / "generation_0"
    cost = json.loads(subprocess.run([PROGRAM, "learn", study, "--dry-run", "--json"], capture_output=True).stdout)
    assert (cost["models"], cost["runs"], cost["steps"], cost["labels"]) == (2, 2, 40, 4)
    assert not folder.exists()
    kill_when(study, first / "training" / "models" / "training_1.json")  # the second model is to be trained
    kill_when(study, first / "exploration.yaml")  # runs are to be started
    answer = ll.learn(study, progress=False)
    result, last = answer.generations
    assert (first / "training" / "member_1" / "training.log").read_text().count("VERIFYING SETTINGS") == 1
    assert result.frames == {"clusters": 12}
    assert {each.name for each in result.runs} == {"a_seed1", "b_seed2"}
    assert (result.added, result.errors["along"].frames) == (2, 2)
    assert not last.explored
    assert last.frames == {"clusters": 12, "explored": 2}
    assert (
        len(ase.io.read(last.folder / "training" / "member_2" / "train.xyz", ":")) == 3 + 9 + 2
    )  # a quarter validates
    # frames are those of the runs, and labels those of the reference, by the names that the data have
    added = read_labelled(first / "added.xyz")
    assert added.keys == read_labelled(study.with_name("clusters.xyz")).keys
    ll.label(first / "added.xyz", "gfn2", study.with_name("again.xyz"), prefix="REF_", progress=False)
    again = read_labelled(study.with_name("again.xyz"), "REF_energy")
    assert [each.energy for each in again.labels] == pytest.approx([each.energy for each in added.labels], abs=1e-6)
    chosen = json.loads((first / "selection.json").read_text())["chosen"]
    for each in (entry for entry in chosen if entry["use"] == "add"):
        table = ll.open_run(first / "exploration" / each["run"]).committee
        known = dict(zip(table["step"], table["variance_max_eV2_A2"], strict=True))
        assert known[each["step"]] == pytest.approx(each["uncertainty"])
        assert each["uncertainty"] > result.above or known[each["step"]] == max(known.values())
    threshold = json.loads((first / "threshold.json").read_text())
    assert result.force_scales["along"].spread > 0.0
    assert result.above == pytest.approx(400.0 / threshold["squared_error_over_variance"])
    assert {each.name for each in folder.iterdir()} >= {"learning.png", "learning_errors.csv", "learning_runs.csv"}
    with pytest.raises(LamplighterError, match=r"selection\.above\.error: was 20 eV/A, is None"):
        ll.learn(changed(study, selection={"above": 0.7}), progress=False)


@pytest.mark.thorough
@pytest.mark.timeout(900)
def test_more_generations_go_on_with_what_is_there_by_fits_in_one_step(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "dscribe.descriptors", None)  # what is lacking is said, and added later
    first = ll.learn(changed(study, **fitted_in_one_step(study)), progress=False)
    assert [each.explored for each in first.generations] == [True, False]
    assert not first.generations[0].environments
    assert sum("pip install 'lamplighter[analysis]'" in note for note in first.notes) == 1
    was = study.parent
    study = was.rename(was.with_name("moved")) / study.name  # with all that it names
    folder = study.parent / "study"
    kept = (folder / "generation_0" / "force_scales.json").stat()
    monkeypatch.undo()
    more = ll.learn(changed(study, stop=2, evaluation={"along": 2, "bonds": "held_out.xyz"}), progress=False)
    assert [each.explored for each in more.generations] == [True, True, False]
    before, begun = first.generations[0], more.generations[0]
    told = json_text(before).replace(f"{was}/", f"{study.parent}/")
    assert json_text(replace(begun, environments=[], bonds=before.bonds)) == told
    assert [each.relative_to(folder) for each in more.generations[1].models] == [
        each.relative_to(was / "study") for each in first.generations[1].models
    ]
    added = [each.added for each in more.generations[:2]]  # a start that was drawn before is not taken again
    assert more.generations[2].frames == {"clusters": 12, "explored": sum(added)}
    assert begun.above is None
    page = (folder / "learning.html").read_text()
    assert page.count('figure class="viewer"') == sum(added)
    assert len(list(folder.glob("generation_*/report.html"))) == 2
    assert all(f"{symbol}: environments in the plane" in page for symbol in "HCO")

    require_environments(folder, begun)
    require_force_scales_and_shifts(begun)
    assert (folder / "generation_0" / "force_scales.json").stat().st_mtime_ns == kept.st_mtime_ns
    assert {each.name for each in begun.bonds} >= {"C4–H1", "C3–O1"}
    for one, other in zip(begun.bonds, before.bonds, strict=True):  # another reference asks for nothing else anew
        assert (one.name, one.mean) == (other.name, other.mean)
        assert abs(other.shift) < 0.1  # clusters that vibrate for 20 fs
    assert begun.bonds[0].reference_mean != before.bonds[0].reference_mean
    assert "bond lengths are held against held_out.xyz" in more.notes
    assert "there is one model a generation: errors and force scales have no spread over models" in more.notes

    given = str(begun.models[0])  # the same model, not trained here, explores the same: its start and seed are those
    changed(study, first=[given], stop=1)
    by_given = ll.learn(study, study.with_name("given"), progress=False)
    explored, trained = by_given.generations
    assert (explored.models, explored.frames, explored.wall_s) == ([Path(given)], {}, 0.0)
    assert json_text(explored.errors["along"]) == json_text(begun.errors["along"])
    assert explored.errors["held_out"].forces.mean == pytest.approx(begun.errors["held_out"].forces.mean)
    assert trained.frames == more.generations[1].frames
    assert any("generation 0 was not trained here" in note for note in by_given.notes)


@pytest.mark.thorough
def test_a_run_that_broke_gives_the_frames_of_what_it_reached_and_is_not_gone_on_from(study: Path) -> None:
    content = fitted_in_one_step(study)
    stage = {"type": "nvt", "length": "20 steps", "temperature": "300 K"}
    content["exploration"]["run"] |= {"guard": {"bond_ratio": 1.2}, "stages": [stage, stage]}
    content["exploration"]["starts"] = {"files": ["a.xyz", "b.xyz"], "go_on": True}
    content["selection"] = {"by": "interval", "every": "5 steps", "distinct": "0.001 A"}
    content["labeller"] = {"method": "ase.calculators.emt:EMT", "same_as_data": False}  # which opens at once
    found = ll.learn(changed(study, **content, evaluation={"along": 0}), trust=True, progress=False)
    generation, read = found.generations[0], load_study(study)
    assert {each.name: each.failed for each in generation.runs} == {"a_seed1": False, "b_seed2": True}
    taken = [(each["run"], each["step"]) for each in read_record(generation_of(read, 0).selection)["chosen"]]
    assert [step for run, step in taken if run == "a_seed1"] == [20, 25, 30, 35, 40]
    assert [step for run, step in taken if run == "b_seed2"] == [0, 5, 10, 15]
    assert any(note.startswith("b_seed2: its last stage has no frame") for note in generation.notes)
    said: list[str] = []
    begun = starts_of(read, generation_of(read, 1), generation_of(read, 0), said.append)
    assert begun["a"]["file"] == str(generation_of(read, 0).last_of("a"))
    assert begun["b"]["file"] == str(study.parent / "b.xyz")
    assert [each.partition(":")[0] for each in said] == ["b"]


def require_environments(folder: Path, result: Any) -> None:
    """Flagged shares by descriptors of dscribe and singular values of numpy, against what the study says."""
    training = [atoms for atoms in ase.io.read(folder / "first_training_set.xyz", ":") if len(atoms) > 1]
    frames = {"selected": ase.io.read(result.folder / "added.xyz", ":"),
              "along": ase.io.read(result.folder / "along.xyz", ":")}  # fmt: skip
    soap = SOAP(species=["H", "C", "O"], r_cut=5.0, n_max=8, l_max=6, sigma=0.375, periodic=False)
    assert len(training) == 9  # a quarter of twelve validates
    for symbol in "HCO":
        known, *others = (
            np.concatenate([soap.create(a, centers=np.flatnonzero(a.symbols == symbol)) for a in some])
            for some in (training, *frames.values())
        )
        middle = known.mean(axis=0)
        _, _, axes = np.linalg.svd(known - middle, full_matrices=False)

        def residuals(x: np.ndarray, middle: np.ndarray = middle, axes: np.ndarray = axes[:5]) -> np.ndarray:
            return (((x - middle) - (x - middle) @ axes.T @ axes) ** 2).sum(axis=1)

        limit = residuals(known).mean() + 2.0 * residuals(known).std()
        for name, x in zip(frames, others, strict=True):
            (found,) = [e for e in result.environments if (e.set, e.element) == (name, symbol)]
            assert (found.atoms, found.flagged) == (len(x), pytest.approx((residuals(x) > limit).mean()))
            assert (found.mean, found.threshold) == pytest.approx((residuals(x).mean(), limit), rel=1e-5)


def require_force_scales_and_shifts(result: Any) -> None:
    """The slope by least squares, and the mean error of energies, of what QUIP says of the frames along the runs."""
    given = read_labelled(result.folder / "along.xyz")
    potential = Potential(param_filename=str(result.models[0]))
    said = np.concatenate([potential.get_forces(atoms) for atoms in given.frames]).reshape(-1, 1)
    right = np.concatenate([each.forces for each in given.labels]).reshape(-1, 1)
    assert set(result.force_scales) == {"held_out", "selected", "along"}
    slope = np.linalg.lstsq(right, said, rcond=None)[0].item()
    assert result.force_scales["along"].mean == pytest.approx(slope, rel=1e-4)
    energies = [potential.get_potential_energy(atoms) / len(atoms) for atoms in given.frames]
    labelled = [each.energy / len(atoms) for each, atoms in zip(given.labels, given.frames, strict=True)]
    shift = 1e3 * np.mean(np.subtract(energies, labelled))
    assert result.errors["along"].energy_shift.mean == pytest.approx(shift, rel=1e-3)


@pytest.mark.thorough
def test_a_labeller_that_says_something_else_than_the_data_is_refused(study: Path) -> None:
    with pytest.raises(LamplighterError, match=r"gfn1 and the training data do not say the same of .*meV/atom"):
        ll.learn(changed(study, labeller="gfn1"), progress=False)


def test_starts_with_an_element_that_no_training_frame_has_are_refused(study: Path) -> None:
    study.with_name("a.xyz").write_text("2\n\nH 0 0 0\nF 0 0 0.9\n")
    with pytest.raises(LamplighterError, match=r"starts\.a: .* has F, and no training frame does"):
        ll.learn(study, progress=False)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_twenty_random_kills_change_nothing_in_the_result(study: Path) -> None:
    """The command alone is killed, or with it all that it has started; what is left of a run goes on or is awaited."""
    changed(study, **fitted_in_one_step(study), stop=2)
    whole = ll.learn(study, study.with_name("whole"), progress=False)
    random, kills = np.random.default_rng(5), 0
    while kills < 20:
        words = [PROGRAM, "learn", study, "--output", study.with_name("killed")]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(timeout=float(random.uniform(1.0, 9.0)))
            break  # it was done before
        except subprocess.TimeoutExpired:
            started = descendants(process.pid) if random.integers(2) else []
            for each in (process.pid, *started):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(each, signal.SIGKILL)
            process.wait()
            kills += 1
    killed = ll.learn(study, study.with_name("killed"), progress=False)
    print(f"{kills} kills")
    assert kills >= 10
    for one, other in zip(whole.generations, killed.generations, strict=True):
        assert what_was_found(one) == what_was_found(other)
        frames = [ase.io.read(each.folder / "added.xyz", ":") for each in (one, other) if each.explored]
        assert all((a.positions == b.positions).all() for a, b in zip(*frames, strict=True)) if frames else True


def descendants(pid: int) -> list[int]:
    """Processes that a process has started, and theirs."""
    found = [int(line) for line in subprocess.run(["pgrep", "-P", str(pid)], capture_output=True).stdout.split()]
    return [*found, *(other for each in found for other in descendants(each))]


def what_was_found(result: Any) -> str:
    """All but folders and times."""
    return json_text({**plain(result), "folder": "", "models": [], "wall_s": 0})
