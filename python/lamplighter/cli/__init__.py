"""The command line: `lamplighter COMMAND`, one file each (`COMMANDS` lists them).

Only the command that is asked for is imported, so that `lamplighter --help` answers at once.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable
from typing import Any

from lamplighter import launcher

# The help of each command, for the list that `lamplighter --help` shows.
COMMANDS = {
    "run": "Run molecular dynamics as a run file describes it, alone or under mpirun.",
    "lmp": "Run a LAMMPS script with Lamplighter's styles, as `lmp` would.",
    "events": "Show what the guard of a run found, and how the run ended.",
    "check": "Find the first frame of a trajectory at which it ceases to be physical.",
    "stability": "How long runs are stable: mean, median, survival curve, failures by cause.",
    "density": "Density of runs at constant pressure: mean, distribution, compressibility.",
    "compression": "Isothermal compression: density at each pressure, Tait fit, compressibility.",
    "expansion": "Thermal expansion: density at each temperature, slope, expansion coefficient.",
    "scan": "Volume scan: energies of a liquid expanded and compressed with rigid molecules.",
    "diffusivity": "Self-diffusivity of each molecular species, with finite-size correction.",
    "structure": "Radial distributions, bond lengths, and whether molecules hold.",
    "quality": "The quality metric Q of a committee's runs against a reference.",
    "errors": "Errors of models against reference labels, with error bars.",
    "decompose": "Errors inside molecules, between them, and of what forces do to them.",
    "transfer": "Errors of models by composition, and what the data fix (N − M rule).",
    "extrapolation": "How far environments are from those of a training set: SOAP, PCA, Q-residuals.",
    "report": "One page about runs: verdict, numbers, figures, failing frames; works offline.",
    "compile": "Turn MACE models into a file for the native engine, checked against them.",
    "models": "Say what model files are, and what runs them.",
    "doctor": "Say what is installed, and what is wrong.",
    "trust": "Trust model files by their content.",
}


COLLECTIVE = ("run", "lmp")
"""Which every rank carries out alike; all others the first rank carries out, and the others evaluate models with it."""


def main() -> None:
    """The console script. Ends the process with the command's exit status."""
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

        return ending(lambda: lmp(arguments[1:]))
    chosen = next((each for each in arguments if not each.startswith("-")), None)
    if chosen not in COLLECTIVE and any(each.at_least > 1 for each in launcher.announced()):
        return ending(lambda: _led(chosen))
    return ending(lambda: _app(chosen)())


def _led(chosen: str | None) -> int:
    """The command on several ranks: see `engine.led_ranks`."""
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


def _app(chosen: str | None) -> Any:
    import typer

    app = typer.Typer(
        name="lamplighter",
        help="Molecular dynamics with machine-learned interatomic potentials in stock LAMMPS.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for name, help_line in COMMANDS.items():
        if name == chosen:
            command = _load(name)
            if isinstance(command, typer.Typer):
                for own in command.registered_commands:
                    own.callback = own.callback and _ending(own.callback)
                app.add_typer(command, name=name)
            else:
                app.command(name)(_ending(command))
        else:
            app.command(name, help=help_line)(_not_chosen)

    @app.callback(invoke_without_command=True)
    def options(version: bool = typer.Option(False, "--version", help="Show the version and exit.")) -> None:
        if version:
            import lamplighter

            print(f"lamplighter {lamplighter.__version__}")
            raise typer.Exit

    return app


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
