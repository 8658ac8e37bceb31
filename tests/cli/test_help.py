"""The help: one wording of each command, all commands in groups, sentences that stand alone, and completion."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from lamplighter import cli
from lamplighter.cli.completion import one_of

PROGRAM = Path(sys.executable).parent / "lamplighter"
FOLDER = Path(cli.__file__).parent
LOADED = [name for name in cli.COMMANDS if name != "lmp"]


def parameters(name: str) -> list[tuple[str, Any]]:
    """Each argument and option of a command, and of the commands that it may have."""
    command = typer.main.get_command(cli._app(name)).commands[name]
    own = getattr(command, "commands", {"": command})
    return [(f"{name} {inner}".strip(), each) for inner, one in own.items() for each in one.params]


def test_each_command_is_in_one_group_and_each_file_with_a_command_is_a_command() -> None:
    assert len(set(cli.COMMANDS)) == len(cli.COMMANDS)
    defining = set()
    for path in FOLDER.glob("*.py"):
        text = path.read_text()
        if re.search(rf"^def {path.stem}\(|^{path.stem} = typer", text, re.MULTILINE):
            defining.add(path.stem)
    defining.remove("reading_progress")  # a bar, no command
    assert defining == set(cli.COMMANDS)


@pytest.mark.parametrize("name", LOADED)
def test_a_command_has_one_wording(name: str) -> None:
    module = importlib.import_module(f"lamplighter.cli.{name}")
    assert cli.help_of(name) == (module.__doc__ or "").strip()
    assert not getattr(getattr(module, name), "__doc__", None) or name in ("extrapolation", "campaign")
    line = cli.first_line(name)
    assert line.endswith(".")
    assert line[0].isupper()
    assert len(line) <= 80


@pytest.mark.parametrize("name", LOADED)
def test_help_texts_are_sentences_that_stand_alone(name: str) -> None:
    for command, each in parameters(name):
        text = each.help or ""
        where = f"{command} {each.name}: {text!r}"
        if each.name in ("help", "install_completion", "show_completion"):
            continue
        assert text.endswith("."), where
        assert text[0].isupper() or text.startswith(("g(r)", "t_stab")), where
        assert "again for more" not in text, where
        fragment = re.match(r"(Of|Or|Also|As|Between|Such|Up to|From|In|For|Before|After)\b", text)
        assert fragment is None, where
        assert len(text.split()) >= 4, where


def completed(words: list[str]) -> list[str]:
    """What bash is told for the last of these words."""
    line = {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1), "_LAMPLIGHTER_COMPLETE": "complete_bash"}
    done = subprocess.run([PROGRAM], capture_output=True, text=True, env={**os.environ, **line}, timeout=120)
    assert done.stderr == ""
    return done.stdout.split()


def test_the_shell_completes_commands_options_and_paths() -> None:
    assert completed(["lamplighter", "de"]) == ["density", "decompose"]
    assert completed(["lamplighter", "density", "--fig"]) == ["--figure"]
    assert completed(["lamplighter", "extrapolation", "check", "--ma"]) == ["--map"]
    assert completed(["lamplighter", "density", "runs/"]) == []  # then bash takes files
    assert completed(["lamplighter", "check", "--preset", "st"]) == ["stability"]
    line = {"_TYPER_COMPLETE_ARGS": "lamplighter density --csv out", "_LAMPLIGHTER_COMPLETE": "complete_zsh"}
    done = subprocess.run([PROGRAM], capture_output=True, text=True, env={**os.environ, **line}, timeout=120)
    assert done.stdout.strip() == "_files"


def test_words_that_an_option_takes_are_those_that_begin_alike() -> None:
    assert one_of("auto", "native", "bridge")("") == ["auto", "native", "bridge"]
    assert one_of("auto", "native", "bridge")("n") == ["native"]


def test_a_terminal_breaks_the_lines_of_a_help_and_no_file_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.flowing("One sentence\nthat goes on.\n\nAnother.") == "One sentence that goes on.\n\nAnother."
    monkeypatch.setattr(sys, "argv", ["lamplighter", "lmp", "--help"])  # which LAMMPS would take for a wrong switch
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "Usage: lamplighter lmp" in said
    assert cli.flowing(cli.help_of("lmp")) in said
