"""The bonds that a run decided on when it began, for all that analyses it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from lamplighter.analysis.bonding import BondRule, rule_of_file
from lamplighter.config.bonds import BondsSection
from lamplighter.config.loading import load_run_file
from lamplighter.errors import LamplighterError
from lamplighter.run_folder.record import RUN_FILE
from lamplighter.structures.bond_files import read_bonds
from lamplighter.structures.frame import Integers

BONDS = "bonds.txt"


def rule_of_settings(bonds: BondsSection) -> BondRule:
    """The `bonds` section of a run file.

    Raises:
        TrajectoryError: its file cannot be read, or lists something else.
    """
    rule = BondRule() if bonds.file is None else rule_of_file(bonds.file)
    unbonded, bonded = bonds.words
    made = replace(rule, tolerance=bonds.tolerance, ions=bonds.ions, unbonded=unbonded, bonded=bonded)
    alone = bonds.ions == "none" and bonds.file is None
    return replace(made, source="found by covalent radii alone") if alone else made


def has_no_bonds(folder: Path) -> bool:
    """Whether a run decided that nothing is bonded, so that a bond criterion watches nothing; False: not known.

    Raises:
        TrajectoryError: the list of its bonds cannot be read.
    """
    path = folder / BONDS
    return path.exists() and len(read_bonds(path)) == 0


def bonds_of_run(folder: Path, ids: Integers | None = None) -> BondRule:
    """As the run decided; of folders of versions that kept no list, as they would be found today.

    Args:
        folder: The run folder.
        ids: Of the atoms that are looked at; where they are a part (one of the copies that `structure.replicate` made),
            bonds are found in it.

    Raises:
        TrajectoryError: the list cannot be read.
    """
    try:
        settings = load_run_file(folder / RUN_FILE).bonds
    except LamplighterError:
        settings = BondsSection()
    path = folder / BONDS
    if not path.exists():
        return rule_of_settings(settings)
    rule = rule_of_settings(settings.model_copy(update={"file": None}))
    listed = rule_of_file(path).listed
    assert listed is not None
    if ids is not None and not np.isin(listed, ids).all():
        return rule
    return replace(rule, listed=listed, source=f"as the run decided ({BONDS})")
