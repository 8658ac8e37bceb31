"""The section of the run file that says what ends a run: criteria of `fix guard`."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator
from pydantic_core import PydanticCustomError

from lamplighter.config.quantity import Force, Length, Quantity, Temperature
from lamplighter.config.section import Section

PRESETS: dict[str, dict[str, Any]] = {
    # trajectory stability and active learning of Niblett et al., sections 3.2 and 3.3
    "stability": {"bond_stretch": Quantity(0.5, "A"), "density": (0.2, 2.0)},
    "active-learning": {"bond_ratio": 2.0, "density": (0.2, 1.2)},
}

MEANT_FOR: dict[str, dict[str, str]] = {
    preset: {"density": "molecular liquids of about 1 g/cm³, such as organic electrolytes"} for preset in PRESETS
}
"""What the limits of a preset are for, by key; keys that are not here fit anything with bonds."""

VARIANCE_OF_ACTIVE_LEARNING = 0.5
"""eV²/Å², of the same source; `active-learning` asks for it where there is a committee."""

Positive = Annotated[float, Field(gt=0.0)]
Share = Annotated[
    float, Field(gt=0.0, lt=1.0), PlainSerializer(lambda share: f"{100.0 * share:.12g} %", return_type=str)
]
"""Of the density at the start, by which it may change; in the run file in per cent."""

_PER_CENT = re.compile(r"(?:±|\+-|\+/-)?\s*(\d+(?:\.\d*)?|\.\d+)\s*%")


def _bounds_or_share(given: Any) -> Any:
    if not isinstance(given, str):
        if isinstance(given, int | float):
            problem = f"needs two bounds in g/cm³, or a share of the density at the start in per cent, got {given}"
            raise PydanticCustomError("run_file", "{problem}", {"problem": problem, "key": ""})
        return given
    match = _PER_CENT.fullmatch(given.strip())
    share = float(match[1]) / 100.0 if match else 0.0
    if not 0.0 < share < 1.0:
        problem = (
            "needs two bounds in g/cm³ ([0.2, 2.0]), or how far the density may leave that of the start in per cent, "
            f"above 0 and below 100 (20 %), got {given!r}"
        )
        raise PydanticCustomError("run_file", "{problem}", {"problem": problem, "key": ""})
    return share


class Guard(Section):
    """What is watched at every step; without a criterion nothing is. Defined in `docs/reference/fix_guard.md`."""

    preset: Literal["stability", "active-learning"] | None = None
    every: int = Field(default=1, ge=1)
    bond_stretch: Length | None = None
    bond_ratio: Annotated[float, Field(gt=1.0)] | None = None
    reference: Literal["mean", "initial"] = "mean"
    density: Annotated[tuple[float, float] | Share | None, BeforeValidator(_bounds_or_share)] = None
    temperature: Temperature | None = None
    force: Force | None = None
    energy: Positive | None = None
    energy_every: int | None = Field(default=None, ge=1)
    variance: Positive | None = None
    deviation: Positive | None = None
    action: Literal["stop", "record"] = "stop"
    frames_before: int = Field(default=5, ge=0)
    frames_every: int = Field(default=20, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, given: Any) -> Any:
        if isinstance(given, str):
            given = {"preset": given}
        if isinstance(given, dict) and given.get("preset") in PRESETS:
            given = PRESETS[given["preset"]] | given
        return given

    @model_validator(mode="after")
    def _density_has_a_range(self) -> Guard:
        if isinstance(self.density, tuple) and not 0.0 <= self.density[0] < self.density[1]:
            problem = f"needs a lower and a higher bound in g/cm³, got {list(self.density)}"
            raise PydanticCustomError("run_file", "{problem}", {"problem": problem, "key": "density"})
        return self

    @model_validator(mode="after")
    def _energy_is_checked_when_all_is(self) -> Guard:
        if self.energy_every is not None and self.energy_every % self.every:
            problem = f"must be a multiple of guard.every ({self.every}), got {self.energy_every}"
            raise PydanticCustomError("run_file", "{problem}", {"problem": problem, "key": "energy_every"})
        return self

    @property
    def of_committee(self) -> list[str]:
        """The keys given that only a committee can serve."""
        return [key for key in ("variance", "deviation") if getattr(self, key) is not None]

    @property
    def watches_bonds(self) -> bool:
        """Whether bonds are watched."""
        return self.bond_stretch is not None or self.bond_ratio is not None

    @property
    def criteria(self) -> list[str]:
        """Words of `fix guard` for what is watched; empty if nothing is."""
        words = []
        if self.bond_stretch is not None:
            words.append(f"bond stretch {self.bond_stretch.metal:.12g}")
        if self.bond_ratio is not None:
            words.append(f"bond ratio {self.bond_ratio:.12g}")
        if isinstance(self.density, tuple):
            words.append("density {:.12g} {:.12g}".format(*self.density))
        elif self.density is not None:
            words.append(f"density start {self.density:.12g}")
        if self.temperature is not None:
            words.append(f"temperature {self.temperature.metal:.12g}")
        if self.force is not None:
            words.append(f"force {self.force.metal:.12g}")
        if self.energy is not None:
            words.append(f"energy {self.energy:.12g}" + (f" every {self.energy_every}" if self.energy_every else ""))
        if self.variance is not None:
            words.append(f"variance {self.variance:.12g}")
        if self.deviation is not None:
            words.append(f"deviation {self.deviation:.12g}")
        return words
