"""How the liquid is ordered, how long its bonds are, and whether its molecules hold."""

from __future__ import annotations

from collections.abc import Sequence

from lamplighter.observables.structure import StructureOptions, TrajectoryStructure, compared, structure_of_run
from lamplighter.report.drawing import new_figure
from lamplighter.report.page.content import Block, Content, Notes, Number, Picture, Table, Text, number
from lamplighter.report.page.section import Definition, Made, ReportedRun, Section, Wishes
from lamplighter.report.structure_text import (
    BOND_HEAD,
    SHELL_HEAD,
    bond_rows,
    draw_bond_lengths,
    draw_census,
    draw_distributions,
    integrity_lines,
    shell_rows,
    structure_as_json,
)

_BETWEEN = "inter"
"""Pairs of atoms of different molecules: those within say what molecules are made of."""


def make(run: ReportedRun) -> Content:
    """Raises LamplighterError: as `structure_of_run`, for example where nothing is left of a short stage."""
    found = structure_of_run(run, None, StructureOptions(run.wishes.observables.discard_ps))
    made = found.distributions[_BETWEEN]
    blocks: list[Block] = [Text(" ".join(line.strip().rstrip(".") + "." for line in integrity_lines(found.integrity)))]
    if made:
        (distributions, (left,)), (numbers, (right,)) = new_figure(), new_figure()
        draw_distributions(left, right, made)
        blocks += [
            Picture("rdf", "Radial distributions between molecules.", distributions, "rdf"),
            Picture("neighbours", "Neighbours of other molecules within a distance, in these colours.", numbers, "rdf"),
            Table("rdf_shells", "First shells between molecules.", SHELL_HEAD, shell_rows(made)),
        ]
    if found.bond_elements:
        figure, (axis,) = new_figure()
        draw_bond_lengths(axis, found.bond_elements)
        blocks += [
            Picture("bond_lengths", "Distribution of the lengths of bonds.", figure, "bond_length"),
            Table("bond_lengths", "Bonds of the first frame.", BOND_HEAD, bond_rows(found)),
        ]
    if found.integrity.first_change is not None:
        figure, (axis,) = new_figure()
        draw_census(axis, found.integrity)
        blocks.append(Picture("molecules", "Molecules in each frame.", figure, "integrity"))
    if found.notes:
        blocks.append(Notes(found.notes))
    return Content(_numbers(found), blocks, data=structure_as_json(compared([found], None), None), kept=found)


def _numbers(found: TrajectoryStructure) -> list[Number]:
    integrity = found.integrity
    share = integrity.n_changed_frames / integrity.n_frames
    numbers = [
        Number(
            "frames with other molecules than the first",
            100.0 * share,
            float("nan"),
            "%",
            "integrity",
            "bonds by distance",
            f"{integrity.n_changed_frames} of {integrity.n_frames} frames",
            exact=True,
        )
    ]
    return numbers + [
        number(f"length of {each.name} bonds", each.mean, "bond_length", detail=f"{each.n_bonds} bonds")
        for each in found.bond_elements
    ]


def together(made: Sequence[Made], wishes: Wishes) -> Content:
    """Radial distributions between molecules of all runs, one over the other."""
    if len(made) < 2:
        return Content()
    runs: list[TrajectoryStructure] = [each.content.kept for each in made]
    (distributions, (left,)), (numbers, (right,)) = new_figure(), new_figure()
    for each, run, style in zip(made, runs, _styles(len(runs)), strict=True):
        draw_distributions(left, right, run.distributions[_BETWEEN], style=style, labelled=run is runs[0])
        right.plot([], [], style, color="0.4", label=each.run.label)
    right.legend(fontsize="small", frameon=False)
    caption = "Radial distributions between molecules: a colour for each pair of elements, a kind of line for each run."
    return Content(
        blocks=[
            Picture("all_rdf", caption, distributions, "rdf"),
            Picture("all_neighbours", "Neighbours of other molecules within a distance.", numbers, "rdf"),
        ]
    )


def _styles(number_of_runs: int) -> list[str]:
    return [("-", "--", ":", "-.")[place % 4] for place in range(number_of_runs)]


SECTION = Section(
    "structure",
    "Structure",
    "results",
    make,
    together,
    promises=[("frames with other molecules than the first", "integrity")],
    definitions=[
        Definition(
            "rdf",
            "Radial distribution g(r) and coordination number n(r)",
            "g<sub>ab</sub>(r) = ⟨ρ<sub>b</sub>(r)⟩<sub>a</sub> / ρ<sub>b</sub>, "
            "n(r) = ∫<sub>0</sub><sup>r</sup> 4πr′² ρ<sub>b</sub> g<sub>ab</sub>(r′) dr′",
            "How many atoms of one element are found at a distance from one of another, against a gas of the same"
            " density.",
            "M. P. Allen, D. J. Tildesley, Computer Simulation of Liquids, 2nd ed. (2017), section 2.6",
            "docs/theory/structure.md",
        ),
        Definition(
            "bond_length",
            "Bond length",
            "d = ⟨|r<sub>i</sub> − r<sub>j</sub>|⟩",
            "Mean over the bonds of the first frame, by the elements that they join; the error from blocks of time.",
            "blocks as in docs/theory/statistics.md",
            "docs/theory/structure.md",
        ),
        Definition(
            "integrity",
            "Molecules that hold",
            "r<sub>ij</sub> &lt; 1.4 (R<sub>i</sub> + R<sub>j</sub>)",
            "Molecules of each frame, from bonds by distance: a bond of the first frame is lost at 1.4 times the sum of"
            " its covalent radii, a new one begins at 1.15 times.",
            "covalent radii: B. Cordero et al., Dalton Trans. 2008, 2832",
            "docs/theory/structure.md",
        ),
    ],
)
