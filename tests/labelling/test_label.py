"""Frames of a file get labels: those of the method, in order, whatever happens on the way."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.io import read

import lamplighter as ll
from lamplighter.errors import LamplighterError, RunFolderBusy
from lamplighter.labelling.journal import Journal
from lamplighter.labelling.worker import Answered, Opening
from lamplighter.labelling.workers import Workers
from lamplighter.structures.labelled_frames import read_labelled
from lamplighter.structures.labels import Labels

from .conftest import Lamplighter, copper, molecules, written

PROGRAM = Path(sys.prefix) / "bin" / "lamplighter"


def test_labels_are_those_of_the_method_and_failures_are_set_aside(lamplighter: Lamplighter, tmp_path: Path) -> None:
    from tblite.ase import TBLite

    uranium = Atoms("UH", [[0, 0, 0], [0, 0, 2.0]])
    radical = molecules()[2]
    del radical.info["multiplicity"]
    frames = [*molecules(), uranium, radical]
    written(tmp_path / "frames.xyz", frames)
    code, out, err = lamplighter("label", "frames.xyz", "--method", "gfn2", "-o", "lab.xyz", "--prefix", "REF_")
    assert (code, err) == (1, "")
    assert "4 of 6 frames labelled" in out
    made = read(tmp_path / "lab.xyz", ":")
    told = [(0, 1), (-1, 1), (0, 2), (0, 1)]
    assert [(atoms.info["charge"], atoms.info["multiplicity"]) for atoms in made] == told
    for atoms, given, (charge, multiplicity) in zip(made, frames[:4], told, strict=True):
        given.calc = TBLite(method="GFN2-xTB", charge=charge, multiplicity=multiplicity, verbosity=0)
        assert list(atoms.symbols) == list(given.symbols)
        assert atoms.info["REF_energy"] == pytest.approx(given.get_potential_energy(), abs=1e-6)
        np.testing.assert_allclose(atoms.arrays["REF_forces"], given.get_forces(), atol=1e-5)
    aside = read(tmp_path / "lab.failed.xyz", ":")
    assert [atoms.info["frame"] for atoms in aside] == [4, 5]
    assert "holds U, and GFN2-xTB has parameters of H to Rn" in aside[0].info["failure"]
    assert "has 9 electrons at charge 0, which cannot be of multiplicity 1" in aside[1].info["failure"]
    record = json.loads((tmp_path / "lab.json").read_text())
    assert (record["description"], record["labelled"], record["failed"]) == ("GFN2-xTB", 4, 2)
    assert set(record["versions"]) == {"tblite", "ase"}

    # a frame that was mended is tried again, the others are not
    radical.info["multiplicity"] = 2
    written(tmp_path / "frames.xyz", [*molecules(), radical, radical])
    code, out, err = lamplighter("label", "frames.xyz", "--method", "gfn2", "-o", "lab.xyz")
    assert (code, err) == (0, "")
    assert len(read_labelled(tmp_path / "lab.xyz")) == 6
    assert not (tmp_path / "lab.failed.xyz").exists()
    assert not (tmp_path / "lab.journal").exists()
    assert (
        "was complete: nothing was evaluated"
        in lamplighter("label", "frames.xyz", "--method", "gfn2", "-o", "lab.xyz")[1]
    )
    code, _, err = lamplighter("label", "frames.xyz", "--method", "gfn1", "-o", "lab.xyz")
    assert code == 1
    assert "lab.xyz is there already, and is not what this would make" in err


def test_a_killed_command_goes_on_and_no_frame_is_lost_or_doubled(
    lamplighter: Lamplighter, counting: Path, tmp_path: Path
) -> None:
    n = 24
    written(tmp_path / "frames.xyz", copper(n))
    words = ["label", "frames.xyz", "--method", "counting:Counting", "--option", "log=calls.txt"]
    words += ["--option", "pause=0.05", "-o", "lab.xyz", "--workers", "2"]
    process = subprocess.Popen([PROGRAM, *words], cwd=tmp_path)
    journal = tmp_path / "lab.journal"
    began = time.monotonic()
    while not journal.exists() or len(journal.read_bytes().splitlines()) < 6:
        assert process.poll() is None
        assert time.monotonic() - began < 60
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    _require_no_process_of(tmp_path)
    assert not (tmp_path / "lab.xyz").exists()
    known = len(journal.read_bytes().splitlines()) - 1
    calls = len((tmp_path / "calls.txt").read_text().splitlines())
    assert 0 < known < n
    assert calls <= known + 4  # two at work, and two that may have answered unheard
    with journal.open("ab") as file:  # as if it had been killed while it wrote
        file.write(b'{"frame": 23, "key": "0')
    code, out, err = lamplighter(*words)
    assert (code, err) == (0, "")
    assert f"{n} of {n} frames labelled" in out
    assert len((tmp_path / "calls.txt").read_text().splitlines()) == calls + n - known
    found = read_labelled(tmp_path / "lab.xyz")
    for atoms, labels, given in zip(found.frames, found.labels, copper(n), strict=True):
        given.calc = EMT()
        assert atoms.get_volume() == pytest.approx(given.get_volume(), rel=1e-6)
        assert labels.energy == pytest.approx(given.get_potential_energy(), abs=1e-6)
        np.testing.assert_allclose(labels.stress, given.get_stress(voigt=False), atol=1e-7)


def test_frames_that_fail_in_any_way_do_not_take_others_with_them(counting: Path, tmp_path: Path) -> None:
    frames = [atoms.repeat((1 + seed, 1, 1)) for seed, atoms in enumerate(copper(5))]
    written(tmp_path / "frames.xyz", [*frames, Atoms("Cu", cell=[9, 9, 9]), Atoms("Xe", cell=[9, 9, 9])])
    bad = {4: "dies", 8: "waits", 12: "nan", 16: "raises"}
    made = ll.label(
        tmp_path / "frames.xyz",
        "counting:Counting",
        tmp_path / "lab.xyz",
        options={"log": str(tmp_path / "calls.txt"), "bad": bad},
        workers=2,
        timeout="4s",
        progress=False,
    )
    assert made.n_labelled == 2
    why = {each.frame: each.why for each in made.failures}
    assert list(why) == [0, 1, 2, 3, 6]
    assert "its process ended (signal SIGKILL)" in why[0]
    assert "took longer than 4 s (timeout)" in why[1].replace("--", "")
    assert "gives forces that are not finite, of 1 atoms; the first is 1" in why[2]
    assert "no convergence" in why[3]
    assert "Xe" in why[6]
    assert "frame 0 (Cu4)" in str(made)


@pytest.mark.thorough
def test_a_method_that_fails_for_all_frames_ends_and_leaves_nothing(
    counting: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a job that has one core of this machine, whose frames are evaluated by one process."""
    monkeypatch.setenv("SLURM_JOB_CPUS_PER_NODE", "1(x4)")
    started: list[int] = []

    class Recorded(Workers):
        def __init__(self, opening: Opening, number: int, timeout_s: float | None) -> None:
            started.append(number)
            super().__init__(opening, number, timeout_s)

    monkeypatch.setattr("lamplighter.labelling.label.Workers", Recorded)
    written(tmp_path / "frames.xyz", copper(14))
    options = {"log": str(tmp_path / "calls.txt"), "bad": {4: "raises"}}
    with pytest.raises(ll.LamplighterError, match="the first 10 frames all fail, so that the others were not tried"):
        ll.label(tmp_path / "frames.xyz", "counting:Counting", tmp_path / "lab.xyz", options=options)
    assert started == [1]
    # failures of an earlier start, which tried one of the frames, are no successes
    written(tmp_path / "one.xyz", copper(1))
    again = ll.label(tmp_path / "one.xyz", "counting:Counting", tmp_path / "one_lab.xyz", options=options)
    assert again.n_labelled == 0
    written(tmp_path / "one.xyz", copper(14))
    with pytest.raises(ll.LamplighterError, match="the first 10 frames all fail"):
        ll.label(tmp_path / "one.xyz", "counting:Counting", tmp_path / "one_lab.xyz", options=options)
    assert {path.name for path in tmp_path.iterdir()} >= {"frames.xyz", "calls.txt"}
    assert not list(tmp_path.glob("lab*"))


def lennard_jones(path: Path, structure: Path, epsilon: float = 0.0104) -> Path:
    """A run file with a Lennard-Jones potential."""
    lines = ["pair_style lj/cut 6.0", f"pair_coeff * * {epsilon} 3.4", "pair_modify shift yes"]
    stages = [{"type": "nve", "length": "2 steps", "timestep": "1 fs"}]
    content = {"structure": str(structure), "potential": {"lammps": lines}, "stages": stages}
    path.write_text(yaml.safe_dump({**content, "velocities": "80 K"}))
    return path


def argon(n: int) -> list[Atoms]:
    frames = copper(n)
    for atoms in frames:
        atoms.symbols = "Ar4"
        atoms.set_cell(atoms.cell.array * 1.5, scale_atoms=True)
    return [atoms.repeat(2) for atoms in frames]


def test_a_run_file_is_a_method_for_label_and_for_errors(lamplighter: Lamplighter, tmp_path: Path) -> None:
    written(tmp_path / "frames.xyz", argon(3))
    lennard_jones(tmp_path / "lj.yaml", tmp_path / "frames.xyz")
    code, _, err = lamplighter("label", "frames.xyz", "--method", "lj.yaml", "-o", "lab.xyz", "--workers", "1")
    assert (code, err) == (0, "")
    found = read_labelled(tmp_path / "lab.xyz")
    for atoms, labels in zip(found.frames, found.labels, strict=True):
        atoms.calc = LennardJones(sigma=3.4, epsilon=0.0104, rc=6.0)
        assert labels.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-6)
        np.testing.assert_allclose(labels.stress, atoms.get_stress(voigt=False), atol=1e-7)
    model = str(lennard_jones(tmp_path / "weak.yaml", tmp_path / "frames.xyz", 0.0100))
    stored = ll.model_errors(tmp_path / "lab.xyz", run_file=model).to_dict()
    computed = ll.model_errors(tmp_path / "frames.xyz", run_file=model, reference=str(tmp_path / "lj.yaml")).to_dict()
    rmse = [each["models"][0] for each in (stored, computed)]
    assert json.dumps(rmse[0])[:40] == json.dumps(rmse[1])[:40]
    with pytest.raises(ll.LamplighterError, match="reference computes labels, and 'energy' is a key of labels"):
        ll.model_errors(tmp_path / "lab.xyz", run_file=model, reference="gfn2", energy="energy")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--method", "gfn3"], "--method must be gfn1, gfn2, opls-aa, module:Class, or the path of a run file"),
        (["--method", "no_such_module:Thing"], "no_such_module cannot be imported"),
        (["--method", "gfn2", "--option", "accuracy=0.1"], "gfn2 takes no options"),
        (["--method", "gfn2", "-o", "frames.xyz"], "would replace the frames"),
        (["--method", "gfn2", "-o", "gone/lab.xyz"], "the folder gone does not exist"),
        (["--method", "gfn2", "-o", "lab.traj"], "must end in .xyz or .extxyz"),
        (["--method", "gfn2", "--workers", "0"], "--workers must be a whole number of 1 at least"),
        (["--method", "gfn2", "--timeout", "5"], "--timeout: 5 could be seconds, minutes or hours"),
        (["--method", "gfn2", "--prefix", "a b"], "--prefix must be letters"),
    ],
)
def test_bad_input_is_refused_before_anything_is_computed(
    words: list[str], said: str, lamplighter: Lamplighter, tmp_path: Path
) -> None:
    written(tmp_path / "frames.xyz", molecules()[:1])
    output = [] if "-o" in words else ["-o", "lab.xyz"]
    code, _, err = lamplighter("label", "frames.xyz", *words, *output)
    assert code == 1
    assert said in err
    assert not list(tmp_path.glob("lab*"))


def test_two_commands_do_not_write_one_output(lamplighter: Lamplighter, tmp_path: Path) -> None:
    import fcntl

    written(tmp_path / "frames.xyz", molecules()[:1])
    with (tmp_path / "lab.journal").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        code, _, err = lamplighter("label", "frames.xyz", "--method", "gfn2", "-o", "lab.xyz")
    assert code == 75
    assert "another process labels into lab.journal" in err
    (tmp_path / "lab.journal").write_text("something else\n")
    assert "is no journal, or is damaged" in lamplighter("label", "frames.xyz", "--method", "gfn2", "-o", "lab.xyz")[2]


@pytest.mark.parametrize(
    "line", ["{}", '{"frame": -1, "key": "a", "failure": "", "seconds": 0}', '{"frame": 0, "key": "a"}']
)
def test_a_damaged_line_of_a_journal_is_no_traceback(tmp_path: Path, line: str) -> None:
    path = tmp_path / "lab.journal"
    path.write_text('{"format": 1, "method": {}}\n' + line + "\n")
    with pytest.raises(LamplighterError, match="is no journal, or is damaged"):
        Journal(path, {}, ["a"])


def test_a_journal_that_forgets_failures_is_whole_whatever_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, labels = tmp_path / "lab.journal", Labels(-1.0, np.zeros((1, 3)), np.zeros((3, 3)))
    with Journal(path, {}, ["a", "b"]) as journal:
        journal.keep(Answered(0, labels))
        journal.keep(Answered(1, failure="no"))
    before = path.read_bytes()

    def full(_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(LamplighterError, match="make room"):
            Journal(path, {}, ["a", "b"], retry=True)
    assert path.read_bytes() == before
    with Journal(path, {}, ["a", "b"], retry=True) as journal:
        assert list(journal.known) == [0]
        with pytest.raises(RunFolderBusy, match="another process labels into"):
            Journal(path, {}, ["a", "b"])
        journal.keep(Answered(1, labels))
    assert list(Journal(path, {}, ["a", "b"]).known) == [0, 1]
    assert [each.name for each in tmp_path.iterdir()] == ["lab.journal"]


@pytest.mark.mpi
def test_on_two_ranks_the_first_one_starts_the_processes(run: object, mpirun: object, tmp_path: Path) -> None:
    written(tmp_path / "frames.xyz", copper(3))
    method = ["--method", "ase.calculators.emt:EMT"]
    ended = mpirun(2, [PROGRAM, "label", "frames.xyz", *method, "-o", "two.xyz"])  # type: ignore[operator]
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.count("3 of 3 frames labelled") == 1
    assert len(read_labelled(tmp_path / "two.xyz")) == 3


def _require_no_process_of(folder: Path) -> None:
    """Workers end with the process that they work for."""
    deadline = time.monotonic() + 10.0
    while time.monotonic() < deadline:
        left = []
        for each in Path("/proc").glob("[0-9]*"):
            try:
                if (each / "cwd").readlink() == folder and int(each.name) != os.getpid():
                    left.append(each.name)
            except OSError:
                continue
        if not left:
            return
        time.sleep(0.05)
    raise AssertionError(f"processes {left} still work in {folder}")
