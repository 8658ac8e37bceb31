"""The frameworks whose models Lamplighter runs: what each is called, and which packages bring it."""

from __future__ import annotations

from typing import NamedTuple


class Framework(NamedTuple):
    """What runs models of one kind.

    Attributes:
        kind: As in `pair_style lamplighter kind`.
        name: As its authors write it.
        module: Python package that must be importable.
        extra: Extra of Lamplighter that brings it.
        make_target: What `make` builds the environment that has it.
        packages: Distributions, by the names that are shown to users; the first one is that of the framework.
    """

    kind: str
    name: str
    module: str
    extra: str
    make_target: str
    packages: dict[str, str]


FRAMEWORKS = {
    each.kind: each
    for each in (
        Framework("mace", "MACE", "mace", "mace", "install", {"MACE": "mace-torch"}),
        Framework(
            "nequip",
            "NequIP or Allegro",
            "nequip",
            "nequip",
            "install-frameworks",
            {"NequIP": "nequip", "Allegro": "nequip-allegro"},
        ),
        Framework("sevennet", "SevenNet", "sevenn", "sevenn", "install-frameworks", {"SevenNet": "sevenn"}),
        Framework("deepmd", "DeePMD", "deepmd", "deepmd", "install-frameworks", {"DeePMD": "deepmd-kit"}),
        Framework("gap", "GAP", "quippy", "gap", "install", {"QUIP (GAP)": "quippy-ase"}),
        Framework("ase", "ASE calculator", "ase", "", "install", {}),
    )
}
"""By kind."""

PACKAGES = {name: package for each in FRAMEWORKS.values() for name, package in each.packages.items()}
"""Distributions of all frameworks, by the names that are shown to users."""
