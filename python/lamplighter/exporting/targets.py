"""The builds of LAMMPS that an input is written for: what each reads, and the command that makes it of a model.

The words of `pair_style` and `pair_coeff` are those of `driver.own_lammps` and `driver.deepmd`; here is what comes
before and after them. Sources: the help of each command (mace-torch 0.3, nequip 0.15, sevenn 0.13), NequIP's
documentation ("LAMMPS"), MACE's ("MACE in LAMMPS", "MACE in LAMMPS with ML-IAP"), the READMEs of
mir-group/pair_nequip_allegro (commit 2e19360) and wcwitt/symmetrix (739660a).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ase.data import atomic_numbers

from lamplighter.driver.deepmd import KIND as DEEPMD
from lamplighter.driver.own_lammps import UNIFIED
from lamplighter.frameworks import FRAMEWORKS
from lamplighter.model_files.for_lammps import NEQUIP_OR_ALLEGRO

LAMPLIGHTER = "lamplighter"
PLAIN = "lammps"

ALLEGRO = "allegro"
"""A kind of model here: packages and checkpoints of the NequIP framework say which of its two networks they hold."""


@dataclass(frozen=True)
class Asked:
    """What the command that makes a file is told.

    Attributes:
        model: Name of the model file.
        result: Name of the file that is made, beside it.
        elements: Of the system, each once.
        dtype: `float64` or `float32`, for models that are converted in a precision.
        head: Of a model with several; None: the framework's default.
        gpu: Whether the file is for a GPU.
    """

    model: str
    result: str
    elements: tuple[str, ...]
    dtype: str
    head: str | None
    gpu: bool = True


@dataclass(frozen=True)
class Form:
    """How a model of a framework becomes the file that a pair style reads.

    Attributes:
        command: Carried out in the folder of the model.
        suffix: The file that it makes is called so: the name of the model, and this in place of `replaces`.
        replaces: Endings of the model's name that `suffix` takes the place of.
        not_here: Why the command is left to the user; empty: it is carried out where it is installed.
        takes_head, takes_dtype: Whether it is told a head, or a precision.
    """

    command: Callable[[Asked], list[str]]
    suffix: str
    replaces: tuple[str, ...] = ()
    not_here: str = ""
    takes_head: bool = False
    takes_dtype: bool = False

    def result(self, model: str) -> str:
        """The name of the file that is made of a model of this name."""
        for ending in self.replaces:
            if model.endswith(ending):
                return model.removesuffix(ending) + self.suffix
        return model + self.suffix


@dataclass(frozen=True)
class Target:
    """A build of LAMMPS that people have.

    Attributes:
        name: What the user types.
        styles: Pair styles, as `own_lammps.STYLES` names them; the second one is for several ranks.
        ready: What `for_lammps.recognise` says of files that it reads as they are.
        forms: By kind of model, what makes such a file.
        source: Where the lines are documented.
        kokkos: Whether the style has a form for the package KOKKOS.
        notes: What the user must know of this style.
    """

    name: str
    styles: tuple[str, ...] = ()
    ready: frozenset[str] = frozenset()
    forms: Mapping[str, Form] = field(default_factory=dict)
    source: str = ""
    kokkos: bool = False
    notes: tuple[str, ...] = ()


def _mace(asked: Asked, *words: str) -> list[str]:
    head = [] if asked.head is None else ["--head", asked.head]
    return ["mace_create_lammps_model", asked.model, "--dtype", asked.dtype, *head, *words]


def _symmetrix(asked: Asked) -> list[str]:
    numbers = [str(number) for number in sorted(atomic_numbers[element] for element in asked.elements)]
    head = [] if asked.head is None else ["--head", asked.head]
    return [
        "symmetrix_extract_mace", "--model", asked.model, "--atomic-numbers", *numbers, *head,
        "--output", asked.result,
    ]  # fmt: skip


def _nequip_unified(asked: Asked) -> list[str]:
    return ["nequip-prepare-lmp-mliap", asked.model, asked.result]


def _nequip_compile(style: str) -> Form:
    def command(asked: Asked) -> list[str]:
        device = "cuda" if asked.gpu else "cpu"
        words = ["--device", device, "--mode", "aotinductor", "--target", f"pair_{style}"]
        return ["nequip-compile", asked.model, asked.result, *words]

    return Form(command, ".nequip.pt2", _OF_NEQUIP, not_here="NequIP compiles on the machine that the file is for")


def _sevennet(*words: str) -> Callable[[Asked], list[str]]:
    def command(asked: Asked) -> list[str]:
        head = [] if asked.head is None else ["--modal", asked.head]
        return ["sevenn", "get_model", asked.model, "--output_prefix", asked.result.removesuffix(".pt"), *words, *head]

    return command


_OF_NEQUIP = (".nequip.zip", ".ckpt")
_NEQUIP_UNIFIED = Form(_nequip_unified, ".nequip.lmp.pt", _OF_NEQUIP)

SEVENNET_PARALLEL = Form(_sevennet("--get_parallel"), "_parallel", (".pth",), takes_head=True)
"""A folder; for `e3gnn/parallel`."""

TARGETS = {
    target.name: target
    for target in (
        Target(
            "mliap",
            (UNIFIED,),
            frozenset({UNIFIED}),
            {
                "mace": Form(
                    lambda asked: _mace(asked, "--format=mliap"),
                    "-mliap_lammps.pt",
                    not_here="MACE asks that it is done on a GPU of the kind that LAMMPS will run on",
                    takes_head=True,
                    takes_dtype=True,
                ),
                "nequip": _NEQUIP_UNIFIED,
                ALLEGRO: _NEQUIP_UNIFIED,
                "sevennet": Form(_sevennet("--use_mliap"), "_mliap.pt", (".pth",), takes_head=True),
            },
            "https://docs.lammps.org/pair_mliap.html",
            kokkos=True,
            notes=(
                "The Python that LAMMPS was built with must have torch, and the framework of the model.",
                "The model is a Python pickle, which LAMMPS opens: it may run any code.",
            ),
        ),
        Target(
            "allegro",
            ("allegro",),
            frozenset({"allegro", NEQUIP_OR_ALLEGRO}),
            {ALLEGRO: _nequip_compile("allegro")},
            "https://github.com/mir-group/pair_nequip_allegro",
            kokkos=True,
            notes=("pair_nequip_allegro needs LAMMPS of 10 Sep 2025 or newer.",),
        ),
        Target(
            "nequip",
            ("nequip",),
            frozenset({"nequip", NEQUIP_OR_ALLEGRO}),
            {"nequip": _nequip_compile("nequip")},
            "https://github.com/mir-group/pair_nequip_allegro",
            notes=(
                "pair_nequip_allegro needs LAMMPS of 10 Sep 2025 or newer.",
                "The style runs on one MPI rank, with `newton off`.",
            ),
        ),
        Target(
            "sevennet",
            ("e3gnn", "e3gnn/parallel"),
            frozenset({"e3gnn", "e3gnn/parallel"}),
            {"sevennet": Form(_sevennet(), "_serial.pt", (".pth",), takes_head=True)},
            "https://github.com/MDIL-SNU/SevenNet/blob/main/docs/source/user_guide/lammps_torch.md",
            notes=("SevenNet patches LAMMPS of 2 Aug 2023.", "It finds the GPU by itself."),
        ),
        Target(
            "symmetrix",
            ("symmetrix/mace",),
            frozenset({"symmetrix/mace"}),
            {"mace": Form(_symmetrix, ".json", (".model", ".pt"), takes_head=True)},
            "https://github.com/wcwitt/symmetrix/tree/main/pair_symmetrix",
            kokkos=True,
            notes=("Symmetrix needs LAMMPS of 10 Sep 2025 or newer.",),
        ),
        Target(
            "mace",
            ("mace",),
            frozenset({"mace"}),
            {"mace": Form(_mace, "-lammps.pt", takes_head=True, takes_dtype=True)},
            "https://mace-docs.readthedocs.io/en/latest/guide/lammps.html",
        ),
        Target(
            DEEPMD,
            (DEEPMD,),
            frozenset({DEEPMD}),
            source="https://docs.deepmodeling.com/projects/deepmd/en/stable/third-party/lammps-command.html",
            notes=(
                "DeePMD-kit finds the GPU by itself.",
                "`lmp` of `pip install 'deepmd-kit[cpu,lmp]'` finds the plugin by itself; any other LAMMPS looks into "
                "the folder that LAMMPS_PLUGIN_PATH names.",
            ),
        ),
        Target("quip", ("quip",), frozenset({"quip"}), source="https://docs.lammps.org/pair_quip.html"),
        Target(PLAIN, source="https://docs.lammps.org/Commands_pair.html"),
        Target(LAMPLIGHTER),
    )
}
"""By name. `lammps` has the pair styles that the run file itself gives, `lamplighter` whatever a run has."""

_PREFERRED = {"mace": "mliap", "nequip": "mliap", "sevennet": "mliap", ALLEGRO: "allegro"}

_NAMES = {**{kind: each.name for kind, each in FRAMEWORKS.items()}, "nequip": "NequIP", ALLEGRO: "Allegro"}


def that_take(kind: str, ready: str | None) -> list[str]:
    """Names of the targets that take a model: ready for a style, or of a kind; the one that fits best is first."""
    if ready is not None:
        return [name for name, target in TARGETS.items() if ready in target.ready]
    found = [name for name, target in TARGETS.items() if kind in target.forms]
    return sorted(found, key=lambda name: name != _PREFERRED.get(kind))


def name_of(kind: str) -> str:
    """A kind of model as its authors write it."""
    return _NAMES.get(kind, kind)
