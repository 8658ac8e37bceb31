"""Check the installation: what works, what is missing, and what to do about it.

The command looks at versions, MPI, LAMMPS, the plugin, frameworks, GPUs and cores. The exit status is 1 where something
is wrong without which nothing runs.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import asdict

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lamplighter import launcher
from lamplighter.cli import options
from lamplighter.cli.diagnosis import Finding, diagnose
from lamplighter.errors import LamplighterError

_MARKS = {"ok": ("✓", "green"), "absent": ("–", "dim"), "warning": ("!", "yellow"), "problem": ("✗", "bold red")}

_PLAIN_WIDTH = 160
"""Columns where the output is no terminal, so that paths stay on one line."""


def doctor(
    as_json: options.Json = False,
) -> None:
    if not _speaks():
        return
    findings = diagnose()
    ok = not any(finding.state == "problem" for finding in findings)
    if as_json:
        print(json.dumps({"ok": ok, "findings": [asdict(finding) for finding in findings]}, indent=2))
    else:
        console = Console()
        _print(findings, console if console.is_terminal else Console(width=_PLAIN_WIDTH))
    if not ok:
        raise typer.Exit(1)


def _speaks() -> bool:
    """Whether this process is the one that speaks, of several that a launcher started."""
    if launcher.announced():
        from lamplighter.driver import environment

        with contextlib.suppress(LamplighterError):
            environment.import_mpi()  # all ranks together; else the first one would wait for the others
    return launcher.own_rank() == 0


def _print(findings: Sequence[Finding], console: Console) -> None:
    group = ""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        if finding.group != group:
            group = finding.group
            table.add_row("", Text(group, style="bold"), "")
        mark, style = _MARKS[finding.state]
        table.add_row(Text(mark, style=style), finding.name, Text(finding.value))
    console.print(table)
    wrong = [finding for finding in findings if finding.state in ("warning", "problem")]
    console.print()
    if not wrong:
        console.print(Text("Nothing is wrong.", style="green"))
    for finding in wrong:
        mark, style = _MARKS[finding.state]
        console.print(Text(f"{mark} {finding.problem}", style=style), soft_wrap=True)
        console.print(Text(f"  remedy: {finding.remedy}"), soft_wrap=True)
