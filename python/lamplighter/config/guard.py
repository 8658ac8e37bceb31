"""The section of the run file that says what ends a run: criteria of `fix guard`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, create_model, model_validator
from pydantic_core import PydanticCustomError

from lamplighter.config.quantity import Force, Length, Quantity, Temperature
from lamplighter.config.section import ConfigSection
from lamplighter.guard_criteria import CRITERIA, PRESETS, Criterion, in_words

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


_QUANTITIES: dict[str, Any] = {"length": Length, "temperature": Temperature, "force": Force}


def _limit_of(criterion: Criterion) -> Any:
    """The type of a criterion's limit in the run file."""
    if criterion.has_bounds:
        return Annotated[tuple[float, float] | Share | None, BeforeValidator(_bounds_or_share)]
    if criterion.quantity:
        return _QUANTITIES[criterion.quantity] | None
    return Annotated[float, Field(gt=criterion.above)] | None


class _Watch(ConfigSection):
    preset: Literal["stability", "active-learning"] | None = None
    every: int = Field(default=1, ge=1)


if TYPE_CHECKING:

    class _Limits(_Watch):
        def __getattr__(self, key: str) -> Any:
            """The limit of a criterion, by its key; None: not watched."""

else:
    _Limits = create_model(
        "_Limits",
        __base__=_Watch,
        **{each.key: (_limit_of(each), None) for each in CRITERIA if not each.always},
    )


class GuardSection(_Limits):
    """What is watched at every step; without a criterion nothing is. Defined in docs/reference/fix_guard.md.

    Each criterion of `guard_criteria.CRITERIA` that is not always watched is a key, too: its limit, or None.
    """

    reference: Literal["mean", "initial"] = "mean"
    energy_every: int | None = Field(default=None, ge=1)
    action: Literal["stop", "record"] = "stop"
    frames_before: int = Field(default=5, ge=0)
    frames_every: int = Field(default=20, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, given: Any) -> Any:
        if isinstance(given, str):
            given = {"preset": given}
        if isinstance(given, dict) and given.get("preset") in PRESETS:
            limits = {key: _as_given(key, limit) for key, limit in PRESETS[given["preset"]].items()}
            given = limits | given
        return given

    @model_validator(mode="after")
    def _density_has_a_range(self) -> GuardSection:
        if isinstance(self.density, tuple) and not 0.0 <= self.density[0] < self.density[1]:
            problem = f"needs a lower and a higher bound in g/cm³, got {list(self.density)}"
            raise PydanticCustomError("run_file", "{problem}", {"problem": problem, "key": "density"})
        return self

    @model_validator(mode="after")
    def _energy_is_checked_when_all_is(self) -> GuardSection:
        if self.energy_every is not None and self.energy_every % self.every:
            problem = f"must be a multiple of guard.every ({self.every}), got {self.energy_every}"
            raise PydanticCustomError("run_file", "{problem}", {"problem": problem, "key": "energy_every"})
        return self

    def limit(self, key: str) -> float | tuple[float, float] | None:
        """The limit of a criterion in the criterion's unit; None: not watched. For density also a share."""
        given = getattr(self, key)
        limit: float | tuple[float, float] | None = given.metal if isinstance(given, Quantity) else given
        return limit

    @property
    def watched(self) -> list[Criterion]:
        """The criteria that are asked for."""
        return [each for each in CRITERIA if not each.always and self.limit(each.key) is not None]

    @property
    def of_committee(self) -> list[str]:
        """The keys given that only a committee can serve."""
        return [each.key for each in self.watched if each.of_committee]

    @property
    def of_training_set(self) -> list[str]:
        """The keys given that only a model which knows its training set can serve."""
        return [each.key for each in self.watched if each.of_training_set]

    @property
    def watches_bonds(self) -> bool:
        """Whether bonds are watched."""
        return any(each.of_bonds for each in self.watched)

    @property
    def criteria(self) -> list[str]:
        """Words of `fix guard` for what is watched; empty if nothing is."""
        words = []
        for criterion in self.watched:
            limit = self.limit(criterion.key)
            assert limit is not None
            around_start = criterion.has_bounds and not isinstance(limit, tuple)
            text = in_words(f"{criterion.key}_start" if around_start else criterion.key, limit)
            if criterion.name == "energy" and self.energy_every:
                text += f" every {self.energy_every}"
            words.append(text)
        return words


def _as_given(key: str, limit: Any) -> Any:
    """A limit of a preset as a run file has it."""
    criterion = next(each for each in CRITERIA if each.key == key)
    return Quantity(limit, criterion.unit.replace("Å", "A")) if criterion.quantity else limit
