"""SOAP descriptors of atomic environments, by dscribe, a bounded number of atoms at a time.

Source: A. P. Bartók, R. Kondor, G. Csányi, Phys. Rev. B 87, 184115 (2013); L. Himanen et al., Comput. Phys. Commun.
247, 106949 (2020) (dscribe). The parameters are those of Wong, Yang, arXiv:2603.10159, section 0.8.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from lamplighter.arrays import Floats, Integers
from lamplighter.errors import EnvironmentProblem, TrajectoryError

ATOMS_A_CHUNK = 2000


@dataclass(frozen=True)
class SoapParameters:
    """What defines the descriptor.

    Attributes:
        elements: All that environments may hold.
        r_cut: Å.
        n_max, l_max: Radial functions and degree of the spherical harmonics.
        sigma: Width of the Gaussians, Å.
    """

    elements: tuple[str, ...]
    r_cut: float = 5.0
    n_max: int = 8
    l_max: int = 6
    sigma: float = 0.375

    measure = "Q"
    """How the residuals of these descriptors are called."""

    def __str__(self) -> str:
        return (
            f"SOAP: r_cut {self.r_cut:g} Å, n_max {self.n_max}, l_max {self.l_max}, σ {self.sigma:g} Å, elements "
            f"{' '.join(self.elements)}: {self.n_features} numbers an atom"
        )

    @property
    def n_features(self) -> int:
        """Numbers in a descriptor: pairs of radial functions of all elements, for each degree."""
        n = len(self.elements) * self.n_max
        return n * (n + 1) // 2 * (self.l_max + 1)


class Soap:
    """A SOAP descriptor for periodic and open structures.

    Raises:
        EnvironmentProblem: dscribe is not installed.
    """

    def __init__(self, parameters: SoapParameters) -> None:
        try:
            from dscribe.descriptors import SOAP
        except ImportError as problem:
            raise EnvironmentProblem(
                f"SOAP descriptors need dscribe: pip install 'lamplighter[analysis]' ({problem})"
            ) from problem
        self.parameters = parameters
        self._known = np.array([atomic_numbers[symbol] for symbol in parameters.elements])
        self._soap: dict[bool, Any] = {
            periodic: SOAP(
                species=list(parameters.elements),
                r_cut=parameters.r_cut,
                n_max=parameters.n_max,
                l_max=parameters.l_max,
                sigma=parameters.sigma,
                periodic=periodic,
                sparse=False,
            )
            for periodic in (False, True)
        }

    def describe(self, atoms: Atoms, centres: Sequence[int] | Integers | None = None) -> Floats:
        """Descriptors of atoms, shape (n, n_features).

        Args:
            atoms: All atoms.
            centres: Places of those that are asked for; None: all.

        Raises:
            TrajectoryError: an element that the descriptor does not know, or positions that are not finite.
        """
        unknown = sorted(set(atoms.symbols[~np.isin(atoms.numbers, self._known)]))
        if unknown:
            raise TrajectoryError(
                f"the structure holds {' '.join(unknown)}, and the training set {' '.join(self.parameters.elements)}: "
                "environments with an element that was never seen cannot be compared"
            )
        if not np.isfinite(atoms.positions).all():
            raise TrajectoryError("positions are not finite: `lamplighter check` says what failed first")
        places = np.arange(len(atoms)) if centres is None else np.asarray(centres)
        # dscribe bins the extended system: positions must lie within the cell
        if atoms.pbc.any():
            atoms = atoms.copy()
            atoms.wrap()
        made = self._soap[bool(atoms.pbc.any())].create(atoms, centers=[int(place) for place in places])
        return np.asarray(made, dtype=np.float64).reshape(len(places), -1)

    def chunks(self, atoms: Atoms, centres: Integers | None = None) -> Iterator[tuple[Integers, Floats]]:
        """Places of atoms and their descriptors, at most `ATOMS_A_CHUNK` at a time; raises as `describe`."""
        places = np.arange(len(atoms)) if centres is None else centres
        for begin in range(0, len(places), ATOMS_A_CHUNK):
            some = places[begin : begin + ATOMS_A_CHUNK]
            yield some, self.describe(atoms, some)
