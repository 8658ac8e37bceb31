"""Plugins of other packages are loaded where their styles are used, and nowhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import Run

from lamplighter.driver.other_plugins import DEEPMD, wanted_by

PROGRAM = Path(sys.prefix) / "bin" / "lamplighter"
LJ = ["pair_style lj/cut 7.0", "pair_coeff * * 0.0104 3.40"]
ARGON = "units metal\nregion b block 0 9 0 9 0 9\ncreate_box 1 b\nmass 1 39.9\ncreate_atoms 1 single 1 1 1\n"


@pytest.fixture
def called(tmp_path: Path) -> Path:
    """An installed package with an entry point of DeePMD-kit's name: the file that appears when it is called."""
    package, info = tmp_path / "site" / "deepmd", tmp_path / "site" / "deepmd_kit-0.0.dist-info"
    package.mkdir(parents=True)
    info.mkdir()
    (package / "__init__.py").write_text("")
    (package / "there.py").write_text(
        "from pathlib import Path\nplace = Path(__file__).parent\n"
        "def folder():\n    (place / 'called').write_text('')\n    return str(place)\n"
    )
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: deepmd-kit\nVersion: 0.0\n")
    (info / "entry_points.txt").write_text("[lammps.plugins]\ndeepmd = deepmd.there:folder\n")
    return package / "called"


@pytest.mark.parametrize(
    ("words", "lines", "expected"),
    [
        (["run", "-q", "run.yaml", "-o", "out"], LJ, False),
        (["run", "-q", "run.yaml", "-o", "out"], ["pair_style deepmd none.pb", "pair_coeff * *"], True),
        (["lmp", "-in", "in.script", "-log", "none", "-screen", "none"], LJ, False),
        (["lmp", "-in", "in.script", "-log", "none", "-screen", "none"], ["pair_style deepmd none.pb"], True),
    ],
)
def test_the_entry_point_is_called_where_its_style_is_used(
    run: Run,
    write_run_file: Callable[..., Path],
    called: Path,
    tmp_path: Path,
    words: list[str],
    lines: list[str],
    expected: bool,
) -> None:
    stages = [{"type": "nvt", "length": "2 steps", "temperature": "80 K"}]
    write_run_file(stages, potential={"lammps": lines})
    (tmp_path / "in.script").write_text(ARGON + "\n".join([*lines, "run 0", ""]))
    done = run([PROGRAM, *words], env={"PYTHONPATH": str(called.parents[1])})
    assert called.exists() == expected
    # an empty package brings no style
    assert (done.returncode == 0) == (not expected), done.stderr
    if expected:
        assert "Unrecognized pair style 'deepmd'" in done.stderr + done.stdout or "no pair_style deepmd" in done.stderr


@pytest.mark.parametrize(
    ("script", "switches", "wanted"),
    [
        ("pair_style lj/cut 5\ninclude more.lmp\n", [], False),
        ("pair_style lj/cut 5\ninclude deep.lmp\n", [], True),
        ("pair_style lj/cut 5\ninclude ${name}\n", [], True),
        ("pair_style ${style}\n", ["-var", "style", "deepmd", "g.pb"], True),
        ("fix d all dplr model g.pb\n", [], True),
        ("read_restart x.bin\n", [], True),
        ("pair_style hybrid/overlay deepmd g.pb zbl 1 2\n", [], True),
        ("include gone.lmp\n", [], True),
    ],
)
def test_what_a_script_may_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, switches: list[str], wanted: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "more.lmp").write_text("run 0\n")
    (tmp_path / "deep.lmp").write_text("pair_style deepmd g.pb\n")
    (tmp_path / "in.script").write_text(script)
    assert wanted_by(Path("in.script"), switches) == ({DEEPMD} if wanted else set())
    assert wanted_by(None, switches) == {DEEPMD}
