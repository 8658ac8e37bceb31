"""Results as JSON: dataclasses as objects, arrays as lists, and null for what is not a finite number."""

from __future__ import annotations

import json
import math
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np


def json_text(value: Any) -> str:
    """JSON text of dataclasses, dicts, lists, arrays and numbers; JSON has no nan and no inf, so they are null.

    Of ASCII alone, so that it means the same in any encoding.
    """
    return json.dumps(plain(value), indent=2, allow_nan=False)


def plain(value: Any) -> Any:
    """The same of dicts, lists, strings, numbers and None only."""
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def portable(content: Any, base: Path | None) -> Any:
    """The same of dicts, lists and strings, with paths below `base` relative to it, also in keys; None: as it is."""
    if base is None:
        return content
    if isinstance(content, dict):
        return {portable(key, base): portable(item, base) for key, item in content.items()}
    if isinstance(content, list):
        return [portable(item, base) for item in content]
    return content.removeprefix(f"{base}/") if isinstance(content, str) else content


def flat(content: Any, place: str = "") -> dict[str, Any]:
    """Values by the path of their keys: `training.settings.lr`."""
    if isinstance(content, dict) and content:
        return {
            name: value
            for key, each in content.items()
            for name, value in flat(each, f"{place}.{key}" if place else str(key)).items()
        }
    return {place: content}
