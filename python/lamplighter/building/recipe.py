"""The recipe: what a liquid is made of, and in which box. Each key is checked before anything is built."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from lamplighter.config.loading import read_mapping
from lamplighter.config.potential import PotentialSection, absolute
from lamplighter.config.problems import section_of
from lamplighter.config.quantity import Length, Quantity, QuantityField, Temperature
from lamplighter.config.section import ConfigSection

Density = Annotated[Quantity, QuantityField("density", "positive")]
Molality = Annotated[Quantity, QuantityField("molality", "positive")]
Molarity = Annotated[Quantity, QuantityField("molarity", "positive")]
Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]

RATIOS = ("mole", "mass", "volume")
"""Amounts that say how components stand to each other."""

CONCENTRATIONS = ("molality", "molarity")
"""Amounts of what is dissolved in the others."""

SHORT = 0.02
"""Of the lengths of the staged equilibration: 120 ps."""


class ComponentSection(ConfigSection):
    """Molecules of one kind, or a salt, and how much of it there is.

    `molecule` is a name of the library, `smiles` a SMILES (parts between dots are ions of one salt), `file` a molecule
    with its bonds and hydrogens (.mol, .sdf, .mol2).
    """

    molecule: str | None = None
    smiles: str | None = None
    file: Path | None = None
    name: str | None = None
    number: Annotated[int, Field(ge=1)] | None = None
    mole: Positive | None = None
    mass: Positive | None = None
    volume: Positive | None = None
    molality: Molality | None = None
    molarity: Molarity | None = None
    density: Density | None = None

    @model_validator(mode="after")
    def _one_molecule_and_one_amount(self) -> ComponentSection:
        for kinds, what in ((("molecule", "smiles", "file"), "what it is"),
                            (("number", *RATIOS, *CONCENTRATIONS), "how much of it there is")):  # fmt: skip
            given = [kind for kind in kinds if getattr(self, kind) is not None]
            if len(given) != 1:
                text = f"{' and '.join(given)} are given" if given else "none is given"
                raise _problem(f"needs one of {', '.join(kinds)} to say {what}, and {text}")
        if self.name is not None and not (self.name.strip() and self.name.isprintable()):
            raise _problem(f"must be one line of text, got {self.name!r}", "name")
        if self.density is not None and self.volume is None:
            raise _problem("is the density of the pure liquid, for `volume`, which is not given", "density")
        return self

    @property
    def amount(self) -> str:
        """The kind of its amount."""
        return next(kind for kind in ("number", *RATIOS, *CONCENTRATIONS) if getattr(self, kind) is not None)

    @property
    def called(self) -> str:
        """What it is called in messages."""
        return self.name or self.molecule or self.smiles or str(self.file)


class BoxSection(ConfigSection):
    """The shape of the box; its size follows from the density of the recipe unless it is given.

    `vacuum` is the free height of a slab, which lies across z.
    """

    shape: Literal["cube", "slab", "triclinic"] = "cube"
    edge: Length | None = None
    width: Length | None = None
    thickness: Length | None = None
    vacuum: Length | None = None
    lengths: tuple[Length, Length, Length] | None = None
    angles: tuple[float, float, float] | None = None

    @model_validator(mode="before")
    @classmethod
    def _shape_alone(cls, given: Any) -> Any:
        return {"shape": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _keys_fit_the_shape(self) -> BoxSection:
        own = {"cube": ("edge",), "slab": ("width", "thickness", "vacuum"), "triclinic": ("lengths", "angles")}
        for shape, keys in own.items():
            for key in keys:
                if shape != self.shape and getattr(self, key) is not None:
                    raise _problem(f"is of a {shape}, and the shape is {self.shape}", key)
        if self.shape == "slab" and self.vacuum is None:
            raise _problem("is needed by a slab; write e.g. '30 A'", "vacuum")
        for key in ("edge", "width", "thickness"):
            size = getattr(self, key)
            if size is not None and size.metal <= 0.0:
                raise _problem(f"must be > 0, got '{size}'", key)
        for size in self.lengths or ():
            if size.metal <= 0.0:
                raise _problem(f"must be > 0, got '{size}'", "lengths")
        if self.angles is not None and not possible_angles(self.angles):
            raise _problem(f"[{', '.join(f'{angle:g}' for angle in self.angles)}] are no angles (in degrees) of a "
                           "cell: each between 20 and 160, and all three of one corner", "angles")  # fmt: skip
        return self

    @property
    def sized(self) -> bool:
        """Whether its size is given."""
        return self.edge is not None or self.thickness is not None or self.lengths is not None


class EquilibrationSection(ConfigSection):
    """How the run file brings the packed box to a liquid (`docs/reference/run_file.md`, staged equilibration)."""

    temperature: Temperature = Quantity(300.0, "K")
    hot: Temperature | None = None
    scale: Positive = SHORT

    @model_validator(mode="after")
    def _heats(self) -> EquilibrationSection:
        if self.hot is not None and self.hot.metal < self.temperature.metal:
            raise _problem(f"must not be below the temperature of the liquid ({self.temperature}), got '{self.hot}'",
                           "hot")  # fmt: skip
        return self

    @property
    def peak(self) -> Quantity:
        """To which the liquid is heated: by 100 K, as in the protocol, unless it is said."""
        return self.hot or Quantity(self.temperature.metal + 100.0, "K")


class Recipe(ConfigSection):
    """What is built."""

    components: Annotated[list[ComponentSection], Field(min_length=1)]
    atoms: Annotated[int, Field(ge=1, le=2_000_000)] | None = None
    density: Density | None = None
    box: BoxSection = BoxSection()
    cutoff: Length | None = None
    tolerance: Length = Quantity(2.0, "A")
    seed: int = Field(default=1, ge=1, le=99_999_999)
    equilibration: EquilibrationSection = EquilibrationSection()
    potential: PotentialSection | None = None

    @model_validator(mode="after")
    def _amounts_fit_each_other(self) -> Recipe:
        kinds = dict.fromkeys(each.amount for each in self.components)
        solvents = [kind for kind in kinds if kind not in CONCENTRATIONS]
        if len(solvents) != 1:
            text = f"has {' and '.join(solvents)}" if solvents else "has none of them"
            raise _problem(
                "must give the amounts of what is no solute in one kind: number, mole, mass or volume (and those of "
                f"solutes as molality or molarity); this recipe {text}",
                "components",
            )
        if solvents == ["number"] and self.atoms is not None:
            raise _problem("is for ratios (mole, mass, volume); with `number` the recipe says it already", "atoms")
        if solvents != ["number"] and self.atoms is None:
            raise _problem("is needed with ratios (mole, mass, volume): about how many atoms in all, e.g. 640", "atoms")
        return self

    @model_validator(mode="after")
    def _one_size(self) -> Recipe:
        if self.density is None and not self.box.sized:
            sizes = {"cube": "box.edge", "slab": "box.width and box.thickness", "triclinic": "box.lengths"}
            raise _problem(f"is required, or {sizes[self.box.shape]}; write e.g. '1.1 g/cm3'", "density")
        if self.density is not None and self.box.sized and self.box.shape != "triclinic":
            raise _problem("and the size of the box are both given; one follows from the other", "density")
        if self.box.shape == "slab" and self.box.sized and self.box.width is None:
            raise _problem("is needed beside box.thickness; write e.g. '30 A'", "box.width")
        if self.density is None and any(each.amount == "molarity" for each in self.components):
            raise _problem("is needed with molarity: the volume of the solution follows from it", "density")
        if not 1.0 <= self.tolerance.metal <= 4.0:
            raise _problem("is the smallest distance between atoms of two molecules, and must be between 1 and 4 Å, "
                           f"got '{self.tolerance}'", "tolerance")  # fmt: skip
        return self

    def resolved(self, base: Path) -> Recipe:
        """A copy with absolute paths; relative ones are those of `base`, the folder of the recipe."""
        components = [
            each if each.file is None else each.model_copy(update={"file": absolute(each.file, base)})
            for each in self.components
        ]
        potential = None if self.potential is None else self.potential.resolved(base)
        return self.model_copy(update={"components": components, "potential": potential})


def load_recipe(path: Path) -> Recipe:
    """Read and check a recipe. Its paths become absolute.

    Raises:
        ConfigError: the file cannot be read, is no YAML, or has wrong keys or values; the message holds a line for each
            problem, with the path of the key, the value and the remedy.
    """
    given = read_mapping(path, "recipe", "components, density and so on (docs/reference/recipe.md)")
    return parse_recipe(given, str(path)).resolved(path.parent.resolve())


def parse_recipe(given: Mapping[str, Any], source: str = "recipe") -> Recipe:
    """Check what a recipe holds. Paths are left as they are.

    Raises:
        ConfigError: as `load_recipe`; `source` names the recipe in the message.
    """
    return section_of(Recipe, given, source)


def possible_angles(angles: tuple[float, float, float]) -> bool:
    """Whether three angles (degrees) between cell vectors make a cell that is not flat."""
    if not all(20.0 <= angle <= 160.0 for angle in angles):
        return False
    a, b, c = (math.cos(math.radians(angle)) for angle in angles)
    return 1.0 + 2.0 * a * b * c - a * a - b * b - c * c > 1e-3


def _problem(text: str, key: str = "") -> PydanticCustomError:
    return PydanticCustomError("run_file", "{problem}", {"problem": text, "key": key})
