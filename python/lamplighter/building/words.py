"""What is said of a box that was built, and of the library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lamplighter.analysis.cell_heights import heights
from lamplighter.building import library

if TYPE_CHECKING:
    from lamplighter.building.build import Built


def in_words(built: Built) -> str:
    """A table of the components, the box, and how it goes on."""
    rows = [("component", "charge", "number", "mole %", "mass %")]
    for each in built.components:
        shares = (f"{100 * each.mole_fraction:.2f}", f"{100 * each.mass_fraction:.2f}")
        rows.append((each.name, f"{each.charge:+d}" if each.charge else "0", str(each.number), *shares))
    a, b, c = (float(length) for length in (built.cell**2).sum(axis=1) ** 0.5)
    first = "Go" if built.has_potential else "Write a potential into its run.yaml, and go"
    narrow = heights(built.cell).min()
    lines = [
        *_columns(rows),
        f"{built.n_atoms} atoms in {a:.2f} × {b:.2f} × {c:.2f} Å ({narrow:.2f} Å at its narrowest), "
        f"{built.density:.4g} g/cm³",
        f"Atoms of two molecules are {built.nearest:.2f} Å apart or more.",
        f"Wrote {built.folder}. {first} on with:",
        f"  lamplighter run {built.run_file}",
    ]
    return "\n".join(lines)


def library_in_words() -> str:
    """All molecules and salts that a recipe may name."""
    rows = [("name", "SMILES", "CAS", "g/cm³", "at", "molecule")]
    for each in library.molecules().values():
        cas = f"{each.cas} ({each.of})" if each.of else each.cas
        density = ("", "") if each.density is None else (f"{each.density:g}", f"{each.temperature:g} °C")
        rows.append((each.name, each.smiles, cas, *density, each.title))
    return "\n".join([*_columns(rows), f"Salts: {', '.join(library.salts())}"])


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in rows]
