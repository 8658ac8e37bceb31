"""The volume scan of a run: E(V) of its models and a reference with rigid molecules."""

from __future__ import annotations

from collections.abc import Callable

from matplotlib.axes import Axes

from lamplighter.errors import RunFolderError
from lamplighter.observables.stored_scan import read_scan, scan_as_json
from lamplighter.observables.volume_scan import VolumeScanOfModels
from lamplighter.report.drawing import new_figure
from lamplighter.report.page.content import Block, Content, Notes, Number, Picture, Table, Text, number
from lamplighter.report.page.section import Definition, ReportedRun, Section
from lamplighter.report.text import format_scan_status
from lamplighter.report.volume_scan_text import (
    draw_differences,
    draw_energies,
    errors,
    errors_title,
    features,
    features_notes,
)


def make(run: ReportedRun) -> Content:
    """Nothing where no scan was asked for. Raises RunFolderError: one was, and there is no result."""
    asked = run.volume_scan
    if asked is None:
        return Content()
    if asked.status != "completed":
        raise RunFolderError(format_scan_status(asked))
    scan = read_scan(run.folder)
    content = " + ".join(f"{count} {name}" for name, count in scan.species.items())
    blocks: list[Block] = [
        Text(f"{scan.source}: {content}, molecules rigid. Zero of energy: {scan.plateau}."),
        _picture("volume_scan", "Interaction energy against density.", draw_energies, scan),
    ]
    if scan.errors:
        caption = "Interaction energies less those of the reference, where these are attractive."
        blocks.append(_picture("volume_scan_differences", caption, draw_differences, scan))
    head, rows = features(scan)
    blocks.append(Table("volume_scan_features", "Well, wall (where E = 0 beyond it) and plateau.", head, rows))
    if scan.errors:
        title = errors_title(scan)
        head, rows = errors(scan)
        blocks.append(Table("volume_scan_errors", f"{title[0].upper()}{title[1:]}.", head, rows))
    notes = [*features_notes(scan), *scan.notes]
    if notes:
        blocks.append(Notes(notes))
    return Content(_numbers(scan), blocks, data=scan_as_json(scan), kept=scan)


def _picture(
    name: str, caption: str, draw: Callable[[Axes, VolumeScanOfModels], None], scan: VolumeScanOfModels
) -> Picture:
    figure, (axis,) = new_figure()
    draw(axis, scan)
    return Picture(name, caption, figure, "volume_scan")


def _numbers(scan: VolumeScanOfModels) -> list[Number]:
    """Of a single model its own, of several their mean and spread."""
    first = scan.curves[0]
    alone = len(scan.curves) == 1
    well, energy, wall = (
        (first.well_density, first.well_energy, first.wall)
        if alone
        else (scan.well_density, scan.well_energy, scan.wall)
    )
    detail = f"{len(scan.densities)} densities" if alone else f"{len(scan.curves)} models"
    named = (("density of the well", well, ""), ("energy of the well", energy, "meV/molecule"), ("wall", wall, ""))
    return [
        number(name, found, "volume_scan", unit=unit, factor=1e3 if unit else 1.0, detail=detail)
        for name, found, unit in named
        if found is not None
    ]


SECTION = Section(
    "volume_scan",
    "Volume scan",
    "results",
    make,
    definitions=[
        Definition(
            "volume_scan",
            "Volume scan with rigid molecules",
            "[E(V) − Σ<sub>m</sub> E<sub>m</sub>] / n",
            "Cell and centres of mass of one configuration are scaled, its n molecules keep their geometry; zero is the"
            " energy of the molecules alone in vacuum. The well is the lowest point before the energy first climbs"
            " above zero, the wall is where it is zero again beyond it. Of several models mean and standard"
            " deviation.",
            "Niblett, Kourtis, Magdău, Grey, Csányi, Transferability of datasets between machine-learning interaction"
            " potentials",
            "docs/how_to/equation_of_state.md",
        ),
    ],
)
