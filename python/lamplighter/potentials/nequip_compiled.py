"""NequIP and Allegro compiled by torch's AOTInductor: the programs that `nequip_compile` makes, opened and run.

A program takes edge vectors and gives energies of atoms and forces of edges. NequIP is not needed.
"""

from __future__ import annotations

import io
import platform
from pathlib import Path
from typing import Any, ClassVar

import torch

from lamplighter.errors import ModelError
from lamplighter.model_files import nequip_compiled_file, recognition
from lamplighter.model_files.examination import COMPILED
from lamplighter.model_files.loading import read_program
from lamplighter.potentials.edges import edges_within, hand_over
from lamplighter.potentials.interface import LoadOptions, PairData, PairPotential
from lamplighter.potentials.nequip_network import DTYPES, cutoffs_of, require_precision
from lamplighter.potentials.requirements import require_elements


class CompiledNequIP(PairPotential):
    """A NequIP or Allegro model in machine code."""

    kind: ClassVar[str] = "nequip"

    elements: list[str]

    def __init__(self, program: Any, path: Path) -> None:
        labels = program.get_metadata()
        self.device = torch.device("cpu")
        self.dtype = DTYPES[labels["model_dtype"]]
        self.elements = labels["type_names"].split()
        self.cutoff = float(labels["r_max"])
        self._cutoffs = cutoffs_of(labels, len(self.elements), self.device)
        self._program = program
        if nequip_compiled_file.own_labels(labels)["exchanges"] == "1":
            self.one_rank_because = (
                "it was compiled as a whole, and its messages between atoms cannot be exchanged between ranks: give "
                "the package (.nequip.zip) that it was made from"
            )

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return recognition.is_nequip_compiled(path)

    @classmethod
    def load(cls, path: Path, options: LoadOptions) -> CompiledNequIP:
        if options.device.type != "cpu":
            raise ModelError(f"model file {path} is compiled for CPUs: leave out device {options.device}")
        if options.head is not None:
            raise ModelError(
                f"model file {path} is compiled, of one network: leave out head {options.head}, and choose it when the "
                "model is compiled (lamplighter compile PACKAGE --head NAME)"
            )
        potential = open_compiled(path)
        require_elements(path, potential.elements, options.elements)
        require_precision(path, str(potential.dtype).removeprefix("torch."), options.dtype)
        return potential

    def element_index(self, symbol: str) -> int:
        return self.elements.index(symbol)

    def compute(self, data: PairData) -> None:
        edges = edges_within(data, self._cutoffs, torch.float64)
        index = torch.stack((edges.receivers, edges.senders))
        types, vectors = data.elems, edges.vectors.detach()
        if len(types) < 2 or len(vectors) < 2:
            index, types, vectors = self._with_dimer(index, types, vectors)
        places = vectors.new_zeros((len(types), 3))
        with torch.no_grad():
            energies, forces = self._program([places, vectors, index, types])
        hand_over(data, edges, energies.view(-1)[: data.nlocal], forces[: len(edges.vectors)])

    def _with_dimer(
        self, index: torch.Tensor, types: torch.Tensor, vectors: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Two more atoms, of which nobody else knows: the program is for two atoms and two edges at least."""
        first = len(types)
        pair = torch.tensor([[first, first + 1], [first + 1, first]])
        apart = vectors.new_zeros((2, 3))
        apart[0, 0], apart[1, 0] = 0.5 * self.cutoff, -0.5 * self.cutoff
        return torch.cat((index, pair), dim=1), torch.cat((types, types.new_zeros(2))), torch.cat((vectors, apart))


def open_compiled(path: Path) -> CompiledNequIP:
    """A file of `compile_file`.

    Raises:
        UntrustedModelError: the file is not on the list of trusted files.
        ModelError: it was compiled for another caller, another kind of processor or another torch; the message names
            the remedy.
    """
    if nequip_compiled_file.made_for(path) != nequip_compiled_file.LAMPLIGHTER:
        target = nequip_compiled_file.made_for(path)
        how = f"for `--target {target}`" if target else "for one way of calling it (nequip-compile)"
        raise ModelError(f"model file {path} is compiled {how}: {nequip_compiled_file.remedy(path)}")
    import torch._inductor

    _require_machine(path)
    content = read_program(path, COMPILED)
    try:
        program = torch._inductor.aoti_load_package(io.BytesIO(content))
        return CompiledNequIP(program, path)
    except Exception as problem:
        raise ModelError(
            f"model file {path} cannot be loaded by torch {torch.__version__}: it is damaged, or was compiled with "
            f"another torch: compile it again, `lamplighter compile PACKAGE -o {path.name}` "
            f"({type(problem).__name__}: {problem})"
        ) from problem


def _require_machine(path: Path) -> None:
    """Refuse instructions that this processor does not have, which would end the process."""
    found = nequip_compiled_file.labels(path)
    machine, instructions = str(found.get("AOTI_MACHINE", "")), str(found.get("AOTI_CPU_ISA", ""))
    here = torch.backends.cpu.get_cpu_capability()
    lacking = "AVX512" in instructions and "AVX512" not in here
    if (machine and machine != platform.machine()) or lacking:
        raise ModelError(
            f"model file {path} was compiled for {machine} with {instructions}, and this is {platform.machine()} with "
            f"{here}: compile it again here, `lamplighter compile PACKAGE -o {path.name}`"
        )
