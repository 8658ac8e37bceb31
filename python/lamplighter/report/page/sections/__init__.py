"""The sections of a report, in the order of the page. A new one is a file here and a line in this list."""

from lamplighter.report.page.section import Section
from lamplighter.report.page.sections import (
    committee,
    conditions,
    density,
    diffusivity,
    equation_of_state,
    events,
    potential,
    provenance,
    quality,
    stability,
    structure,
    system,
    thermo,
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
    quality.SECTION,
    events.SECTION,
    provenance.SECTION,
)
