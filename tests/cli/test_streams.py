"""Terminals of any encoding, closed or broken off: no traceback, and exit statuses keep their meaning."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase.build
import ase.io
import pytest

from lamplighter.api import check as check_module
from lamplighter.cli.streams import transliterated

PROGRAM = Path(sys.prefix) / "bin" / "lamplighter"
Run = Callable[..., Any]
Lamplighter = Callable[..., tuple[int, str, str]]

ASCII_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": None}
pytestmark = pytest.mark.thorough

VIOLATED = ("--density", "5", "6")  # argon has 1.78 g/cm³


@pytest.fixture
def argon(tmp_path: Path) -> Path:
    path = tmp_path / "Müller.xyz"
    ase.io.write(path, ase.build.bulk("Ar", "fcc", a=5.3, cubic=True))
    return path


def output_of(command: list[str | Path], folder: Path, encoding: str, env: dict[str, str | None]) -> tuple[int, str]:
    environment = {name: value for name, value in {**os.environ, **env}.items() if value is not None}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=60, check=False)
    assert b"Traceback" not in done.stderr
    return done.returncode, (done.stdout + done.stderr).decode(encoding)


@pytest.mark.parametrize(
    ("encoding", "env", "shown"),
    [
        ("ascii", {"PYTHONIOENCODING": "ascii"}, "density 5 to 6 g/cm3"),
        ("ascii", ASCII_LOCALE, "density 5 to 6 g/cm3"),
        ("latin-1", {"PYTHONIOENCODING": "iso-8859-1"}, "density 5 to 6 g/cm³"),
    ],
)
def test_any_encoding_shows_the_verdict(
    encoding: str, env: dict[str, str | None], shown: str, argon: Path, tmp_path: Path
) -> None:
    status, text = output_of([PROGRAM, "check", argon.name, *VIOLATED], tmp_path, encoding, env)
    assert (status, shown in text) == (1, True), text


def test_an_error_and_a_verdict_differ_where_nothing_but_ascii_is_shown(argon: Path, tmp_path: Path) -> None:
    status, text = output_of([PROGRAM, "check", "Zoë–±.xyz"], tmp_path, "ascii", ASCII_LOCALE)
    assert status == 2
    assert text.startswith("Error: Zoe-+-.xyz")


def test_a_fault_is_no_verdict(lamplighter: Lamplighter, argon: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*words: Any, **named: Any) -> None:
        raise AssertionError("broken")

    monkeypatch.setattr(check_module, "open_source", fail)
    status, _, errors = lamplighter("check", argon)
    assert status == 70
    assert "Traceback" in errors
    assert "AssertionError: broken" in errors

    def interrupt(*words: Any, **named: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(check_module, "open_source", interrupt)
    assert lamplighter("check", argon)[0] == 130


def test_json_is_ascii_and_means_the_same(lamplighter: Lamplighter, argon: Path) -> None:
    status, text, _ = lamplighter("check", argon, *VIOLATED, "--json")
    assert status == 1
    assert text.isascii()
    assert json.loads(text)["criteria"][0] == "density 5 to 6 g/cm³"


def in_shell(script: str, folder: Path) -> tuple[int, str]:
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, capture_output=True, timeout=60, encoding="utf-8", check=False
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ("{program} check Müller.xyz --density 5 6 | head -0; exit ${{PIPESTATUS[0]}}", 1),
        ("{program} check Müller.xyz --density 1 6 | head -0; exit ${{PIPESTATUS[0]}}", 0),
        ("{program} check Müller.xyz --density 5 6 >&- 2>&- <&-", 1),
        ("{program} check Müller.xyz --density 1 6 >/dev/full", 74),
    ],
)
def test_output_that_nobody_reads_changes_no_verdict_and_lost_output_does(
    script: str, status: int, argon: Path, tmp_path: Path
) -> None:
    found, errors = in_shell(script.format(program=PROGRAM), tmp_path)
    assert found == status, errors
    assert (os.strerror(errno.ENOSPC) in errors) == (status == 74)


def test_what_lammps_prints_does_not_go_into_a_file_where_standard_output_is_closed(tmp_path: Path) -> None:
    (tmp_path / "in.echo").write_text('print "one" file kept.txt\nprint "two" append kept.txt\n')
    status, _ = in_shell(f"{PROGRAM} lmp -in in.echo -log none >&- 2>&-", tmp_path)
    assert status == 0
    assert (tmp_path / "kept.txt").read_text() == "one\ntwo\n"


def test_characters_have_others_in_their_stead() -> None:
    assert [transliterated(each) for each in "Åü±³→≥κ½桌"] == ["A", "u", "+-", "3", "->", ">=", "kappa", "1/2", "?"]
