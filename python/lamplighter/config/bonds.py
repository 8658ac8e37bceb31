"""The section of the run file that says which atoms are bonded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from lamplighter.bond_words import LEAST_TOLERANCE, MOST_TOLERANCE, BondWords, read_bond_words, split_words
from lamplighter.config.section import ConfigSection

Tolerance = Annotated[float, Field(gt=LEAST_TOLERANCE, lt=MOST_TOLERANCE)]
"""The longest bond, in sums of two covalent radii."""


class BondsSection(ConfigSection):
    """What molecules are made of, for the guard, centres of mass and analyses of the run (`docs/theory/bonds.md`)."""

    tolerance: Tolerance = 1.15
    ions: Literal["auto", "none"] = "auto"
    unbonded: list[str] = Field(default_factory=list)
    bonded: list[str] = Field(default_factory=list)
    file: Path | None = None

    @field_validator("unbonded", "bonded", mode="before")
    @classmethod
    def _words(cls, given: Any) -> Any:
        return split_words(given) if isinstance(given, str) else given

    @field_validator("unbonded", "bonded")
    @classmethod
    def _name_bonds(cls, given: list[str]) -> list[str]:
        try:
            read_bond_words(given)
        except ValueError as problem:
            raise PydanticCustomError("run_file", "{problem}", {"problem": str(problem), "key": ""}) from None
        return given

    @property
    def words(self) -> tuple[BondWords, BondWords]:
        """What is not bonded, and what is."""
        return read_bond_words(self.unbonded), read_bond_words(self.bonded)

    @property
    def names_atoms(self) -> bool:
        """Whether atoms are named by their IDs."""
        return self.file is not None or any(words.pairs_of_atoms for words in self.words)
