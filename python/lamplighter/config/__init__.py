"""The run file: what a user writes, checked key by key before anything runs."""

from lamplighter.config.loading import load_run_file
from lamplighter.config.potential import PotentialSection
from lamplighter.config.quantity import Quantity
from lamplighter.config.run_file import OutputSection, RunFile, StructureSection, VelocitiesSection
from lamplighter.config.stages import Barostat, Minimise, Npt, Nve, Nvt, Ramp, Thermostat
from lamplighter.config.volume_scan import VolumeScanSection
from lamplighter.config.workflow import (
    CompressionSection,
    StagedEquilibrationSection,
    ThermalExpansionSection,
    WorkflowSection,
)

__all__ = [
    "Barostat",
    "CompressionSection",
    "Minimise",
    "Npt",
    "Nve",
    "Nvt",
    "OutputSection",
    "PotentialSection",
    "Quantity",
    "Ramp",
    "RunFile",
    "StagedEquilibrationSection",
    "StructureSection",
    "ThermalExpansionSection",
    "Thermostat",
    "VelocitiesSection",
    "VolumeScanSection",
    "WorkflowSection",
    "load_run_file",
]
