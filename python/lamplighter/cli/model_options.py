"""Options that name the models which commands hold against reference labels, and the labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lamplighter.cli.completion import one_of

Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        help="Evaluate this model file, all that match a pattern, or predictions of `errors --save`; "
        "NAME=PATTERN makes a committee. The option can be repeated.",
        metavar="[NAME=]FILE",
    ),
]
RunFileOption = Annotated[
    Path | None,
    typer.Option(
        "--run-file", help="Evaluate the potential of this run file, each of its models for itself.", metavar="FILE"
    ),
]
Kind = Annotated[
    str | None,
    typer.Option(help="The files of --model are of this kind; the default is auto, by their content.", metavar="KIND"),
]
Dtype = Annotated[
    str | None,
    typer.Option(
        help="Evaluate the files of --model in this precision; the default is auto, as each was made.",
        metavar="auto|float64|float32",
        autocompletion=one_of("auto", "float64", "float32"),
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        help="Evaluate the files of --model on this device: auto, cpu, cuda or cuda:K; the default is auto.",
        metavar="DEVICE",
        autocompletion=one_of("auto", "cpu", "cuda"),
    ),
]
Engine = Annotated[
    str | None,
    typer.Option(
        help="Evaluate --model by auto (default), native, torch-fast, symmetrix or bridge.",
        metavar="ENGINE",
        autocompletion=one_of("auto", "native", "torch-fast", "symmetrix", "bridge"),
    ),
]
Trust = Annotated[bool, typer.Option("--trust", help="Put the model files on your list of trusted files.")]
EnergyKey = Annotated[
    str | None,
    typer.Option(
        "--energy",
        help="Read the reference energy, eV, from this key of the frames; the default is found by itself.",
        metavar="KEY",
    ),
]
ForcesKey = Annotated[
    str | None,
    typer.Option(
        "--forces",
        help="Read the reference forces, eV/Å, from this key of the frames; the default is found by itself.",
        metavar="KEY",
    ),
]
StressKey = Annotated[
    str | None,
    typer.Option(
        "--stress",
        help="Read the reference stress, eV/Å³, from this key of the frames; the default is found by itself.",
        metavar="KEY",
    ),
]

Frames = Annotated[Path, typer.Argument(help="Extended XYZ file of frames with reference labels.", metavar="FRAMES")]
Group = Annotated[
    str,
    typer.Option(
        help="Resample frames together that have the same value under this key, such as those of one trajectory.",
        metavar="KEY",
    ),
]
Resamples = Annotated[
    int, typer.Option(help="Resample this number of times for the error bars (bootstrap).", metavar="N", min=100)
]
MoleculeNames = Annotated[
    list[str] | None,
    typer.Option("--name", help="Give a molecule a name, such as EC=C3H4O3. The option can be repeated."),
]
