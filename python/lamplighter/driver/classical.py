"""Classical force fields in LAMMPS: the start structure with its molecules, and the lines that evaluate them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from lamplighter.analysis.cell_heights import heights, widest_gaps
from lamplighter.config.potential import PotentialSection
from lamplighter.config.run_file import RunFile
from lamplighter.driver.pair_evaluation import Evaluation, Request
from lamplighter.errors import ConfigError, StructureError
from lamplighter.potentials.classical import atom_types, lammps_lines, moltemplate_file
from lamplighter.potentials.classical.force_fields import FORCE_FIELDS
from lamplighter.potentials.classical.system import (
    Box,
    System,
    require_neutral,
    system_of,
    terms_of_structure,
    write_data,
)
from lamplighter.potentials.classical.typed_molecule import typed_molecule
from lamplighter.run_folder.names import STRUCTURE
from lamplighter.structures import read_start_structure
from lamplighter.structures.frame import Frame
from lamplighter.structures.lammps_data import corner_of_box
from lamplighter.structures.lammps_dump import AtomTypes
from lamplighter.structures.molecule_list import MoleculeList, is_molecule_list, read_molecule_list
from lamplighter.structures.start import StartStructure
from lamplighter.structures.trajectory import read_start

VACUUM_A = 8.0
"""A layer without atoms across a cell that is wider (Å) is vacuum: no hole of a liquid goes through all of a cell."""


def require_possible(potential: PotentialSection) -> None:
    """Refuse a classical force field whose molecules are not known, or that a package lacks for.

    Raises:
        ConfigError: no list of molecules is given, or a molecule has no parameters.
        StructureError: the list cannot be read.
        EnvironmentProblem: RDKit or moltemplate is not installed.
    """
    atom_types.chemistry()
    moltemplate_file.folder()
    system_of_potential(potential)


def molecules_of(potential: PotentialSection) -> MoleculeList:
    """The list of molecules of a resolved potential.

    Raises:
        ConfigError: none is given.
        StructureError: it cannot be read.
    """
    path = potential.molecules
    if path is None or not is_molecule_list(path):
        named = "" if path is None else f", and {path} is none"
        raise ConfigError(
            "potential.classical needs the list of molecules (molecules.yaml, as `lamplighter build` writes it): name "
            f"it in structure.molecules{named}"
        )
    return read_molecule_list(path)


def system_of_potential(potential: PotentialSection) -> System:
    """The molecules of a resolved potential with their types. Raises as `require_possible`."""
    assert potential.classical is not None
    return _system(molecules_of(potential), potential.classical, potential.charge_scale, potential.water)


def _system(molecules: MoleculeList, force_field: str, charge_scale: float, water: str | None) -> System:
    typed = [
        typed_molecule(each.mapped_smiles, each.name, each.charge, force_field, charge_scale, water)
        for each in molecules.components
    ]
    return system_of(typed, [each.molecules for each in molecules.components])


def evaluation(request: Request) -> Evaluation:
    """How a classical force field is evaluated.

    Raises:
        ConfigError: the atom types are those of other molecules.
    """
    potential = request.potential
    assert potential.classical is not None
    system = system_of_potential(potential)
    lines = lammps_lines.lines(
        FORCE_FIELDS[potential.classical],
        system,
        potential.cutoff.metal,
        potential.kspace_accuracy,
        request.periodic,
        potential.tail_correction,
    )
    return Evaluation(None, lines=tuple(lines))


def without_variants(lines: Sequence[str]) -> tuple[str, ...]:
    """Lines of a classical force field that ask for no variant of a style; LAMMPS' `-suffix` may."""
    return tuple(each for each in lines if each not in lammps_lines.ACCELERATED)


def tables_of(potential: PotentialSection) -> tuple[Path, ...]:
    """The files of moltemplate that the parameters of a potential are read from; none without a classical force field.

    Raises:
        EnvironmentProblem: one is not there.
    """
    return () if potential.classical is None else FORCE_FIELDS[potential.classical].files()


def start_structure(run: RunFile) -> StartStructure:
    """The start structure of a resolved run file; with a classical force field, typed and with its bonds.

    Raises:
        ConfigError, StructureError, EnvironmentProblem: it cannot be read, or does not go with the potential.
    """
    structure = read_start_structure(run.structure)
    return structure if run.potential.classical is None else typed(structure, run.potential)


def typed(structure: StartStructure, potential: PotentialSection) -> StartStructure:
    """A structure whose atom types are those of a classical force field, and whose data file has its bonded terms.

    Args:
        structure: Its atoms follow as those of the list of molecules do; only positions, cell and velocities count.
        potential: Of a resolved run file.

    Raises:
        ConfigError: as `require_possible`; a periodic system with a net charge.
        StructureError: other atoms, bonds far too long, a cell that is too small, or one that repeats in some
            directions only.
    """
    system = system_of_potential(potential)
    source = str(structure.source)
    frame, box = _frame(structure)
    molecules_of(potential).refuse_other_atoms(frame.numbers, source)
    if any(box.periodic) and not all(box.periodic):
        raise StructureError(
            f"potential.classical: {source} is periodic in some directions only, and Coulomb interactions are summed "
            "for all or none: set structure.periodic: [true, true, true], with vacuum in the cell where it is needed"
        )
    if structure.periodic:
        require_neutral(system, source)
        _require_room(potential, box, source)
    terms = terms_of_structure(system, frame.positions, box, source)

    def write(target: Path) -> None:
        write_data(target, system, frame.positions, box, terms, frame.velocities)

    return replace(
        structure,
        elements=system.type_elements,
        atom_style="full",
        masses=(),
        write=write,
        rigid=lammps_lines.rigid_line(system),
        notes=(*structure.notes, *said_of(system, potential), *_said_of_vacuum(potential, frame, box)),
    )


def said_of(system: System, potential: PotentialSection) -> list[str]:
    """What is told of a classical force field at the start of a run: types, charges, sources."""
    assert potential.classical is not None
    force_field = FORCE_FIELDS[potential.classical]
    said = [f"{force_field.title} ({force_field.source}), {force_field.file} of moltemplate"]
    said += [
        f"{path.name} of moltemplate {version('moltemplate')} is not the file whose numbers were held against other "
        "programs: energies of one molecule by `lamplighter label` should be compared with an earlier version's"
        for path in force_field.unchecked()
    ]
    said += [each.in_words for each in system.molecules]
    said += dict.fromkeys(source for each in system.molecules for source in each.sources)
    if potential.charge_scale != 1.0:
        ions = ", ".join(each.name for each in system.molecules if each.charge != 0)
        said.append(
            f"charge_scale {potential.charge_scale:g}: partial charges of all atoms of {ions} are multiplied by it, "
            "those of neutral molecules are not"
            if ions
            else f"charge_scale {potential.charge_scale:g} changes nothing: no molecule has a formal charge"
        )
    return said


def _said_of_vacuum(potential: PotentialSection, frame: Frame, box: Box) -> list[str]:
    """What does not hold for a cell with vacuum in it."""
    if not all(box.periodic):
        return []
    gaps = widest_gaps(frame.positions, box.corner, box.cell)
    if gaps.max() < VACUUM_A:
        return []
    where = " and ".join(f"{gap:.3g} Å along {'abc'[axis]}" for axis, gap in enumerate(gaps) if gap >= VACUUM_A)
    said = (
        f"there is vacuum in the cell ({where}): Coulomb sums repeat it in all directions, so that a dipole across it "
        "acts on its images, and a barostat has no pressure to hold along it"
    )
    if potential.tail_correction:
        said += (
            "; corrections for Lennard-Jones interactions beyond the cutoff are those of a liquid that fills the cell: "
            "give potential.tail_correction: false, and a longer potential.cutoff"
        )
    return [f"{said} (docs/how_to/classical.md, Boxes)"]


def _require_room(potential: PotentialSection, box: Box, source: str) -> None:
    least, cutoff = float(np.min(heights(box.cell))), potential.cutoff.metal
    if least < 2.0 * cutoff:
        raise StructureError(
            f"potential.cutoff: {cutoff:g} Å is more than half of the least height of the cell of {source} "
            f"({least:.4g} Å): build a larger one, or give potential.cutoff, of at most {0.5 * least:.3g} Å"
        )


def _frame(structure: StartStructure) -> tuple[Frame, Box]:
    """Atoms in LAMMPS' axes and in the order of their IDs, as the data file without bonds has them."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / STRUCTURE
        structure.write(data)
        frame = read_start(data, AtomTypes(dict(enumerate(structure.elements, start=1)), {}))
        corner = corner_of_box(data)
    periodic = [sign == "p" for sign in structure.boundary]
    if frame.images is not None:
        frame = replace(frame, positions=frame.positions + frame.images @ frame.cell, images=None)
    return frame, Box(corner, frame.cell, periodic)
