"""Measure how a run scales here, and say what to choose: ranks, precision, skin.

The command starts LAMMPS again and again, on different sizes and ranks, until all is measured or the budget is used
up. The same command goes on with what the folder holds. It starts its own ranks: run it without mpirun.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from lamplighter import launcher as launchers
from lamplighter.cli import options
from lamplighter.cli.output import show
from lamplighter.errors import LamplighterError


def bench(
    run_file: Annotated[Path, typer.Argument(help="Run file (YAML) whose system is measured.", metavar="RUN.yaml")],
    budget: Annotated[
        str, typer.Option(help="Stop after this wall-clock time, such as 10min, 90s or 1h30m.", metavar="TIME")
    ] = "10min",
    each: Annotated[
        str, typer.Option(help="Spend at most this time on one measurement, where that is enough.", metavar="TIME")
    ] = "2min",
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Keep measurements and results in this folder.", metavar="FOLDER")
    ] = Path("bench"),
    ranks: Annotated[
        str | None,
        typer.Option(
            help="Measure on these numbers of ranks; the default is 1, 2, 4 … up to all cores.", metavar="N,…"
        ),
    ] = None,
    sizes: Annotated[
        str | None,
        typer.Option(
            help="Measure these numbers of atoms, multiples of the structure, which is repeated; the default is 1, 2, "
            "4 and 8 times the system of the run file.",
            metavar="N,…",
        ),
    ] = None,
    model: Annotated[
        list[Path] | None,
        typer.Option(
            help="Measure this model file, or the potential of a run file, in place of that of RUN.yaml. The option "
            "can be repeated.",
            metavar="FILE",
        ),
    ] = None,
    dtype: Annotated[
        str | None, typer.Option(help="Measure in these precisions, such as float64,float32.", metavar="TYPE,…")
    ] = None,
    engine: Annotated[
        str | None, typer.Option(help="Measure with these engines, such as native,bridge.", metavar="ENGINE,…")
    ] = None,
    skin: Annotated[
        str | None,
        typer.Option(
            help="Try these neighbour skins, Å, beside that of the run file; the default is 1,1.5,3.", metavar="A,…"
        ),
    ] = None,
    committee: Annotated[
        str | None,
        typer.Option(
            help="Try these intervals of the committee, steps; the default is that of the run file and half of it.",
            metavar="N,…",
        ),
    ] = None,
    atoms: Annotated[
        int | None, typer.Option(help="Advise for this number of atoms; the default is that of the run file.", min=1)
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads",
            help="Use this number of threads for the model on each rank; the default is cores / ranks.",
            min=1,
        ),
    ] = None,
    launcher: Annotated[
        str | None,
        typer.Option(
            help="Start ranks with this command, in which {ranks} stands for their number; the default is mpirun, or "
            "srun in an allocation of several nodes.",
            metavar="COMMAND",
        ),
    ] = None,
    latency: Annotated[
        float, typer.Option(help="Take this latency of the network on paper, µs.", metavar="MICROSECONDS")
    ] = 2.0,
    bandwidth: Annotated[
        float, typer.Option(help="Take this bandwidth of a node on paper, GB/s.", metavar="GB/S")
    ] = 12.5,
    node_ranks: Annotated[
        int | None,
        typer.Option(
            "--ranks-per-node", help="Take this number of ranks a node on paper; the default is all cores.", min=1
        ),
    ] = None,
    ghost_bytes: Annotated[
        float | None,
        typer.Option(
            help="Take this number of bytes a ghost and step on paper, all exchanges together; the default is what was "
            "measured."
        ),
    ] = None,
    exchanges: Annotated[
        int | None,
        typer.Option(help="Take this number of exchanges a step on paper; the default is what was measured.", min=1),
    ] = None,
    csv: options.Csv = None,
    figure: Annotated[Path | None, typer.Option(help="Draw strong scaling into this file.", metavar="FILE")] = None,
    as_json: options.Json = False,
) -> None:
    from lamplighter.cluster.wall_time import seconds_of
    from lamplighter.driver import environment
    from lamplighter.report.scaling_files import leave_scaling
    from lamplighter.report.scaling_text import SHOWN
    from lamplighter.scaling.bench import Wishes, network_of
    from lamplighter.scaling.bench import bench as measure
    from lamplighter.scaling.ending import ending_on_sigterm
    from lamplighter.scaling.launch import cores

    if any(one.at_least > 1 for one in launchers.announced()):
        raise LamplighterError("lamplighter bench starts its own ranks: start it without mpirun or srun")
    environment.limit_openmp()
    wishes = Wishes(
        run_file=run_file,
        budget_s=seconds_of(budget, "--budget"),
        network=network_of(latency * 1e-6, bandwidth * 1e9, node_ranks or cores(), ghost_bytes, exchanges),
        ranks=_integers(ranks, "--ranks"),
        sizes=_integers(sizes, "--sizes"),
        skins=_numbers(skin, "--skin"),
        intervals=_integers(committee, "--committee"),
        models=tuple(model or ()),
        dtypes=_words(dtype, "--dtype", ("float64", "float32", "auto")),
        engines=_words(engine, "--engine", ("native", "torch-fast", "symmetrix", "bridge", "auto")),
        threads=threads,
        atoms=atoms,
        launcher=launcher,
        each_s=seconds_of(each, "--each"),
    )

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    with ending_on_sigterm():
        found = measure(wishes, output, say)
    page = leave_scaling(found, output)
    show(found, SHOWN, figure, csv, as_json)
    if not as_json:
        print(f"\nPage: {shlex.quote(str(page))} (tables and figures are beside it)")


def _numbers(text: str | None, option: str) -> list[float] | None:
    if text is None:
        return None
    try:
        found = [float(word) for word in text.split(",")]
    except ValueError:
        raise LamplighterError(f"{option} {text!r} must be numbers with commas, such as 1,2") from None
    if not all(0.0 < each < 1e12 for each in found):
        raise LamplighterError(f"{option} {text!r}: numbers must be positive")
    return found


def _integers(text: str | None, option: str) -> list[int] | None:
    found = _numbers(text, option)
    if found is None:
        return None
    if any(each != int(each) for each in found):
        raise LamplighterError(f"{option} {text!r} must be whole numbers with commas, such as 1,2")
    return [int(each) for each in found]


def _words(text: str | None, option: str, known: tuple[str, ...]) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(word.strip() for word in text.split(","))) if text else ()
    for word in found:
        if word not in known:
            raise LamplighterError(f"{option} {word!r}: it must be one of {', '.join(known)}")
    return found
