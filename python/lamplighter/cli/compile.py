"""`lamplighter compile`: a MACE model as one file of plain numbers for the native engine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lamplighter.errors import LamplighterError


def compile(  # noqa: A001 (the name of the command)
    models: Annotated[list[Path], typer.Argument(help="MACE .model files; several of one architecture: a committee.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File to write; default: beside the model, as .lamp")
    ] = None,
    elements: Annotated[
        str | None, typer.Option(help='Keep only these, such as "H C O"; a large model becomes a small file.')
    ] = None,
    head: Annotated[str | None, typer.Option(help="Head of a multi-head model; default: the last.")] = None,
) -> None:
    """Turn MACE models into a file for the native engine, checked against them.

    The file holds numbers only: no code, no pickle. It is written only if energies and forces of random clusters agree
    with mace-torch's. Use it as any model: `pair_coeff * * MODEL.lamp H C O`, or in a run file; plain `lmp` without
    Python reads it too.
    """
    from lamplighter.potentials.native import SUFFIX, NotCovered, compile_files

    target = output or models[0].with_suffix(SUFFIX)
    if target.suffix != SUFFIX:
        raise LamplighterError(f"{target}: compiled models end in {SUFFIX}")
    if not target.parent.is_dir():
        raise LamplighterError(f"{target}: there is no folder {target.parent}")
    symbols = elements.replace(",", " ").split() if elements else None
    try:
        agreements = compile_files(models, target, symbols, head)
    except NotCovered as problem:
        raise LamplighterError(
            f"the native engine does not cover {problem}; run this model with `engine bridge`"
        ) from None
    except OSError as problem:
        raise LamplighterError(f"{target} cannot be written ({problem.strerror})") from problem
    for model, agreement in zip(models, agreements, strict=True):
        print(f"{model}: {agreement}")
    print(f"wrote {target} ({target.stat().st_size / 1024:.0f} KiB)")
