"""What was simulated: molecules, atoms, box, and the first and last configuration to look at."""

from __future__ import annotations

import numpy as np

from lamplighter.analysis.centres_of_mass import molecules_of
from lamplighter.analysis.stability import density
from lamplighter.errors import LamplighterError
from lamplighter.report.page.content import Block, Content, Facts, Missing, Table, View
from lamplighter.report.page.section import ReportedRun, Section
from lamplighter.report.page.structure_view import MOST_ATOMS, ShownFrame, structure_view
from lamplighter.run_folder.names import FINAL, STRUCTURE
from lamplighter.structures.frame import Frame
from lamplighter.structures.lammps_dump import AtomTypes
from lamplighter.structures.trajectory import elements_of_data, read_start


def make(run: ReportedRun) -> Content:
    """Raises LamplighterError: the start structure cannot be read, or an element in it is not known."""
    frame = run.start
    rule = run.bonds_among(frame.ids)
    found = molecules_of(frame, rule)
    assert frame.masses is not None  # molecules_of has refused it
    formula = run.system
    counts = found.counts()
    edges = np.linalg.norm(frame.cell, axis=1)
    facts = [
        ("Molecules", " + ".join(f"{n} {_lowered(name)}" for n, name in zip(counts, found.names, strict=True))),
        ("Atoms", f"{len(frame)} ({_lowered(formula)})"),
    ]
    if frame.cell.any():
        facts.append(("Box at the start", " × ".join(f"{edge:.4g}" for edge in edges) + " Å" + _tilted(frame)))
        facts.append(("Density at the start", f"{density(frame.masses, frame.cell):.4g} g/cm³"))
    rows = []
    for place, (name, n) in enumerate(zip(found.names, counts, strict=True)):
        members = np.flatnonzero(found.species == place)
        one = int(members[0])
        mass = float(found.masses[members].mean())  # isotopologues share a formula
        rows.append(
            (
                _lowered(name),
                str(n),
                str(int(np.bincount(found.of_atom)[one])),
                f"{mass:.2f}",
                f"{100.0 * n / len(found):.1f} %",
                f"{100.0 * n * mass / float(found.masses.sum()):.1f} %",
            )
        )
    head = ("molecule", "number", "atoms each", "g/mol", "of molecules", "by weight")
    caption = (
        f"Molecules are atoms connected by bonds at the start, {rule.source}; isomers have one formula, and so have "
        "isotopologues (g/mol: their mean)."
    )
    blocks: list[Block] = [Facts(facts), Table("composition", caption, head, rows), _view(run, frame)]
    return Content(blocks=blocks, data={"formula": formula, "molecules": dict(zip(found.names, counts, strict=True))})


def _lowered(formula: str) -> str:
    """A formula with its numbers as subscripts."""
    return formula.translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def _tilted(frame: Frame) -> str:
    off_diagonal = frame.cell - np.diag(np.diag(frame.cell))
    return " (triclinic)" if np.abs(off_diagonal).max() > 1e-6 else ""


def _view(run: ReportedRun, frame: Frame) -> Block:
    pairs, _ = run.bonds_among(frame.ids).find(frame.positions, frame.numbers, frame.cell, frame.periodic, frame.ids)
    shown = [ShownFrame(frame, "the start structure")]
    try:
        # LAMMPS writes masses and no names, and not every isotope's mass tells its element
        types = AtomTypes(elements_of_data(run.folder / STRUCTURE), {})
        shown.append(ShownFrame(read_start(run.folder / FINAL, types), "the last configuration"))
        data = structure_view(shown, pairs)
    except LamplighterError as problem:
        if len(shown) == 2:
            return Missing("View of the structure", str(problem))
        data = structure_view(shown, pairs)
    caption = "The structure. Bonds are those of the start."
    if data["left_out"]:
        caption += f" Of more than {MOST_ATOMS} atoms a part is shown: {data['left_out']} atoms are left out."
    return View("structure", caption, data)


SECTION = Section("system", "System", "about", make)
