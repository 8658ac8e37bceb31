"""The command line: `lamplighter COMMAND`, one file each (`GROUPS` lists them).

Only the command that is asked for is imported, so that `lamplighter --help` answers at once.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamplighter import launcher
from lamplighter.cli import completion

if TYPE_CHECKING:
    import typer

GROUPS = {
    "Run": ("build", "run", "campaign", "submit", "bench", "lmp", "export"),
    "Look at a run": ("report", "events", "check", "stability"),
    "Observables": (
        "density",
        "compression",
        "expansion",
        "diffusivity",
        "viscosity",
        "conductivity",
        "structure",
        "quality",
    ),
    "Train": ("train", "learn"),
    "Models against data": ("label", "errors", "decompose", "transfer", "scan", "extrapolation"),
    "Housekeeping": ("models", "compile", "trust", "doctor"),
}
"""The commands as `lamplighter --help` groups them. The help of each is the docstring of its file."""

COMMANDS = tuple(name for names in GROUPS.values() for name in names)

COLLECTIVE = ("run", "lmp")
"""Which every rank carries out alike; all others the first rank carries out, and the others evaluate models with it."""


def main() -> None:
    """The console script. Ends the process with the command's exit status."""
    if sys.argv[1:2] == ["run"]:
        from lamplighter.driver.interruption import mind_early_signals

        mind_early_signals()  # before what takes longer to import
    from lamplighter.cli import streams
    from lamplighter.silence import silence_other_ranks

    streams.make_ready()
    silence_other_ranks()
    try:
        status = _status(sys.argv[1:])
    except SystemExit as ended:
        if not (ended.code is None or isinstance(ended.code, int)):
            raise
        status = ended.code or 0
    sys.exit(streams.status_at_the_end(status))


def _status(arguments: list[str]) -> int:
    from lamplighter.driver.failure import ending

    if arguments[:1] == ["lmp"]:
        # LAMMPS' switches (-in, -var x 1, -h) are not what a parser of options expects
        from lamplighter.cli.lmp import lmp

        if "--help" in arguments[1:]:
            print(f"Usage: lamplighter lmp [SWITCHES OF LAMMPS] -in SCRIPT\n\n{flowing(help_of('lmp'))}")
            return 0
        return ending(lambda: lmp(arguments[1:]))
    if completion.is_asked_for():
        return ending(lambda: _app(completion.command())())
    chosen = next((each for each in arguments if not each.startswith("-")), None)
    if chosen not in COLLECTIVE and any(each.at_least > 1 for each in launcher.announced()):
        return ending(lambda: _led(chosen))
    return ending(lambda: _app(chosen)())


def _led(chosen: str | None) -> int:
    """The command on several ranks: see `driver.led_ranks`."""
    from lamplighter.driver import environment, led_ranks

    environment.limit_openmp()
    comm = environment.import_mpi().COMM_WORLD
    environment.refuse_lonely_processes(comm.Get_size())

    def program() -> int:
        from lamplighter.driver.failure import ending

        try:
            return ending(lambda: _app(chosen)())
        except SystemExit as ended:
            return ended.code if isinstance(ended.code, int) else int(ended.code is not None)

    return led_ranks.lead(comm, program) if comm.Get_size() > 1 else program()


def _app(chosen: str | None) -> typer.Typer:
    import typer

    app = typer.Typer(
        name="lamplighter",
        help="Molecular dynamics with machine-learned interatomic potentials in stock LAMMPS.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for group, names in GROUPS.items():
        for name in names:
            if name != chosen:
                app.command(name, help=first_line(name), rich_help_panel=group)(_not_chosen)
                continue
            command = _load(name)
            if isinstance(command, typer.Typer):
                for own in command.registered_commands:
                    own.callback = own.callback and _ending(own.callback)
                app.add_typer(command, name=name, help=flowing(help_of(name)), rich_help_panel=group)
            else:
                app.command(name, help=flowing(help_of(name)), rich_help_panel=group)(_ending(command))

    @app.callback(invoke_without_command=True)
    def options(version: bool = typer.Option(False, "--version", help="Show the version and exit.")) -> None:
        if version:
            import lamplighter

            print(f"lamplighter {lamplighter.__version__}")
            raise typer.Exit

    return app


def help_of(name: str) -> str:
    """The help of a command: the docstring of its file, which is not imported for it."""
    text = (Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8")
    return text.split('"""', 2)[1].strip()


def flowing(text: str) -> str:
    """Text whose paragraphs have one line each: a terminal breaks lines where it ends, not where the file does."""
    return "\n\n".join(" ".join(paragraph.split("\n")) for paragraph in text.split("\n\n"))


def first_line(name: str) -> str:
    """What `lamplighter --help` says of a command."""
    return help_of(name).partition("\n")[0]


def _load(name: str) -> Any:
    """The function of a command, or the Typer application of one that has commands of its own."""
    return getattr(importlib.import_module(f"lamplighter.cli.{name}"), name)


def _ending(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command, whose failures end the program here: the parser of options would make 1 of an interruption."""
    from lamplighter.driver.failure import ending

    @functools.wraps(command)
    def carry_out(*words: Any, **options: Any) -> None:
        status = ending(lambda: command(*words, **options))
        if status:
            sys.exit(status)

    return carry_out


def _not_chosen() -> None:
    """Stands for a command that this call does not run."""
