"""The volume scan of a run folder: its files, written at its end and read again by whoever shows it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from lamplighter.analysis.series import Estimate
from lamplighter.analysis.volume_scan import CurveErrors, EnergyCurve
from lamplighter.errors import LamplighterError, RunFolderError
from lamplighter.json_text import json_text, plain
from lamplighter.observables.volume_scan import VolumeScanOfModels
from lamplighter.run_folder.names import SCAN_RESULT


def scan_as_json(scan: VolumeScanOfModels) -> dict[str, Any]:
    """A scan with its units, of dicts, lists, strings, numbers and None: what lies in the run folder."""
    found: dict[str, Any] = plain(scan)
    found["units"] = {
        "densities": "g/cm³",
        "volumes": "Å³/molecule",
        "contacts": "Å",
        "total": "eV",
        "plateau": "eV",
        "interaction": "eV/molecule",
        "errors": "eV/molecule",
    }
    return found


def write_scan(scan: VolumeScanOfModels, folder: Path) -> None:
    """Write what `read_scan` reads.

    Raises:
        LamplighterError: the folder cannot be written.
    """
    try:
        (folder / SCAN_RESULT).write_text(json_text(scan_as_json(scan)) + "\n", encoding="utf-8")
    except OSError as problem:
        raise LamplighterError(f"{folder / SCAN_RESULT} cannot be written: {problem.strerror or problem}") from problem


def read_scan(folder: Path) -> VolumeScanOfModels:
    """The result of the volume scan of a run.

    Raises:
        RunFolderError: there is none, or it cannot be understood.
    """
    path = folder / SCAN_RESULT
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunFolderError(f"{folder} holds no volume scan: it has no {SCAN_RESULT}") from None
    except (OSError, ValueError) as problem:
        raise RunFolderError(f"{path} cannot be read: {problem}") from problem
    try:
        return _scan(given)
    except (AttributeError, KeyError, TypeError, ValueError) as problem:
        raise RunFolderError(f"{path} is no result of a volume scan ({type(problem).__name__}: {problem})") from problem


def _scan(given: dict[str, Any]) -> VolumeScanOfModels:
    spreads = {key: _estimate(given[key]) if given[key] else None for key in ("well_density", "well_energy", "wall")}
    return VolumeScanOfModels(
        source=given["source"],
        species=given["species"],
        n_molecules=given["n_molecules"],
        densities=_array(given["densities"]),
        volumes=_array(given["volumes"]),
        contacts=_array(given["contacts"], math.inf),
        fused=np.array(given["fused"], dtype=bool),
        plateau=given["plateau"],
        curves=[_curve(each) for each in given["curves"]],
        reference=_curve(given["reference"]) if given["reference"] else None,
        errors=[CurveErrors(**_numbers(each)) for each in given["errors"]],
        notes=given["notes"],
        **spreads,
    )


def _curve(given: dict[str, Any]) -> EnergyCurve:
    return EnergyCurve(
        name=given["name"],
        total=_array(given["total"]),
        plateau=given["plateau"],
        interaction=_array(given["interaction"]),
        well_density=_estimate(given["well_density"]),
        well_energy=_estimate(given["well_energy"]),
        wall=_estimate(given["wall"]),
        turns_down=given["turns_down"],
    )


def _estimate(given: dict[str, Any]) -> Estimate:
    return Estimate(**_numbers(given))


def _numbers(given: dict[str, Any]) -> dict[str, Any]:
    """JSON has null for what is not a number."""
    return {key: math.nan if value is None else value for key, value in given.items()}


def _array(given: list[Any], absent: float = math.nan) -> Any:
    return np.array([absent if value is None else value for value in given], dtype=np.float64)
