"""Compile models into faster files, which are checked against the originals.

A file is written only if energies and forces of clusters agree with the framework's. MACE, NequIP and SevenNet become
numbers only, no code, no pickle, for the native engine; plain `lmp` without Python reads them, too. Allegro becomes
machine code for this kind of processor, made by torch (about a minute), and so does NequIP where the output ends in
.nequip.pt2. Use the file as any model: `pair_coeff * * MODEL.lamp H C O`, or in a run file.

With `--training TRAIN.xyz -o FILE.training` a model stays as it is, and what it makes of its training set is written
beside it, for a model that the native engine does not cover.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lamplighter.errors import LamplighterError

if TYPE_CHECKING:
    from lamplighter.observables.extrapolation import Extrapolation


def compile(  # noqa: A001 (the name of the command)
    models: Annotated[
        list[Path],
        typer.Argument(
            help="Models of MACE, NequIP or SevenNet, of which several of one architecture make a committee, or one "
            "model of Allegro; weights that come with SevenNet by their name, such as 7net-0."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Write this file; the default lies beside the model and ends in .lamp, or .nequip.pt2 for Allegro. "
            "With `--training` it may end in .training.",
        ),
    ] = None,
    elements: Annotated[
        str | None,
        typer.Option(help='Keep only these elements, such as "H C O", so that a large model becomes a small file.'),
    ] = None,
    head: Annotated[
        str | None, typer.Option(help="Take this head, modality or network of a model with several.")
    ] = None,
    training: Annotated[
        Path | None,
        typer.Option(
            help="Learn this file of structures, which the model was trained on, so that the compiled model knows "
            "where it is ignorant: `lamplighter extrapolation check MODEL.lamp RUN`. With `-o FILE.training`, learn it "
            "by the model as its framework evaluates it.",
            metavar="FILE",
        ),
    ] = None,
    trust: Annotated[bool, typer.Option("--trust", help="Put the model files on your list of trusted files.")] = False,
) -> None:
    from lamplighter import pretrained_weights
    from lamplighter.file_suffixes import COMPILED, TRAINING_SET
    from lamplighter.model_files import recognition

    if output is None and pretrained_weights.is_name(models[0]):
        output = Path(f"{models[0]}{COMPILED}")  # here, and not in the package
    models = [pretrained_weights.file_of(model) for model in models]
    if output is not None and output.name.endswith(TRAINING_SET):
        _learn_beside(models, output, elements, head, training, trust)
    elif recognition.is_nequip(models[0]) and _as_machine_code(models[0], output):
        if training is not None:
            raise LamplighterError(
                f"--training is for .lamp files, and {models[0]} becomes machine code, which knows nothing of its "
                f"training set: use the model itself, and write what it makes of its training set beside it, `-o "
                f"{models[0].name.partition('.')[0]}{TRAINING_SET}`"
            )
        _compile_nequip(models, output, elements, head, trust)
    else:
        _compile_native(models, output, elements, head, training, trust)


def _as_machine_code(model: Path, output: Path | None) -> bool:
    """Whether a model of NequIP's framework becomes a program of torch: if that is asked for, and if it is Allegro."""
    from lamplighter.file_suffixes import COMPILED
    from lamplighter.model_files.describe import describe
    from lamplighter.potentials.nequip_compile import SUFFIX

    if output is not None and output.name.endswith((SUFFIX, COMPILED)):
        return output.name.endswith(SUFFIX)
    return describe(model).framework == "Allegro"


def _require_trusted(models: list[Path], trust: bool) -> None:
    from lamplighter.model_files import training_files
    from lamplighter.model_files import trust as trusted
    from lamplighter.model_files.examination import code_in

    for model in models:
        training_files.refuse(model)
    programs = [(model, reason) for model in models if (reason := code_in(model))]
    trusted.ask_at_terminal()
    trusted.require(
        [trusted.Program(str(model), trusted.sha256(model), reason) for model, reason in programs], trust=trust
    )


def _target(output: Path | None, default: Path, suffix: str) -> Path:
    target = output or default
    if not target.name.endswith(suffix):
        raise LamplighterError(f"{target}: compiled models end in {suffix}")
    if not target.parent.is_dir():
        raise LamplighterError(f"{target}: there is no folder {target.parent}")
    return target


def _compile_nequip(
    models: list[Path], output: Path | None, elements: str | None, head: str | None, trust: bool
) -> None:
    from lamplighter.model_files import trust as trusted
    from lamplighter.potentials.nequip_compile import SUFFIX, compile_file

    if len(models) > 1:
        raise LamplighterError(
            f"models of NequIP and Allegro become machine code one by one, and {len(models)} are given; for a "
            "committee list the compiled files in `models`"
        )
    if elements is not None:
        raise LamplighterError(
            "--elements is for .lamp files: machine code of NequIP or Allegro keeps all elements of its model"
        )
    (model,) = models
    target = _target(output, model.with_name(model.name.partition(".")[0] + SUFFIX), SUFFIX)
    _require_trusted(models, trust)
    print(f"{model}: {compile_file(model, target, head)}")
    trusted.add([target])  # it was made here, of a file that is trusted
    _say_written(target)


def _say_written(target: Path) -> None:
    print(f"wrote {target} ({target.stat().st_size / 1024:.0f} KiB)")


def _compile_native(
    models: list[Path],
    output: Path | None,
    elements: str | None,
    head: str | None,
    training: Path | None,
    trust: bool,
) -> None:
    from lamplighter.file_suffixes import COMPILED
    from lamplighter.potentials.native import NotCovered, compile_files
    from lamplighter.structures.labelled_frames import read_frames

    target = _target(output, models[0].with_name(models[0].name.removesuffix(".zip")).with_suffix(COMPILED), COMPILED)
    frames, dropped = read_frames(training) if training is not None else ([], "")
    _require_trusted(models, trust)
    symbols = elements.replace(",", " ").split() if elements else None
    learnt = None
    try:
        # beside its place until it is whole, with what it is to know
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
            made = Path(folder) / target.name
            agreements = compile_files(models, made, symbols, head)
            if training is not None:
                from lamplighter.driver.training_statistics import learn_training_set

                learnt = learn_training_set(made, training, frames)
            made.replace(target)
    except NotCovered as problem:
        beside = "; what it makes of its training set is written beside it with `-o FILE.training`"
        raise LamplighterError(
            f"the native engine does not cover {problem}; run this model with `engine bridge`"
            f"{'' if training is None else beside}"
        ) from None
    except OSError as problem:
        raise LamplighterError(f"{target} cannot be written ({problem.strerror})") from problem
    for model, agreement in zip(models, agreements, strict=True):
        print(f"{model}: {agreement}")
    if learnt is not None:
        _say_learnt(learnt, training, dropped)
    _say_written(target)


def _learn_beside(
    models: list[Path], output: Path, elements: str | None, head: str | None, training: Path | None, trust: bool
) -> None:
    from lamplighter.driver.training_statistics import learn_beside
    from lamplighter.file_suffixes import TRAINING_SET
    from lamplighter.structures.labelled_frames import read_frames

    if training is None:
        raise LamplighterError(
            f"{output} is to hold what a model makes of its training set: name that, --training FILE"
        )
    if len(models) > 1:
        raise LamplighterError(
            f"{output} is about one model, the one that moves the atoms, and {len(models)} are given"
        )
    target = _target(output, output, TRAINING_SET)
    frames, dropped = read_frames(training)
    _require_trusted(models, trust)
    symbols = elements.replace(",", " ").split() if elements else None
    try:
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
            made = Path(folder) / target.name
            learnt = learn_beside(models[0], made, training, frames, symbols, head)
            made.replace(target)
    except OSError as problem:
        raise LamplighterError(f"{target} cannot be written ({problem.strerror})") from problem
    _say_learnt(learnt, training, dropped)
    _say_written(target)


def _say_learnt(learnt: Extrapolation, training: Path | None, dropped: str) -> None:
    from lamplighter.report.extrapolation_text import format_fit

    if dropped:
        learnt.notes.append(f"{training}: {dropped}")
    print(format_fit(learnt))
