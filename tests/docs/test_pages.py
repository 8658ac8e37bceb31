"""All pages: links lead somewhere, YAML is valid, and command lines are those of the program."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from lamplighter import cli
from lamplighter.building.recipe import parse_recipe
from lamplighter.campaign.campaign_file import AxesSection, CampaignSection
from lamplighter.config import RunFile
from lamplighter.config.loading import parse_run_file
from lamplighter.config.problems import section_of
from lamplighter.labelling.command_file import CommandSection
from lamplighter.learning.learn_file import EvaluationSection, LearnFile
from lamplighter.training.train_file import load_train_file

from .pages import TOP, Block, anchors, blocks, links, pages, spans, text_of

PAGES = pages()
ALL_BLOCKS = [block for page in PAGES for block in blocks(page)]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings_that_exist(page: str) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (TOP / page).parent / path if path else TOP / page
        assert target.exists(), f"{page}: {link} leads to no file"
        if anchor:
            name = target.resolve().relative_to(TOP.resolve()).as_posix()
            assert anchor in anchors(name), f"{page}: {name} has no heading #{anchor}"


def test_pages_that_sources_name_exist() -> None:
    sources = [
        each for folder in ("python", "pair_styles", "tests", "benchmarks") for each in (TOP / folder).rglob("*")
    ]
    named = {
        (name, source.relative_to(TOP).as_posix())
        for source in sources
        if source.suffix in {".py", ".h", ".cpp"}
        for name in re.findall(r"(?<!blob/main/)\bdocs/[\w/]+\.md", source.read_text(encoding="utf-8"))
    }
    assert len(named) > 30
    assert sorted((name, source) for name, source in named if not (TOP / name).exists()) == []


# A page may show a part of a run file: the rest is this.
REST: dict[str, Any] = {
    "structure": "liquid.xyz",
    "potential": {"models": ["liquid.model"]},
    "stages": [{"type": "nvt", "length": "10 ps", "temperature": "300 K"}],
}


@pytest.mark.parametrize("block", [each for each in ALL_BLOCKS if each.language == "yaml"], ids=str)
def test_run_files_of_pages_are_valid(block: Block) -> None:
    content = yaml.safe_load(block.text)
    if "axes" in content:
        of_trainings = isinstance(content["base"], dict) and {"trainer", "labeller"} & set(content["base"])
        section_of(AxesSection if of_trainings else CampaignSection, content, str(block))
        return
    if "components" in content:
        parse_recipe(content, str(block))
        return
    if "trainer" in content:
        load_train_file(content)
        return
    if set(content) == {"evaluation"}:  # a part of a study file
        section_of(EvaluationSection, content["evaluation"], str(block))
        return
    if "labeller" in content:
        section_of(LearnFile, content, str(block))
        return
    if "command" in content:
        section_of(CommandSection, content, str(block))
        return
    if "calculator" in content:  # a calculator file
        content = {"potential": content}
    assert set(content) <= set(RunFile.model_fields), f"{block}: {content}"
    rest = {key: value for key, value in REST.items() if key != "stages" or "workflow" not in content}
    parse_run_file({**rest, **content})


def program(words: list[str]) -> list[str]:
    """The words from `lamplighter`, `lmp` … on: without variables, and without the launcher with its options."""
    while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
        words = words[1:]
    if words[:1] == ["mpirun"]:
        assert words[1] == "-n", f"mpirun takes -n RANKS first: {words}"
        assert re.fullmatch(r"\d+|N|\$\w+", words[2]), f"mpirun takes -n RANKS first: {words}"
        return words[3:]
    if words[:1] == ["srun"]:
        return words[next(place for place, word in enumerate(words) if place and not word.startswith("-")) :]
    return words


@cache
def command_of(name: str) -> Any:
    """A command as its parser has it; of `lamplighter extrapolation fit` by its two words."""
    assert name in cli.COMMANDS, f"lamplighter has no command {name}"
    return typer.main.get_command(cli._app(name)).commands[name]  # type: ignore[attr-defined]


def split_command(words: list[str]) -> tuple[Any, list[str]]:
    command, rest = command_of(words[0]), words[1:]
    if hasattr(command, "commands"):
        own = next((word for word in rest if word in command.commands), None)
        if own is None:
            return command, []
        return command.commands[own], [word for word in rest if word != own]
    return command, rest


@cache
def lammps_switches() -> frozenset[str]:
    """The command-line options of `lmp`, long and short, as it lists them itself."""
    shown = subprocess.run([Path(sys.prefix) / "bin" / "lmp", "-h"], capture_output=True, text=True, check=True).stdout
    listed = shown.split("List of command-line options")[1].split("OS:")[0]
    switches = frozenset(re.findall(r"^(-\w+)", listed, re.M) + re.findall(r"\((-\w+)\)", listed))
    assert {"-in", "-v", "-var"} <= switches
    return switches


def check_lmp(words: list[str]) -> None:
    used = {word for word in words if re.match(r"-[a-z]", word)}
    assert used <= lammps_switches(), f"lmp has no {sorted(used - lammps_switches())}"


def check_names_of_options(words: list[str]) -> None:
    """A mention such as `lamplighter density RUN [--stage S]`: the command and each option exist."""
    if words[0] == "lmp":
        return check_lmp(words[1:])
    command, rest = split_command(words)
    known = {name for parameter in command.params for name in [*parameter.opts, *parameter.secondary_opts]}
    used = {name for word in rest for name in re.findall(r"(?:^|[\[|(])(--?[a-z][a-z-]*)", word)}
    used -= {"-h", "--help"}
    assert used <= known, f"lamplighter {words[0]} has no {sorted(used - known)}"
    return None


def check_whole_line(words: list[str]) -> None:
    """A line that can be typed: the command's own parser takes it."""
    if words[0] == "lmp":
        return check_lmp(words[1:])
    command, rest = split_command(words)
    command.make_context(words[0], rest)
    return None


def command_lines(block: Block) -> list[str]:
    """Lines of a block that start one of our programs; a prompt and a remark are left out, continued lines joined."""
    lines = re.sub(r" *\\\n *", " ", block.text).splitlines()
    stripped = [re.sub(r"^\s*(\$ )?", "", line) for line in lines]
    return [line for line in stripped if re.match(r"([A-Z_]+=\S* +)*(lamplighter|lmp|mpirun|srun) ", line)]


def check(line: str, whole: bool) -> None:
    words = program(shlex.split(line, comments=True) if whole else line.split())
    if words[:1] == ["lmp"]:
        check_lmp(words[1:])
    elif words[:1] == ["lamplighter"] and len(words) > 1 and not words[1].startswith("-"):
        if whole and not re.search(r"…|\.\.\.|[\[\]]", line):
            check_whole_line(words[1:])
        else:
            check_names_of_options(words[1:])


LINES = [(block, line) for block in ALL_BLOCKS for line in command_lines(block) if block.language in ("", "sh", "text")]


@pytest.mark.parametrize(("block", "line"), LINES, ids=[f"{block}: {line[:60]}" for block, line in LINES])
def test_command_lines_of_blocks_are_understood(block: Block, line: str) -> None:
    check(line, whole=True)


def test_there_are_command_lines() -> None:
    assert len(LINES) >= 50
    assert {line.split()[0] for _, line in LINES} >= {"lamplighter", "mpirun"}


@pytest.mark.parametrize("page", [page for page in PAGES if "`lamplighter " in text_of(page)])
def test_commands_that_prose_names_have_the_options_it_names(page: str) -> None:
    for span in spans(page):
        if re.match(r"(\$ )?(mpirun -n \S+ )?lamplighter [a-z]", span) and not span.startswith("lamplighter/"):
            check(" ".join(span.split()).removeprefix("$ "), whole=False)
    # lines that four spaces make a block
    for line in re.findall(r"^    ((?:mpirun -n \d+ )?lamplighter [a-z].*)$", text_of(page), re.M):
        check(line, whole=True)


SBATCH = {"job-name", "ntasks", "cpus-per-task", "time", "signal", "open-mode", "output", "nodes", "gpus-per-node"}
SBATCH |= {"ntasks-per-node", "mail-type", "requeue"}


def test_job_scripts_are_shell_with_options_of_slurm() -> None:
    scripts = [block for block in ALL_BLOCKS if "#SBATCH" in block.text]
    assert scripts
    for block in scripts:
        done = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True)
        assert done.returncode == 0, f"{block}: {done.stderr}"
        directives = re.findall(r"^#SBATCH (.*)$", block.text, re.M)
        names = {(re.fullmatch(r"--([a-z-]+)(=\S+)?", each) or [each, ""])[1] for each in directives}
        assert names <= SBATCH, f"{block}: {sorted(names - SBATCH)}"
        # directives count only before the first command
        assert block.text.startswith("#!/bin/bash\n#SBATCH")
        assert "#SBATCH" not in re.split(r"^[^#\n]", block.text, maxsplit=1, flags=re.M)[1]


@pytest.mark.parametrize(
    "line", ["lamplighter run a.yaml --no-such", "lamplighter nothing", "lmp -no 1", "lamplighter run"]
)
def test_a_wrong_line_would_be_found(line: str) -> None:
    with pytest.raises(Exception, match=r"[Nn]o such option|no command|lmp has no|Missing"):
        check(line, whole=True)
