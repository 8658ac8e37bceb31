"""Measure how far environments are from a training set: SOAP, PCA, Q-residuals.

`extrapolation fit` learns a training set. `extrapolation check` holds a trajectory against it; no labels are needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lamplighter.cli import options
from lamplighter.cli.output import show_answer

extrapolation = typer.Typer(no_args_is_help=True)


@extrapolation.command()
def fit(
    training: Annotated[
        Path, typer.Argument(help="File of the structures that models were trained on.", metavar="TRAINING")
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Write what was learnt into this file.", metavar="FILE.npz")
    ],
    components: Annotated[
        int, typer.Option(help="Keep this number of components of each element's PCA.", metavar="N", min=1)
    ] = 5,
    most: Annotated[
        int,
        typer.Option(
            help="Make the PCA of an element from at most this number of its environments; of more, a sample is taken.",
            metavar="N",
            min=10,
        ),
    ] = 5000,
    seed: Annotated[int, typer.Option(help="Take the sample of --most by this seed.", metavar="N")] = 1,
    figure: Annotated[
        Path | None, typer.Option(help="Draw the map of the training set into this file.", metavar="FILE")
    ] = None,
    csv: options.Csv = None,
    as_json: options.Json = False,
) -> None:
    """Learn a training set: a PCA of the SOAP descriptors of each element, and the threshold of its residuals."""
    from lamplighter.api import extrapolation as of_training
    from lamplighter.api.answer import in_words_of_commands

    answer = in_words_of_commands(of_training.extrapolation_fit)(
        training, output=output, components=components, most=most, seed=seed
    )
    show_answer(answer, figure, csv, as_json)


@extrapolation.command()
def check(
    fitted: Annotated[
        Path,
        typer.Argument(
            help="Training set that was learnt: a file of `extrapolation fit`, or a model made by `lamplighter compile "
            "MODEL --training FILE`, which knows its own.",
            metavar="FILE.npz|MODEL.lamp",
        ),
    ],
    trajectory: Annotated[
        Path,
        typer.Argument(help="Run folder, LAMMPS dump, or any trajectory that ASE reads.", metavar="RUN|TRAJECTORY"),
    ],
    every: Annotated[int, typer.Option(help="Take only each N-th frame.", metavar="N", min=1)] = 1,
    elements: options.Elements = None,
    topology: options.Topology = None,
    units: options.Units = None,
    timestep: options.Timestep = None,
    dt: options.Dt = None,
    figure: Annotated[
        Path | None, typer.Option(help="Draw Q along the trajectory into this file.", metavar="FILE")
    ] = None,
    map_figure: Annotated[
        Path | None,
        typer.Option("--map", help="Draw the map of training set and trajectory into this file.", metavar="FILE"),
    ] = None,
    csv: options.Csv = None,
    atoms: Annotated[
        Path | None,
        typer.Option(help="Write the frames as extended XYZ, with Q of each atom, into this file.", metavar="FILE.xyz"),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Hold a trajectory against a training set that was learnt: Q of each atom, and what is beyond the threshold."""
    from lamplighter.api import extrapolation as of_training
    from lamplighter.api.answer import in_words_of_commands

    answer = in_words_of_commands(of_training.extrapolation)(
        trajectory,
        fitted,
        every=every,
        elements=elements,
        topology=topology,
        units=units,
        timestep=timestep,
        dt=dt,
        atoms=atoms,
    )
    if map_figure is not None:
        answer.shown.draw(answer.result, map_figure, "map", option="--map")
    show_answer(answer, figure, csv, as_json)
