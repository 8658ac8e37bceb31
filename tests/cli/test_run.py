"""`lamplighter run` and the help: what a user types, and what comes back."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase.build
import ase.io
import pytest
import yaml

PROGRAM = Path(sys.prefix) / "bin" / "lamplighter"
Run = Callable[..., Any]


@pytest.fixture
def run_file(tmp_path: Path) -> Path:
    ase.io.write(tmp_path / "argon.xyz", ase.build.bulk("Ar", "fcc", a=5.3, cubic=True).repeat(3))
    content = {
        "structure": {"file": "argon.xyz"},
        "potential": {"lammps": ["pair_style lj/cut 7.0", "pair_coeff * * 0.0104 3.40"]},
        "stages": [{"type": "nvt", "length": "100 steps", "temperature": "80 K"}],
    }
    path = tmp_path / "argon.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_a_run_shows_its_progress_and_summary(run: Run, run_file: Path, tmp_path: Path) -> None:
    done = run([PROGRAM, "run", run_file])
    assert done.returncode == 0, done.stderr
    assert "100/100" in done.stdout
    assert "Run completed, 108 atoms" in done.stdout
    assert f"Run folder: {tmp_path / 'argon'}" in done.stdout


def test_a_dry_run_prints_the_script_and_touches_nothing(run: Run, run_file: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    done = run([PROGRAM, "run", run_file, "--dry-run"])
    assert done.returncode == 0
    assert "# >>> inputs/nvt_nose_hoover.lmp" in done.stdout
    assert "pair_coeff * * 0.0104 3.40" in done.stdout
    assert sorted(tmp_path.rglob("*")) == before
    content = yaml.safe_load(run_file.read_text())
    run_file.write_text(yaml.safe_dump({**content, "domains": {"processors": "1 2 1"}}))
    done = run([PROGRAM, "run", run_file, "--dry-run", "--ranks", "2"])
    assert 'then "processors 1 2 1"' in done.stdout
    done = run([PROGRAM, "run", run_file, "--ranks", "2"])
    assert done.returncode == 1
    assert "--ranks 2 goes with --dry-run; a run is started by mpirun -n 2" in done.stderr


def test_the_printed_script_runs_by_itself(run: Run, lmp: Path, run_file: Path, tmp_path: Path) -> None:
    assert run([PROGRAM, "run", "-q", run_file]).returncode == 0
    text = run([PROGRAM, "run", run_file, "--dry-run"]).stdout
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "in.whole").write_text(text)
    (tmp_path / "again" / "structure.data").write_bytes((tmp_path / "argon" / "structure.data").read_bytes())
    assert run([lmp, "-in", "in.whole"], cwd=tmp_path / "again").returncode == 0
    assert (tmp_path / "again" / "thermo.csv").read_text() == (tmp_path / "argon" / "thermo.csv").read_text()


def test_an_error_has_no_traceback(run: Run, tmp_path: Path) -> None:
    done = run([PROGRAM, "run", "none.yaml"])
    assert done.returncode == 1
    assert done.stderr.strip() == "Error: run file none.yaml does not exist"


def test_a_gpu_that_is_not_there_is_named(run: Run, run_file: Path) -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    model = Path(__file__).parents[2] / "examples" / "ec_emc" / "models" / "ec_emc_0.model"
    content = yaml.safe_load(run_file.read_text())
    content["potential"] = {"models": str(model), "device": "cuda"}
    content["structure"]["elements"] = None
    ase.io.write(run_file.parent / "argon.xyz", ase.build.molecule("CH3OH", vacuum=5.0))
    run_file.write_text(yaml.safe_dump(content))
    done = run([PROGRAM, "run", run_file])
    assert done.returncode == 1
    assert "device 'cuda' was asked for, but torch finds no GPU" in done.stderr


def test_an_untrusted_model_is_refused_where_the_run_is_strict(run: Run, run_file: Path, tmp_path: Path) -> None:
    (tmp_path / "some.model").write_bytes(b"not loaded at all")
    content = yaml.safe_load(run_file.read_text())
    content["potential"] = {"models": "some.model", "strict": True}
    run_file.write_text(yaml.safe_dump(content))
    done = run([PROGRAM, "run", run_file], env={"XDG_CONFIG_HOME": str(tmp_path / "config")})
    assert done.returncode == 1
    assert "not on your list of trusted files" in done.stderr
    assert not (tmp_path / "argon").exists()


def test_help_is_quick_and_names_all_commands(run: Run) -> None:
    done = run([PROGRAM, "--help"])
    assert done.returncode == 0
    for command in ("run", "lmp", "doctor", "trust"):
        assert command in done.stdout
    code = "import sys; sys.argv = ['lamplighter', '--help']\nfrom lamplighter.cli import main\n"
    code += "try: main()\nexcept SystemExit: pass\n"
    code += "print([name for name in ('torch', 'lammps', 'numpy', 'ase', 'mpi4py') if name in sys.modules])"
    assert run([sys.executable, "-c", code]).stdout.splitlines()[-1] == "[]"


def test_the_version_is_told(run: Run) -> None:
    import lamplighter

    assert run([PROGRAM, "--version"]).stdout.strip() == f"lamplighter {lamplighter.__version__}"
