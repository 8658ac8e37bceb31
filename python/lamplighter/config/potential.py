"""The section of the run file for its potential: who evaluates energies and forces, and of which files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ModelWrapValidatorHandler, PrivateAttr, field_validator, model_validator
from pydantic_core import PydanticCustomError

from lamplighter import pretrained_weights
from lamplighter.config.corrections import DispersionSection, ZblSection
from lamplighter.config.member_lines import lines_of, parse_member, with_absolute_files
from lamplighter.config.quantity import Length, Quantity
from lamplighter.config.section import ConfigSection
from lamplighter.named_calculator import problem_of_name, problem_of_options

EvaluatedBy = Literal["lamplighter", "deepmd", "own lammps", "lammps", "classical"]

Engine = Literal["auto", "native", "torch-fast", "symmetrix", "bridge"]
"""Who evaluates models of `pair_style lamplighter`."""

_OF_CLASSICAL = ("charge_scale", "water", "cutoff", "tail_correction", "kspace_accuracy", "molecules")


class PotentialSection(ConfigSection):
    """Model files, an ASE calculator, a classical force field, or pair styles of LAMMPS, one or a committee of them."""

    kind: str = "auto"
    models: list[Path] = Field(default_factory=list)
    head: str | None = None
    training_set: Path | None = None
    calculator: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    dtype: Literal["auto", "float64", "float32"] = "auto"
    device: str = "auto"
    engine: Engine = "auto"
    tf32: bool = False
    via: Literal["auto", "own"] = "auto"
    kokkos: Annotated[int, Field(ge=0)] | None = None
    python: Path | None = None
    strict: bool = False
    members: list[list[str]] = Field(default_factory=list)
    dispersion: DispersionSection | None = None
    zbl: ZblSection | None = None
    lammps: list[str] = Field(default_factory=list)
    classical: Literal["opls-aa"] | None = None
    charge_scale: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    water: Literal["spc/e", "tip3p"] | None = None
    cutoff: Length = Quantity(10.0, "A")
    tail_correction: bool = True
    kspace_accuracy: Annotated[float, Field(ge=1e-10, le=1e-2)] = 1e-5
    molecules: Path | None = None
    _notes: tuple[str, ...] = PrivateAttr(())

    @model_validator(mode="wrap")
    @classmethod
    def _words_of_earlier_versions(
        cls, given: Any, validate: ModelWrapValidatorHandler[PotentialSection]
    ) -> PotentialSection:
        """`via: native` is `via: own`; `native` is the name of Lamplighter's own engine alone."""
        if not (isinstance(given, dict) and given.get("via") == "native"):
            return validate(given)
        section = validate({**given, "via": "own"})
        section._notes = ("potential.via: native is now called own; write `via: own`",)
        return section

    @field_validator("device")
    @classmethod
    def _known_device(cls, given: str) -> str:
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", given):
            raise _problem(f"must be auto, cpu, cuda or cuda:K (K the index of a GPU), got {given!r}")
        return given

    @field_validator("models", mode="before")
    @classmethod
    def _one_model(cls, given: Any) -> Any:
        return [given] if isinstance(given, str | Path) else given

    @field_validator("lammps", mode="before")
    @classmethod
    def _block_of_lines(cls, given: Any) -> Any:
        return [line for line in given.splitlines() if line.strip()] if isinstance(given, str) else given

    @field_validator("members", mode="before")
    @classmethod
    def _blocks_of_lines(cls, given: Any) -> Any:
        if not isinstance(given, list | tuple):
            return given
        return [lines_of(member) if isinstance(member, str | list | tuple) else member for member in given]

    @model_validator(mode="after")
    def _one_of_five(self) -> PotentialSection:
        given = self.given
        if len(given) != 1:
            text = f"{' and '.join(given)} are given" if given else "none is given"
            raise _problem(
                "needs one of `models` (files of a machine-learned potential), `calculator` (an ASE calculator), "
                "`members` (pair styles of LAMMPS as a committee), `lammps` (lines of one LAMMPS pair style) and "
                f"`classical` (a classical force field), and {text}"
            )
        return self

    @model_validator(mode="after")
    def _calculator_is_named(self) -> PotentialSection:
        if self.calculator is None:
            if self.options:
                raise _problem("is of `potential.calculator`, which is not given", "options")
            return self
        if wrong := problem_of_name(self.calculator):
            raise _problem(wrong, "calculator")
        if wrong := problem_of_options(self.options):
            raise _problem(wrong, "options")
        if self.kind not in ("auto", "ase"):
            raise _problem(f"must be ase with `potential.calculator`, got {self.kind!r}", "kind")
        if self.strict:
            raise _problem(
                "with `potential.calculator`, the run file itself names code that is run; to trust it by its hash, put "
                "`calculator` and `options` into a file of its own, name that in `models`, and `lamplighter trust` it",
                "strict",
            )
        return self

    @model_validator(mode="after")
    def _members_are_pair_styles(self) -> PotentialSection:
        for index, member in enumerate(self.members):
            try:
                parse_member(member)
            except ValueError as problem:
                raise _problem(str(problem), f"members[{index}]") from None
        return self

    @model_validator(mode="after")
    def _keys_fit_the_kind(self) -> PotentialSection:
        of_bridge = {"dtype": "auto", "device": "auto", "engine": "auto", "tf32": False}
        given = [key for key, default in of_bridge.items() if getattr(self, key) != default]
        if given and self.kind == "deepmd":
            raise _problem("is not of kind deepmd: DeePMD-kit's own pair style evaluates its models, in the "
                           "precision in which they were frozen", given[0])  # fmt: skip
        if given and self.via == "own":
            raise _problem("is not of `via: own`: a pair style of LAMMPS evaluates the models as they were made "
                           "for it", given[0])  # fmt: skip
        if self.tf32 and self.evaluated_by != "lamplighter":
            raise _problem("is of `models` that a GPU evaluates through the bridge or torch-fast", "tf32")
        if self.tf32 and (self.device == "cpu" or self.dtype == "float64" or self.engine in ("native", "symmetrix")):
            key = next(
                key
                for key, given in (("device", ("cpu",)), ("dtype", ("float64",)), ("engine", ("native", "symmetrix")))
                if getattr(self, key) in given
            )
            raise _problem(
                f"rounds products in float32 on a GPU, and `potential.{key}` is {getattr(self, key)}: leave out one of "
                "the two",
                "tf32",
            )
        if self.engine in ("torch-fast", "symmetrix") and (self.kind not in ("auto", "mace") or not self.models):
            raise _problem(f"{self.engine} evaluates models of MACE, named in `models`", "engine")
        if self.via == "own" and not self.models:
            raise _problem("own is of `models`; pair styles of `lammps` and `members` are LAMMPS' own anyway", "via")
        if self.kokkos is not None and self.models and self.via != "own":
            raise _problem("is of pair styles of LAMMPS: `via: own`, `lammps` or `members`", "kokkos")
        if self.head is not None and (self.kind == "deepmd" or not self.models):
            raise _problem("is of `potential.models` that the bridge or the native engine evaluates", "head")
        if self.head is not None and not re.fullmatch(r"[^\s\"'#$&]+", self.head):
            raise _problem(f"must be one word, got {self.head!r}", "head")
        if self.training_set is not None and (self.evaluated_by != "lamplighter" or not self.models):
            raise _problem("is of `potential.models` that the bridge or the native engine evaluates", "training_set")
        for key in ("dispersion", "zbl"):
            if self.classical and getattr(self, key) is not None:
                raise _problem("is added to `models` or `members`; `classical` has its own dispersion", key)
            if self.lammps and getattr(self, key) is not None:
                raise _problem("is added to `models` or `members`; beside `lammps`, write it into these lines", key)
        return self

    @model_validator(mode="after")
    def _keys_of_classical(self) -> PotentialSection:
        fields = type(self).model_fields
        if self.classical is None:
            for key in _OF_CLASSICAL:
                if getattr(self, key) != fields[key].default:
                    raise _problem("is of `potential.classical`, which is not given", key)
            return self
        for key in ("kind", "dtype", "device", "engine", "tf32", "kokkos", "strict", "head"):
            if getattr(self, key) != fields[key].default:
                raise _problem("is of models; `classical` is evaluated by LAMMPS' own styles", key)
        return self

    @property
    def given(self) -> list[str]:
        """Keys that say what evaluates; a valid section has one of them."""
        return [key for key in ("models", "calculator", "members", "lammps", "classical") if getattr(self, key)]

    @property
    def evaluated_by(self) -> EvaluatedBy:
        """Who evaluates: `pair_style lamplighter`, DeePMD-kit, a style of the user's own LAMMPS, or LAMMPS' styles."""
        if self.classical:
            return "classical"
        if self.lammps or self.members:
            return "lammps"
        if self.kind == "deepmd":
            return "deepmd"  # it brings its own pair style, whatever `via` says
        return "own lammps" if self.via == "own" else "lamplighter"

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user is told: words of earlier versions that are still used here."""
        return self._notes

    def resolved(self, base: Path) -> PotentialSection:
        """A copy with absolute paths; relative ones are those of `base`, the folder of the run file.

        Raises:
            ModelError: a model is the name of weights that are not there.
        """
        python = interpreter(self.python, base)
        named = [pretrained_weights.file_of(model, base, python) for model in self.models]
        return self.model_copy(
            update={
                "models": [absolute(model, base) for model in named],
                "python": python,
                "members": [with_absolute_files(member, base) for member in self.members],
                "lammps": with_absolute_files(self.lammps, base),
                "molecules": None if self.molecules is None else absolute(self.molecules, base),
                "training_set": None if self.training_set is None else absolute(self.training_set, base),
            }
        )

    @property
    def model_files(self) -> list[Path]:
        """Model files; of a model that is a folder (`via: own`) those in it."""
        return [file for model in self.models for file in (sorted(model.iterdir()) if model.is_dir() else [model])]

    @property
    def files(self) -> list[Path]:
        """Model files, statistics of their training set, the list of molecules, and what members of a resolved run
        file name.
        """
        words = [Path(word) for member in self.members for line in member for word in line.split()]
        named = dict.fromkeys(word for word in words if word.is_absolute() and word.is_file())
        beside = [file for file in (self.training_set, self.molecules) if file is not None]
        return [*self.model_files, *beside, *named]


def interpreter(python: Path | None, base: Path) -> Path | None:
    """`potential.python` as an absolute path. Links stay: that of an environment leads out of it."""
    return None if python is None else (base / python.expanduser()).absolute()


def absolute(path: Path, base: Path) -> Path:
    """A path of the run file in `base` as an absolute one."""
    return (base / path.expanduser()).resolve()


def _problem(text: str, key: str = "") -> PydanticCustomError:
    return PydanticCustomError("run_file", "{problem}", {"problem": text, "key": key})
