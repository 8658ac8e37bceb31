"""The model file of an export: copied, converted by the tool of its framework, or left to a command that is named."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from lamplighter.config.potential import PotentialSection
from lamplighter.driver import own_lammps
from lamplighter.driver.deepmd import KIND as DEEPMD
from lamplighter.errors import LamplighterError, ModelError
from lamplighter.exporting import targets
from lamplighter.exporting.targets import SEVENNET_PARALLEL, Asked, Form, Target
from lamplighter.file_suffixes import COMPILED
from lamplighter.model_files import for_lammps, recognition, training_files
from lamplighter.model_files import trust as trusted
from lamplighter.model_files.calculator_file import is_calculator_file
from lamplighter.model_files.examination import code_in
from lamplighter.model_files.gap_file import companions

FOLDER = "models"
_CONVERSION_S = 1800.0
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9._+-]")


@dataclass(frozen=True)
class ModelForm:
    """A model, and the form in which a target takes it.

    Attributes:
        model: The file of the run.
        style: Pair style that reads it, as `own_lammps.STYLES` names it.
        form: What makes the file that is read; None: it is read as it is.
    """

    model: Path
    style: str
    form: Form | None


def kind_of(model: Path, potential: PotentialSection) -> tuple[str, str | None]:
    """The kind of a model, and what reads it as it is: a style of LAMMPS, or nothing.

    Raises:
        ModelError: it is of no kind that is known here.
    """
    if potential.kind == DEEPMD:
        return DEEPMD, DEEPMD
    if is_calculator_file(model):
        return "ase", None
    if model.suffix == COMPILED:
        return COMPILED, None
    if (ready := for_lammps.recognise(model)) is not None:
        return "", ready
    framework = recognition.framework_of(model)
    if framework is None:
        raise ModelError(f"{model} is of no kind that is known here: `lamplighter models` says what is")
    if framework.kind == "nequip" and not recognition.is_nequip_compiled(model):
        from lamplighter.model_files import nequip_file  # imports torch, which most exports need not

        return (targets.ALLEGRO if nequip_file.describe(model).framework == "Allegro" else "nequip"), None
    return framework.kind, None


def form_for(model: Path, potential: PotentialSection, target: Target, ranks: int) -> ModelForm:
    """The form in which a target takes a model.

    Raises:
        ModelError: it takes none such, or not on that many ranks; the message names the targets that do.
    """
    kind, ready = kind_of(model, potential)
    if ready in target.ready:
        style = ready if ready in target.styles else target.styles[0]
        if ranks > 1 and style in ("nequip", "e3gnn"):
            raise ModelError(
                f"--ranks {ranks}: {model} is for pair_style {style}, which runs on one rank: {_ON_SEVERAL[style]}"
            )
        return ModelForm(model, style, None)
    form = target.forms.get(kind)
    if form is None:
        raise ModelError(f"--for {target.name}: {model} is {_in_words(kind, ready)}; {_instead(kind, ready)}")
    style = target.styles[0]
    if ranks > 1 and style == "nequip":
        raise ModelError(f"--ranks {ranks}: pair_style nequip runs on one rank: {_ON_SEVERAL[style]}")
    if ranks > 1 and style == "e3gnn":
        style, form = target.styles[1], SEVENNET_PARALLEL
        if _tool(form.command(Asked("", "", (), "", None))[0]) is None:
            raise ModelError(
                f"--ranks {ranks}: pair_style e3gnn/parallel needs to be told how many files `sevenn get_model "
                f"--get_parallel {model}` makes, and sevenn is not installed here: export where it is, or --for mliap"
            )
    if potential.head is not None and not form.takes_head:
        raise ModelError(
            f"--for {target.name}: potential.head {potential.head} cannot be told to {form.command(_NOTHING)[0]}"
        )
    return ModelForm(model, style, form)


_NOTHING = Asked("", "", (), "", None)
_ON_SEVERAL = {"nequip": "--for mliap", "e3gnn": "`sevenn get_model --get_parallel`, or --for mliap"}


def _in_words(kind: str, ready: str | None) -> str:
    if kind == "ase":
        return "an ASE calculator, which no pair style evaluates"
    if kind == COMPILED:
        return "a file of Lamplighter's own engine; name the model that it was compiled of in the run file"
    if ready is not None:
        return f"a file for pair_style {ready.removesuffix(' unified')}"
    return f"a model of {targets.name_of(kind)}"


def _instead(kind: str, ready: str | None) -> str:
    takes = [*targets.that_take(kind, ready), targets.LAMPLIGHTER]
    return f"it can be exported --for {' or '.join(takes)}"


def _ending_for(style: str, model: Path) -> str:
    """What a copy of a file has to be called behind its name: some styles tell by its end how to open it.

    Sources: LAMMPS documentation, `pair_style mliap` (keyword unified); pair_nequip_allegro.cpp (commit 2e19360).
    """
    if style == own_lammps.UNIFIED:
        return "" if model.suffix in (".pt", ".pth") or not recognition.members(model) else ".pt"
    if style not in ("nequip", "allegro") or model.name.endswith((".nequip.pt2", ".nequip.pth")):
        return ""
    return ".nequip.pt2" if recognition.is_nequip_compiled(model) else ".nequip.pth"


def copied(model: Path, folder: Path, ending: str = "") -> Path:
    """A copy of a model in a folder, by a name that LAMMPS' input can hold; with the files that belong to it."""
    folder.mkdir(exist_ok=True)
    plain = _NOT_PLAIN.sub("_", model.name) + ending
    name, number = plain, 1
    while (folder / name).exists():
        number += 1
        name = f"{number}_{plain}"
    if model.is_dir():
        shutil.copytree(model, folder / name)
        return folder / name
    for each in companions(model) if model.suffix == ".xml" else ():
        shutil.copyfile(each, folder / each.name)
    shutil.copyfile(model, folder / name)
    return folder / name


@dataclass(frozen=True)
class MadeModel:
    """A model in the folder of an export.

    Attributes:
        path: The file, or folder, that LAMMPS reads.
        made: Whether it is there.
        command: What makes it, or has made it; empty: it was copied.
        why: Why the command is left to the user.
    """

    path: Path
    made: bool
    command: tuple[str, ...] = ()
    why: str = ""


def make(wanted: ModelForm, potential: PotentialSection, elements: tuple[str, ...], folder: Path,
         *, convert: bool, trust: bool) -> MadeModel:  # fmt: skip
    """Put a model into the folder of an export, in the form that its style reads.

    Args:
        wanted: From `form_for`.
        potential: Section of the run file, for precision and head.
        elements: Of each atom type.
        folder: For models.
        convert: Carry commands out where that can be done here.
        trust: Put the model on the user's list of trusted files.

    Raises:
        UntrustedModelError: it would have to be opened, and could run code.
        ModelError: the tool of the framework failed.
    """
    form = wanted.form
    if form is None:
        return MadeModel(copied(wanted.model, folder, _ending_for(wanted.style, wanted.model)), True)
    dtype = "float32" if potential.dtype == "float32" else "float64"
    tool = _tool(form.command(_NOTHING)[0])
    why = form.not_here or ("" if tool else f"{form.command(_NOTHING)[0]} is not installed here")
    here = convert and not why
    if here:
        _require_trusted(wanted.model, trust)
    training_files.refuse(wanted.model)
    model = copied(wanted.model, folder)
    result = form.result(model.name)
    command = form.command(Asked(model.name, result, tuple(dict.fromkeys(elements)), dtype, potential.head))
    if here:
        _carry_out([str(tool), *command[1:]], folder, wanted.model)
        if not (folder / result).exists():
            raise ModelError(f"{' '.join(command)} made no {result}: leave the conversion to yourself by --no-convert")
        model.unlink()
    return MadeModel(folder / result, here, tuple(command), why or ("" if here else "--no-convert was given"))


def _tool(name: str) -> Path | None:
    """The program of that name in this Python's own environment."""
    path = Path(sys.executable).parent / name
    return path if path.is_file() else None


def _require_trusted(model: Path, trust: bool) -> None:
    if reason := code_in(model):
        trusted.ask_at_terminal()
        trusted.require([trusted.Program(str(model), trusted.sha256(model), reason)], trust=trust)


def _carry_out(command: list[str], folder: Path, model: Path) -> None:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=_CONVERSION_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise LamplighterError(f"{' '.join(command)} could not be carried out: {problem}") from problem
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:] or [f"status {done.returncode}"]
        raise ModelError(
            f"{Path(command[0]).name} cannot convert {model}: {last[0].strip()}. --no-convert writes the command into "
            "the export in its place"
        )
