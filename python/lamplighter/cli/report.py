"""Make one page about runs: verdict, numbers with errors, figures, failing frames.

The page is one HTML file that needs no network. With reference runs it has the quality Q (as `lamplighter quality`);
with labelled frames the errors of the runs' models (`errors`, `decompose`, `transfer`), which are evaluated on them in
LAMMPS; with a stored training set the Q-residuals along the trajectory (`extrapolation`).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from lamplighter.cli import labelled_options, model_options, options, quality_options


def report(
    runs: Annotated[
        list[Path], typer.Argument(help="Run folders that the page is about, or a campaign.", metavar="RUN…")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Write the page into this file; the default is report.html in the run folder, or in the current "
            "folder if there are several runs.",
            metavar="FILE",
        ),
    ] = None,
    title: Annotated[
        str | None, typer.Option(help="Give the page this heading; the default is the name of the run.", metavar="TEXT")
    ] = None,
    files: Annotated[
        Path | None,
        typer.Option(help="Write figures as PNG and PDF, and tables as CSV, into this folder, too.", metavar="FOLDER"),
    ] = None,
    reference: quality_options.Reference = None,
    reference_density: quality_options.ReferenceDensity = None,
    reference_diffusivity: quality_options.ReferenceDiffusivity = None,
    noise: quality_options.Noise = None,
    horizon: quality_options.Horizon = "1 ns",
    discard: options.Discard = "auto",
    bin_width: quality_options.BinWidth = None,
    discard_nvt: quality_options.DiscardNvt = None,
    block: quality_options.Block = "100 ps",
    block_spacing: quality_options.BlockSpacing = "10 ps",
    ballistic: quality_options.Ballistic = "10 ps",
    labelled: labelled_options.LabelledFile = None,
    energy: model_options.EnergyKey = None,
    forces: model_options.ForcesKey = None,
    stress: model_options.StressKey = None,
    predictions: labelled_options.Predictions = None,
    group: model_options.Group = "",
    lone_molecules: labelled_options.LoneMolecules = None,
    trained: labelled_options.Trained = None,
    name: model_options.MoleculeNames = None,
    extrapolation: labelled_options.ExtrapolationFit = None,
    as_json: options.Json = False,
) -> None:
    from lamplighter.api.campaign_groups import every_folder
    from lamplighter.api.extrapolation import stored_fit
    from lamplighter.api.quality_values import files_and_runs, observables, stored_reference
    from lamplighter.cli.run_folders import matching_folders
    from lamplighter.json_text import json_text
    from lamplighter.report.page.assemble import assemble
    from lamplighter.report.page.files import as_json as content_of
    from lamplighter.report.page.files import write_files, write_page
    from lamplighter.report.page.html import page
    from lamplighter.report.page.section import Wishes
    from lamplighter.report.page.sections import SECTIONS
    from lamplighter.run_folder.names import PAGE
    from lamplighter.run_folder.run import Run

    files_of_reference, folders = files_and_runs(matching_folders("--reference", reference or []))
    wishes = Wishes(
        observables(horizon, discard, bin_width, discard_nvt, block, block_spacing, ballistic),
        [Run(each) for each in every_folder(folders)[0]],
        stored_reference(reference_density, reference_diffusivity, noise, files_of_reference),
        labelled_options.labelled(
            labelled, (energy, forces, stress), predictions or [], group, lone_molecules, trained or [], name or []
        ),
        None if extrapolation is None else stored_fit(extrapolation),
    )
    named = runs
    runs, notes = every_folder(named)
    made = assemble(runs, SECTIONS, wishes)
    heading = title or (made.runs[0].run.label if len(runs) == 1 else f"{len(runs)} runs")
    path = output or (runs[0] if len(runs) == 1 else Path()) / PAGE
    write_page(page(made, heading), path)
    for note in notes:
        print(f"Note: {note}", file=sys.stderr)
    if files is not None:
        write_files(made, files)
    if as_json:
        print(json_text(content_of(made)))
    else:
        for part in made.runs:
            print(f"{part.run.label}: {part.verdict.sentence}")
        print(f"Report: {path}")
    if made.faults:
        print(f"Error: parts of the report are missing: {'; '.join(made.faults)}", file=sys.stderr)
        raise typer.Exit(1)
