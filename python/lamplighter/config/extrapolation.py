"""The section of the run file for one model's own uncertainty."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from lamplighter.config.section import ConfigSection


class ExtrapolationSection(ConfigSection):
    """When it is written how far each element is from the model's training set (`docs/theory/own_uncertainty.md`)."""

    every: int = Field(default=20, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _interval_alone(cls, given: Any) -> Any:
        return {"every": given} if isinstance(given, int) and not isinstance(given, bool) else given
