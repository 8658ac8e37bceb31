"""Compare energies, forces and stresses of models with reference labels.

Each model is evaluated in LAMMPS as in a run. Of several models the committee mean is given, too, and how the errors
spread over the members.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lamplighter.cli import model_options, options
from lamplighter.cli.output import show_answer


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
    reference: Annotated[
        str | None,
        typer.Option(
            help="Compute the labels by this method, as `label` takes it, in place of those of the file.",
            metavar="METHOD",
        ),
    ] = None,
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
    from lamplighter.api import model_errors
    from lamplighter.api.answer import in_words_of_commands

    answer = in_words_of_commands(model_errors.model_errors)(
        frames,
        model,
        run_file=run_file,
        kind=kind,
        dtype=dtype,
        device=device,
        trust=trust,
        energy=energy,
        forces=forces,
        stress=stress,
        reference=reference,
        by=by,
        group=group,
        resamples=resamples,
        frame_errors=frame_errors,
        save=save,
    )
    if along is not None:
        answer.shown.draw(answer.result, along, "along", option="--along")
    show_answer(answer, figure, csv, as_json)
