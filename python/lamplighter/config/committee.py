"""The section of the run file for several models at once."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from lamplighter.config.quantity import Duration
from lamplighter.config.section import ConfigSection


class CommitteeSection(ConfigSection):
    """When all models are evaluated, and which of them moves the atoms (`docs/reference/pair_lamplighter.md`)."""

    every: int = Field(default=20, ge=1)
    drive: Literal["first", "mean", "hal"] | Annotated[int, Field(ge=1)] = "first"
    divisor: Literal["K", "K-1"] = "K"
    tau: Annotated[float, Field(ge=0.0)] | None = None
    warmup: Duration | None = None
    cap: Annotated[float, Field(gt=0.0)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _interval_alone(cls, given: Any) -> Any:
        return {"every": given} if isinstance(given, int) and not isinstance(given, bool) else given

    @model_validator(mode="after")
    def _bias_belongs_to_hal(self) -> CommitteeSection:
        if self.drive == "hal" and self.tau is None:
            raise _problem("is needed with drive: hal; it is the weight of the energies' deviation", "tau")
        for key in ("tau", "warmup", "cap"):
            if self.drive != "hal" and getattr(self, key) is not None:
                raise _problem(f"is of `drive: hal`, and drive is {self.drive!r}", key)
        return self

    def words(self, timestep_ps: float) -> str:
        """Keywords of `pair_style lamplighter`; a warm-up begins at step 0."""
        drive = str(self.drive)
        if self.drive == "hal":
            drive += f" {self.tau:.12g}"
            if self.warmup is not None:
                steps = self.warmup.value if self.warmup.kind == "steps" else self.warmup.metal / timestep_ps
                drive += f" warmup {max(1, round(steps))} from 0"
            if self.cap is not None:
                drive += f" cap {self.cap:.12g}"
        return f"committee every {self.every} drive {drive} divisor {self.divisor}"


def _problem(text: str, key: str) -> PydanticCustomError:
    return PydanticCustomError("run_file", "{problem}", {"problem": text, "key": key})
