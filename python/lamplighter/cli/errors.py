"""Compare energies, forces and stresses of models with reference labels.

Each model is evaluated in LAMMPS as in a run. Of several models the committee mean is given, too, and how the errors
spread over the members.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lamplighter.cli import model_options, options
from lamplighter.cli.output import show


def errors(
    frames: model_options.Frames,
    model: model_options.Models = None,
    run_file: model_options.RunFileOption = None,
    kind: model_options.Kind = None,
    dtype: model_options.Dtype = None,
    device: model_options.Device = None,
    trust: model_options.Trust = False,
    energy: model_options.EnergyKey = None,
    forces: model_options.ForcesKey = None,
    stress: model_options.StressKey = None,
    by: Annotated[
        str,
        typer.Option(
            help="Give errors also for parts of the frames: those with the same value under this key.", metavar="KEY"
        ),
    ] = "",
    group: model_options.Group = "",
    resamples: model_options.Resamples = 1000,
    figure: Annotated[
        Path | None, typer.Option(help="Draw predicted against reference values into this file.", metavar="FILE")
    ] = None,
    along: Annotated[
        Path | None, typer.Option(help="Draw the errors frame by frame into this file.", metavar="FILE")
    ] = None,
    csv: options.Csv = None,
    frame_errors: Annotated[
        Path | None, typer.Option(help="Write the errors of each frame as CSV into this file.", metavar="FILE")
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(
            help="Keep the predictions in this file, for --model of a call in another environment.", metavar="FILE.npz"
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    from lamplighter.observables.model_errors import errors_of_models
    from lamplighter.observables.predictions import save_predictions
    from lamplighter.report.model_errors_text import FRAMES, SHOWN
    from lamplighter.structures.labelled_frames import read_labelled

    choice = model_options.chosen_models(model, run_file, kind, dtype, device, trust)
    choice.all()  # a wrong name is told before anything is read
    given = read_labelled(frames, energy, forces, stress)
    predictions = model_options.predict(choice, given.frames, given.elements)
    if save is not None:
        save_predictions(save, predictions, given.frames)
    result = errors_of_models(given, predictions, by, group, resamples)
    if along is not None:
        SHOWN.draw(result, along, "along", option="--along")
    if frame_errors is not None:
        FRAMES.write_tables(result, frame_errors, option="--frame-errors")
    show(result, SHOWN, figure, csv, as_json)
