"""Label frames with energies, forces and stresses of a reference method.

Frames are computed by several processes, and each result is kept at once: a command that was broken off goes on when it
is repeated. Frames that fail are set aside in a file of their own, with the reason.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lamplighter import exit_status
from lamplighter.cli import options
from lamplighter.cli.method_options import Option, options_of
from lamplighter.cli.output import show_answer


def label(
    frames: Annotated[Path, typer.Argument(help="Frames to label: anything that ASE reads.", metavar="FRAMES")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Write the frames with labels into this file.", metavar="FILE.xyz")
    ],
    method: Annotated[
        str,
        typer.Option(
            help="Compute labels by gfn2, gfn1 or opls-aa, by an ASE calculator module:Class, by the potential of a "
            "run file or model file, or by the program of a command file.",
            metavar="METHOD",
        ),
    ],
    option: Option = None,
    charge: Annotated[
        int | None, typer.Option(help="Frames that state no charge have this one; the default is 0.", metavar="Q")
    ] = None,
    multiplicity: Annotated[
        int | None,
        typer.Option(help="Frames that state no multiplicity, 2S+1, have this one; the default is 1.", metavar="M"),
    ] = None,
    prefix: Annotated[
        str, typer.Option(help="Put this before the names energy, forces and stress, such as REF_.", metavar="WORD")
    ] = "",
    workers: Annotated[
        int | None,
        typer.Option(
            help="Compute this number of frames at once; the default is one a core, and one for a command.", metavar="N"
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            help="Use this number of threads for each frame; the default is cores / frames at once.", metavar="N"
        ),
    ] = None,
    timeout: Annotated[
        str | None, typer.Option(help="Set a frame aside that takes longer, such as 30min.", metavar="TIME")
    ] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Try frames again that failed before.")] = False,
    trust: Annotated[bool, typer.Option("--trust", help="Put model files on your list of trusted files.")] = False,
    csv: options.Csv = None,
    as_json: options.Json = False,
) -> None:
    from lamplighter.api import label as labelling
    from lamplighter.api.answer import in_words_of_commands

    answer = in_words_of_commands(labelling.label)(
        frames,
        method,
        output,
        options=options_of(option),
        charge=charge,
        multiplicity=multiplicity,
        prefix=prefix,
        workers=workers,
        threads=threads,
        timeout=timeout,
        retry=retry,
        trust=trust,
    )
    show_answer(answer, csv=csv, as_json=as_json)
    raise typer.Exit(exit_status.ERROR if answer.failures else exit_status.GOOD)
