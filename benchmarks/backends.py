"""The backends that throughput.py compares: the model that each runs, its own ASE calculator, its lines in LAMMPS."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import liquid

from lamplighter.model_files import calculator_file, calculator_opening

FRAMEWORKS = liquid.EXAMPLE / "frameworks" / "models"


@dataclass(frozen=True)
class Backend:
    """A framework.

    Attributes:
        name: As its authors write it.
        module: Python package that must be importable.
        dtype: Of `pair_style lamplighter`; what the model is by itself where it can be told nothing else.
        force_tolerance: How far forces may be from those of its ASE calculator, eV/Å.
        models: Files, of which the first that is there is the default.
        calculator: Its own ASE calculator of (model, device, dtype).
        own_style: LAMMPS' pair style that runs the model without Lamplighter; nothing if there is none.
        several_ranks: Whether it runs on more than one MPI rank.
        fewer_steps: What the default number of timed steps is divided by: its steps take seconds.
    """

    name: str
    module: str
    dtype: str
    force_tolerance: float
    models: Callable[[], list[Path]]
    calculator: Callable[[Path, str, str], Any]
    own_style: str = ""
    several_ranks: bool = True
    fewer_steps: int = 1

    @property
    def installed(self) -> bool:
        return importlib.util.find_spec(self.module) is not None

    def default_model(self) -> Path | None:
        return next((path for path in self.models() if path.is_file()), None)

    def pair_lines(self, model: Path, symbols: list[str], dtype: str, device: str, engine: str) -> list[str]:
        """`pair_style` and `pair_coeff` of Lamplighter."""
        if self.own_style:
            return self.own_lines(model, symbols)
        return [
            f"pair_style lamplighter dtype {dtype} device {device} engine {engine}",
            f'pair_coeff * * "{model}" {" ".join(symbols)}',
        ]

    def own_lines(self, model: Path, symbols: list[str]) -> list[str]:
        """The lines without Lamplighter."""
        return [f'pair_style {self.own_style} "{model}"', f"pair_coeff * * {' '.join(symbols)}"]


def _mace(model: Path, device: str, dtype: str) -> Any:
    from mace.calculators import MACECalculator

    return MACECalculator(model_paths=str(model), device=device, default_dtype=dtype)


def _sevennet(model: Path, device: str, dtype: str) -> Any:
    from sevenn.calculator import SevenNetCalculator

    return SevenNetCalculator(str(model), device=device)


def _nequip(model: Path, device: str, dtype: str) -> Any:
    from nequip.integrations.ase import NequIPCalculator

    return NequIPCalculator._from_saved_model(str(model), device=device, chemical_species_to_atom_type_map=True)


def _deepmd(model: Path, device: str, dtype: str) -> Any:
    from deepmd.calculator import DP

    return DP(model=str(model))


def _gap(model: Path, device: str, dtype: str) -> Any:
    from quippy.potential import Potential

    return Potential(param_filename=str(model))


def _named(model: Path, device: str, dtype: str) -> Any:
    return calculator_opening.open_named(calculator_file.read(model), model)


def _sevennet_models() -> list[Path]:
    spec = importlib.util.find_spec("sevenn")
    folder = Path(spec.origin).parent if spec is not None and spec.origin else Path()
    return sorted(folder.glob("pretrained_potentials/SevenNet_0__11Jul2024/*.pth"))


BACKENDS = {
    "mace": Backend("MACE", "mace", "float64", 1e-7, lambda: [liquid.MODEL], _mace),
    "sevennet": Backend("SevenNet", "sevenn", "float32", 1e-4, _sevennet_models, _sevennet),
    "nequip": Backend(
        "NequIP", "nequip", "auto", 1e-4, lambda: [FRAMEWORKS / "nequip" / "nequip_0.nequip.zip"], _nequip
    ),
    "allegro": Backend(
        "Allegro", "allegro", "auto", 1e-4, lambda: [FRAMEWORKS / "allegro" / "allegro_0.nequip.zip"], _nequip
    ),
    "deepmd": Backend(
        "DeePMD",
        "deepmd",
        "auto",
        1e-5,
        lambda: [
            FRAMEWORKS / "deepmd" / "deepmd_0.pb",
            liquid.EXAMPLE / "deepmd" / "models" / "ec_emc_dp_0.pb",
        ],
        _deepmd,
        own_style="deepmd",
    ),
    "gap": Backend("GAP", "quippy", "float64", 1e-8, lambda: [FRAMEWORKS / "gap" / "gap_0.xml"], _gap, fewer_steps=20),
    "ase": Backend(
        "ASE calculator",
        "ase",
        "auto",
        1e-8,
        lambda: [Path(__file__).parent / "emt.calculator.yaml"],
        _named,
        several_ranks=False,
    ),
}


def calculator(name: str, model: Path, device: str, dtype: str) -> Any:
    """The framework's own ASE calculator."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return BACKENDS[name].calculator(model, device, dtype)


def network_of(ase_calculator: Any) -> Any:
    """The torch module that a calculator calls; None if it has none."""
    models = getattr(ase_calculator, "models", None)
    found = models[0] if isinstance(models, list) and models else getattr(ase_calculator, "model", None)
    return found if hasattr(found, "register_forward_hook") else None
