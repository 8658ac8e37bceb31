"""Errors of models from one composition of a liquid to the next: what the command `transfer` prints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lamplighter.api.answer import Answer, in_words_of_python
from lamplighter.api.bond_rule import rule_of_frames
from lamplighter.api.chosen_models import ModelFiles, predict, usable_models, words_of_models
from lamplighter.api.files import StrPath, files_of, texts_of
from lamplighter.errors import LamplighterError

if TYPE_CHECKING:
    from lamplighter.analysis.bonding import BondRule
    from lamplighter.observables.transfer import Transfer


@in_words_of_python
def transfer(
    frames: StrPath | Iterable[StrPath],
    models: ModelFiles | None = None,
    *,
    run_file: StrPath | None = None,
    kind: str | None = None,
    dtype: str | None = None,
    device: str | None = None,
    trust: bool = False,
    trained: ModelFiles | None = None,
    species: Literal["molecules", "elements"] = "molecules",
    names: Mapping[str, str] | Iterable[str] = (),
    constraints: str | Iterable[str] = (),
    most: int = 24,
    bonds: str | None = None,
    tolerance: str | float | None = None,
    ions: str | None = None,
    bonded: str | None = None,
    unbonded: str | None = None,
    energy: str | None = None,
    forces: str | None = None,
) -> Answer[Transfer]:
    """Errors of models by composition of the liquid: what `lamplighter transfer` prints.

    Args:
        frames: Extended XYZ files of frames with reference labels, or patterns.
        models, run_file, kind, dtype, device, trust, energy, forces: As of `model_errors`; a committee is one row.
        trained: Training data whose compositions are marked: of all rows, or a mapping of rows to files.
        species: Whether compositions are counted in molecules or in elements.
        names: Of molecules, e.g. `{"EC": "C3H4O3"}`; frames that hold others are left out.
        constraints: Relations that compositions obey, such as that of charges, "Li=1 F6P=-1".
        most: So many compositions are shown, the most frequent.
        bonds, tolerance, ions, bonded, unbonded: Which atoms are bonded (docs/theory/bonds.md).

    Returns:
        Errors of each row at each composition, and whether the data fix the energy of each species.

    Raises:
        LamplighterError: frames, labels or models cannot be used; of several models all is told at once.

    Source: docs/how_to/transfer.md.
    """
    from lamplighter.observables.predictions import committees
    from lamplighter.observables.transfer import compositions_of, only_named, rows_of, transfer_of_models
    from lamplighter.report.transfer_text import SHOWN
    from lamplighter.structures.labelled_frames import read_labelled

    if species not in ("molecules", "elements"):
        raise LamplighterError(f"--species must be molecules or elements, got {species!r}")
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise LamplighterError(f"--most must be a whole number of 1 at least, got {most!r}")
    rule = rule_of_frames(bonds, tolerance, ions, bonded, unbonded)
    if isinstance(names, Mapping):
        names = [f"{name}={formula}" for name, formula in names.items()]
    called = dict(pair("--name", text)[::-1] for text in texts_of(names, "--name"))
    choice = usable_models(models, run_file, kind, dtype, device, trust)
    sets = [read_labelled(each, energy, forces) for each in files_of(frames, "frames")]
    together = [atoms for each in sets for atoms in each.frames]
    labels = [label for each in sets for label in each.labels]
    elements = list(dict.fromkeys(symbol for each in sets for symbol in each.elements))
    made_of = compositions_of(together, species, called, rule)
    notes = [note for each in sets for note in each.notes]
    if called:
        kept, made_of, left_out = only_named(made_of, list(called.values()))
        notes += left_out
        together, labels = [together[k] for k in kept], [labels[k] for k in kept]
    known = training_compositions(words_of_models(trained), species, called, rule)
    coefficients = [_coefficients(text, made_of.species) for text in texts_of(constraints, "--constraint")]
    rows = rows_of(committees(predict(choice, together, elements)))
    result = transfer_of_models(labels, made_of, rows, known, most, coefficients)
    result.notes.extend(notes)
    return Answer(result, SHOWN)


def training_compositions(
    given: Sequence[str], species: str, called: Mapping[str, str], bonds: BondRule
) -> dict[str, set[str]] | None:
    """Compositions in the training data of each row; the empty name stands for all rows."""
    from lamplighter.observables.transfer import compositions_of
    from lamplighter.structures.labelled_frames import read_frames

    found: dict[str, set[str]] = {}
    for text in given:
        row, _, file = ("", "", text) if Path(text).exists() else text.rpartition("=")
        made_of = compositions_of(read_frames(Path(file))[0], species, called, bonds)
        found[row] = found.get(row, set()) | set(made_of.names)
    return found or None


def pair(option: str, text: str) -> tuple[str, str]:
    """`NAME=VALUE` in two.

    Raises:
        LamplighterError: it is not of this form.
    """
    first, sign, second = text.partition("=")
    if not (first and sign and second):
        raise LamplighterError(f"{option} {text}: expected NAME=VALUE")
    return first, second


def _coefficients(text: str, species: list[str]) -> list[int]:
    """`Li=1 F6P=-1` as one number for each species."""
    found = dict.fromkeys(species, 0)
    for word in text.replace(",", " ").split():
        name, value = pair("--constraint", word)
        if name not in found:
            raise LamplighterError(f"--constraint {text}: no {name!r} among the species {', '.join(species)}")
        try:
            found[name] = int(value)
        except ValueError:
            raise LamplighterError(f"--constraint {text}: {value!r} is no whole number") from None
    return list(found.values())
