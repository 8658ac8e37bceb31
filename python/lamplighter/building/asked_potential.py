"""What a potential says of molecules and their box is asked before they are packed, which can take minutes.

A classical force field has types for some molecules alone, and a cutoff that a box must hold twice; a model file knows
some elements alone. What a run would refuse is refused here.
"""

from __future__ import annotations

from lamplighter.analysis.cell_heights import heights
from lamplighter.building.cells import FilledBox
from lamplighter.config.potential import PotentialSection
from lamplighter.errors import ConfigError, ModelError
from lamplighter.structures.molecule_list import MoleculeList


def require_known(potential: PotentialSection, molecules: MoleculeList) -> None:
    """Refuse molecules that a potential does not know.

    Args:
        potential: With absolute paths. Model files that are not there are not asked: they may be where the run will be.
        molecules: Of the box.

    Raises:
        ConfigError: a molecule has no types in a classical force field; all such molecules are named.
        ModelError: a model lacks an element, or a file is no model.
        EnvironmentProblem: a package that has the tables of a force field is not installed.
    """
    if potential.classical is not None:
        _require_types(potential, potential.classical, molecules)
    present = {symbol for each in molecules.components for symbol in each.elements}
    for model in potential.models:
        if not model.is_file():
            continue
        from lamplighter.model_files.describe import describe

        known = describe(model).elements
        if known and (lacking := sorted(present - set(known))):
            of = ", ".join(each.name for each in molecules.components if set(each.elements) & set(lacking))
            raise ModelError(
                f"potential.models: {model} does not know {', '.join(lacking)} (of {of}), but {', '.join(known)}: "
                "nothing was packed; name another model, or leave these molecules out"
            )


def require_room(potential: PotentialSection, box: FilledBox) -> None:
    """Refuse a box that is too narrow for the cutoff of a classical force field.

    Raises:
        ConfigError: it is narrower than twice the cutoff.
    """
    if potential.classical is None:
        return
    narrow, cutoff = float(heights(box.cell).min()), potential.cutoff.metal
    if narrow < 2.0 * cutoff:
        raise ConfigError(
            f"potential.cutoff: the box is {narrow:.4g} Å wide at its narrowest, less than twice the cutoff "
            f"({cutoff:g} Å) of {potential.classical}: take more atoms, a lower density or a larger box, or give "
            f"potential.cutoff, of at most {0.5 * narrow:.3g} Å"
        )


def _require_types(potential: PotentialSection, force_field: str, molecules: MoleculeList) -> None:
    from lamplighter.potentials.classical.typed_molecule import typed_molecule

    refused = []
    for each in molecules.components:
        try:
            typed_molecule(
                each.mapped_smiles, each.name, each.charge, force_field, potential.charge_scale, potential.water
            )
        except ConfigError as problem:
            refused.append(str(problem))
    if refused:
        raise ConfigError("\n".join([*refused, "Nothing was packed: leave these molecules or `potential` out."]))
