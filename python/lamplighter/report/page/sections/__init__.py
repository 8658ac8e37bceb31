"""The sections of a report, in the order of the page. A new one is a file here and a line in this list."""

from lamplighter.report.page.section import Section
from lamplighter.report.page.sections import (
    committee,
    conditions,
    decomposition,
    density,
    diffusivity,
    equation_of_state,
    events,
    extrapolation,
    model_errors,
    potential,
    provenance,
    quality,
    stability,
    structure,
    system,
    thermo,
    transfer,
    volume_scan,
)

SECTIONS: tuple[Section, ...] = (
    system.SECTION,
    conditions.SECTION,
    potential.SECTION,
    stability.SECTION,
    thermo.SECTION,
    density.SECTION,
    diffusivity.SECTION,
    structure.SECTION,
    equation_of_state.SECTION,
    volume_scan.SECTION,
    committee.SECTION,
    model_errors.SECTION,
    decomposition.SECTION,
    transfer.SECTION,
    extrapolation.SECTION,
    quality.SECTION,
    events.SECTION,
    provenance.SECTION,
)
