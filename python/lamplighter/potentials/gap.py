"""GAP: the XML file of `gap_fit` with its files of sparse points, evaluated by QUIP through quippy.

QUIP gets a rank's atoms and the ghosts within the cutoff as one cluster in vacuum, and a mask: the energies of the
masked atoms and their derivatives are taken. A descriptor of a pair gives half of its energy to each of the two atoms,
so that a part of the energy lies on ghosts, and is sent home. QUIP computes in float64, on one CPU core a rank.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from ase import Atoms

from lamplighter.errors import ModelError
from lamplighter.model_files import gap_file, recognition
from lamplighter.model_files.gap_file import GapFile
from lamplighter.plain_names import plain_path
from lamplighter.potentials.interface import Cluster, ClusterPotential, ClusterResult, LoadOptions
from lamplighter.potentials.requirements import require_elements

#: Descriptors of single atoms and their neighbours that QUIP masks, as tests here have shown.
_MASKED = ("distance_2b", "distance_nb", "angle_3b", "soap", "soap_turbo")
#: Settings of them that need more than positions and elements, or mix all atoms.
_UNMASKED_SETTINGS = ("average", "only_intra", "only_inter")
_MASK = "lamplighter_local"


class Gap(ClusterPotential):
    """A Gaussian approximation potential.

    Source: Bartók, Payne, Kondor, Csányi, Phys. Rev. Lett. 2010, 104, 136403; the calling convention is that of
    quippy 0.10.
    """

    kind: ClassVar[str] = "gap"
    runs_on_gpu: ClassVar[bool] = False

    def __init__(self, quip_potential: Any, found: GapFile) -> None:
        self.device = torch.device("cpu")
        self.dtype = torch.float64
        self.elements = found.elements
        self._calculator = quip_potential
        self.cutoff = float(quip_potential._quip_potential.cutoff())

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return gap_file.is_gap(path)

    @classmethod
    def load(cls, path: Path, options: LoadOptions) -> Gap:
        found = gap_file.read(path)
        _require_masks(found)
        require_elements(path, found.elements, options.elements)
        if options.dtype == "float32":
            raise ModelError(f"model file {path} is a GAP, which QUIP evaluates in float64: leave out dtype float32")
        if options.head is not None:
            raise ModelError(f"model file {path} is a GAP, which has no heads: leave out head {options.head}")
        recognition.require_framework("gap", path)
        from quippy.potential import Potential

        try:
            file = plain_path(path, found.companions)  # Fortran gets no other characters than those of ASCII
            loaded = Potential(param_filename=str(file), calculation_always_required=True)
        except RuntimeError as problem:
            newer = (
                ": a newer gap_fit wrote it, pip install --upgrade quippy-ase"
                if "later version" in str(problem)
                else ""
            )
            raise ModelError(
                f"model file {path} cannot be loaded by the installed quippy{newer} ({' '.join(str(problem).split())})"
            ) from problem
        return cls(loaded, found)

    def compute(self, cluster: Cluster) -> ClusterResult:
        # QUIP wants a cell; far from its faces it is vacuum
        margin = 2.0 * self.cutoff
        extent = np.ptp(cluster.positions, axis=0) + 2.0 * margin
        origin = cluster.positions.min(axis=0) - margin
        atoms = Atoms(cluster.numbers, positions=cluster.positions - origin, cell=extent, pbc=False)
        atoms.arrays[_MASK] = np.arange(len(atoms)) < cluster.nlocal
        self._calculator.calculate(
            atoms,
            ["energy", "forces", "energies"],
            local_virial=cluster.virials_wanted,
            calc_args=f"atom_mask_name={_MASK}",
            add_arrays=[_MASK],
        )
        results = self._calculator.results
        virials = None
        if cluster.virials_wanted:
            virials = self._calculator.extra_results["atoms"]["local_virial"].T.reshape(-1, 3, 3)
        return ClusterResult(results["energies"], results["forces"], virials)


def _require_masks(found: GapFile) -> None:
    for each in found.descriptors:
        settings = [key for key in _UNMASKED_SETTINGS if each.words.get(key, "F").upper().startswith("T")]
        of_more = each.kind.lower() == "distance_nb" and each.words.get("order", "2") != "2"
        if each.kind.lower() in _MASKED and not settings and not of_more:
            continue
        what = f"{each.kind} with {settings[0]}" if settings else each.kind
        what += f" of order {each.words['order']}" if of_more else ""
        raise ModelError(
            f"model file {found.path} has a descriptor {what}, for which energies of single atoms on several ranks are "
            f"not known to be exact (they are for {', '.join(_MASKED)}): run it on one rank as an ASE calculator "
            "(kind ase, calculator quippy.potential:Potential, options param_filename)"
        )
