"""The bonds that a run decided on when it began, for all that analyses it; `Run.bonds` has them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lamplighter.analysis.bonding import BondRule, rule_of_file
from lamplighter.config.bonds import BondsSection
from lamplighter.errors import RunFolderError
from lamplighter.run_folder.names import BONDS
from lamplighter.run_folder.run_file import StoredRunFile


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


def bonds_of_run(folder: Path, run_file: StoredRunFile) -> BondRule:
    """As the run decided; of folders of versions that kept no list, as they would be found today.

    Args:
        folder: The run folder.
        run_file: Of the run; its section `bonds` says what no list says.

    Raises:
        TrajectoryError: the list cannot be read.
    """
    path = folder / BONDS
    if not path.exists():
        return rule_of_settings(_settings(run_file))
    return replace(
        rule_without_list(run_file), listed=rule_of_file(path).listed, source=f"as the run decided ({BONDS})"
    )


def rule_without_list(run_file: StoredRunFile) -> BondRule:
    """What the run file says of bonds, for atoms that no list names."""
    return rule_of_settings(_settings(run_file).model_copy(update={"file": None}))


def _settings(run_file: StoredRunFile) -> BondsSection:
    try:
        return run_file.bonds
    except RunFolderError:
        return BondsSection()
