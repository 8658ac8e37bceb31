"""The run file: what a user writes, checked key by key before anything runs."""

from lamplighter.config.loading import load_run_file
from lamplighter.config.quantity import Quantity
from lamplighter.config.run_file import Output, Potential, RunFile, Structure, Velocities
from lamplighter.config.stages import Barostat, Minimise, Npt, Nve, Nvt, Ramp, Thermostat
from lamplighter.config.volume_scan import VolumeScan
from lamplighter.config.workflow import Compression, StagedEquilibration, ThermalExpansion, Workflow

__all__ = [
    "Barostat",
    "Compression",
    "Minimise",
    "Npt",
    "Nve",
    "Nvt",
    "Output",
    "Potential",
    "Quantity",
    "Ramp",
    "RunFile",
    "StagedEquilibration",
    "Structure",
    "ThermalExpansion",
    "Thermostat",
    "Velocities",
    "VolumeScan",
    "Workflow",
    "load_run_file",
]
