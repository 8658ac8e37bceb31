"""What is added to the energy of a potential: dispersion, and a repulsion at short distances."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from lamplighter.config.quantity import Length, Quantity
from lamplighter.config.section import ConfigSection

LAST_ELEMENT_OF_D3 = 94
"""Plutonium: the coefficients of D3 end there."""


class DispersionSection(ConfigSection):
    """DFT-D3 (Grimme et al., J. Chem. Phys. 132, 154104, 2010), by LAMMPS' `pair_style dispersion/d3`.

    `functional` has LAMMPS' spelling (`pbe`, `b3-lyp`, …); `damping` is that of Becke and Johnson (`bj`), the original
    one (`zero`), or a modified one of either (`bjm`, `zerom`).
    """

    functional: Annotated[str, Field(pattern=r"^[A-Za-z0-9/-]+$")]
    damping: Literal["bj", "bjm", "zero", "zerom"] = "bj"
    cutoff: Length = Quantity(20.0, "A")
    coordination_cutoff: Length = Quantity(12.0, "A")

    @model_validator(mode="before")
    @classmethod
    def _functional_alone(cls, given: Any) -> Any:
        return {"functional": given} if isinstance(given, str) else given


class ZblSection(ConfigSection):
    """The repulsion of screened nuclei (Ziegler, Biersack, Littmark, 1985), by LAMMPS' `pair_style zbl`.

    It is switched off smoothly between `inner` and `outer`.
    """

    inner: Length
    outer: Length

    @model_validator(mode="after")
    def _inner_comes_first(self) -> ZblSection:
        if self.inner.metal >= self.outer.metal:
            problem = f"must be less than zbl.outer ({self.outer}), got '{self.inner}'"
            raise PydanticCustomError("run_file", "{problem}", {"problem": problem, "key": "inner"})
        return self
