"""The directive `lamplighter-commands`: every command of the command line with its options, as the program has them."""

from __future__ import annotations

from typing import Any

import typer
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from lamplighter import cli


def loaded_command(name: str) -> Any:
    """A command of `lamplighter` as typer understands it, with its own options or subcommands."""
    return typer.main.get_command(cli._app(name)).commands[name]


def _cell(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


def _takes_no_value(option: Any) -> bool:
    return bool(getattr(option, "is_flag", False))


def _row(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        words = parameter.metavar or parameter.name.upper()
    else:
        words = ", ".join([*parameter.opts, *parameter.secondary_opts])
        if not _takes_no_value(parameter):
            words += f" {parameter.metavar or parameter.name.upper()}"
    return f"| `{_cell(words)}` | {_cell(parameter.help)} |"


def command_text(name: str, command: Any) -> str:
    """A command as Markdown: what it does, its usage, and a row for each argument and option."""
    if hasattr(command, "commands"):
        return "\n".join(command_text(f"{name} {own}", each) for own, each in command.commands.items())
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    shown = [each for each in command.params if not getattr(each, "hidden", False)]
    usage = ["lamplighter", name, "[OPTIONS]" if len(shown) > len(arguments) else ""]
    usage += [each.metavar or each.name.upper() for each in arguments]
    lines = [f"### lamplighter {name}", "", (command.help or "").strip(), "", "```text", " ".join(usage), "```", ""]
    if shown:
        lines += [
            "| | |",
            "|---|---|",
            *(_row(each) for each in [*arguments, *(s for s in shown if s not in arguments)]),
        ]
    return "\n".join([*lines, ""])


# LAMMPS' own switches, which no parser of options sees
_LMP = """### lamplighter lmp

Run LAMMPS with Lamplighter's styles; the arguments are those of `lmp`.

```text
lamplighter lmp -in SCRIPT [-var NAME VALUE] …
```
"""


class Commands(SphinxDirective):
    """A section for each group of commands, as `lamplighter --help` has them."""

    def run(self) -> list[nodes.Node]:
        self.env.note_reread()  # the page changes with the program, not with its own text
        lines: list[str] = []
        for group, names in cli.GROUPS.items():
            lines += [f"## {group}", ""]
            lines += [_LMP if name == "lmp" else command_text(name, loaded_command(name)) for name in names]
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("lamplighter-commands", Commands)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
