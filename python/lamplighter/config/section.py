"""The base of every section of the run file: no unknown keys, nothing changed after reading."""

from __future__ import annotations

import difflib
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError


class ConfigSection(BaseModel):
    """A mapping of the run file. An unknown key is refused, with the keys that are known in its place."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        for key in given:
            if key not in cls.model_fields:
                problem = _unknown_key(str(key), list(cls.model_fields))
                raise PydanticCustomError("unknown_key", "{problem}", {"problem": problem, "key": str(key)})
        return given


def _unknown_key(key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return f"unknown key{hint}; the keys known here are {', '.join(known)}"
