"""Small models with random weights, saved as their framework saves its own, and calculators of the frameworks."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ELEMENTS = ("H", "C", "O")
#: Large, so that an atom that loses its energy is noticed. eV
ATOMIC_ENERGIES = {"H": -13.6, "C": -1028.0, "O": -2042.0}


def forces_of(data: Any) -> np.ndarray:
    """Forces on atoms, (n, 3) eV/Å, from those of the pairs."""
    forces = np.zeros((data.nlocal, 3))
    np.add.at(forces, data.pair_i.numpy(), data.pair_forces.numpy())
    np.add.at(forces, data.pair_j.numpy(), -data.pair_forces.numpy())
    return forces


def require(module: str) -> None:
    """Skip where a framework is not installed."""
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed in this environment")


def build_nequip(path: Path, *, seed: int = 0, names: Sequence[str] = ("sole_model",), **options: Any) -> Path:
    """A NequIP model, packaged as `nequip-package` does; three layers, so that features are exchanged twice.

    With several `names` a package of several networks, the first of them with this seed, the next with the next.
    """
    from nequip.model import NequIPGNNModel

    settings = {
        "num_layers": 3,
        "l_max": 1,
        "parity": True,
        "num_features": 6,
        "radial_mlp_width": 8,
        "avg_num_neighbors": 12.0,
    }
    return _package(path, NequIPGNNModel, "nequip.model.NequIPGNNModel", seed, settings | options, names)


def build_allegro(path: Path, *, seed: int = 0, **options: Any) -> Path:
    """An Allegro model, packaged as `nequip-package` does."""
    from allegro.model import AllegroModel

    settings = {
        "l_max": 1,
        "num_layers": 2,
        "num_scalar_features": 8,
        "num_tensor_features": 4,
        "allegro_mlp_hidden_layers_width": 8,
        "radial_chemical_embed": {"_target_": "allegro.nn.TwoBodyBesselScalarEmbed", "num_bessels": 6},
        "radial_chemical_embed_dim": 8,
        "scalar_embed_mlp_hidden_layers_width": 8,
        "readout_mlp_hidden_layers_width": 8,
        "avg_num_neighbors": 12.0,
    }
    return _package(path, AllegroModel, "allegro.model.AllegroModel", seed, settings | options)


def _package(
    path: Path,
    builder: Any,
    target: str,
    seed: int,
    settings: dict[str, Any],
    names: Sequence[str] = ("sole_model",),
) -> Path:
    """What `nequip-package build` writes, without a training run before it."""
    import torch
    import yaml
    from nequip.scripts._package_utils import _EXTERNAL_MODULES, _INTERNAL_MODULES, _MOCK_MODULES
    from nequip.utils.global_state import set_global_state
    from nequip.utils.versions import get_current_code_versions

    before = torch.get_default_dtype()
    set_global_state()
    torch.set_default_dtype(torch.float64)
    settings = {
        "model_dtype": "float64",
        "type_names": list(ELEMENTS),
        "r_max": 4.0,
        "per_type_energy_shifts": ATOMIC_ENERGIES,
        "per_type_energy_scales": 0.7,
        **settings,
    }
    networks = torch.nn.ModuleDict({name: builder(seed=seed + k, **settings).eval() for k, name in enumerate(names)})
    labels = {
        "versions": dict(get_current_code_versions(verbose=False)),
        "package_version_id": 2,
        "available_models": ["eager"],
        "atom_types": dict(enumerate(ELEMENTS)),
    }
    each = [{"_target_": target, "seed": seed + k, **settings} for k in range(len(names))]
    several = {"_target_": "my_models.several", **dict(zip(names, each, strict=True))}
    config = {"training_module": {"model": each[0] if len(names) == 1 else several}}
    with torch.package.PackageExporter(path) as package:
        package.mock([f"{name}.**" for name in _MOCK_MODULES])
        package.extern([f"{name}.**" for name in _EXTERNAL_MODULES])
        package.intern([f"{name}.**" for name in _INTERNAL_MODULES])
        package.save_text("model", "package_metadata.txt", yaml.dump(labels))
        package.save_text("model", "config.yaml", yaml.dump(config))
        package.save_pickle("model", "eager_model.pkl", networks, dependencies=True)
    torch.set_default_dtype(before)
    from lamplighter.model_files import trust

    trust.add([path])
    return path


def nequip_calculator(model: Path, name: str = "sole_model") -> Any:
    """NequIP's own, which serves Allegro too; `name`: which network of a package of several."""
    import torch
    from nequip.integrations.ase import NequIPCalculator

    before = torch.get_default_dtype()
    calculator = NequIPCalculator._from_saved_model(str(model), chemical_species_to_atom_type_map=True, model_name=name)
    torch.set_default_dtype(before)
    return _with_default_dtype(calculator, torch.float64)


def _with_default_dtype(calculator: Any, dtype: Any) -> Any:
    """NequIP expects float64 as torch's default while it runs."""
    import torch

    calculate = calculator.calculate

    def with_dtype(*arguments: Any, **options: Any) -> None:
        before = torch.get_default_dtype()
        torch.set_default_dtype(dtype)
        try:
            calculate(*arguments, **options)
        finally:
            torch.set_default_dtype(before)

    calculator.calculate = with_dtype
    return calculator


def build_sevennet(path: Path, *, seed: int = 0, modalities: Sequence[str] = (), **options: Any) -> Path:
    """A SevenNet checkpoint with random weights; two layers, so that features are exchanged once.

    Modalities enter where they do in the checkpoint of several that comes with SevenNet.
    """
    import sevenn
    import torch
    from sevenn import _const
    from sevenn.model_build import build_E3_equivariant_model

    torch.manual_seed(seed)
    shifts = [ATOMIC_ENERGIES[symbol] for symbol in ELEMENTS]
    places = ("self_inter_intro", "self_inter_outro", "output_block", "wise_shift")
    config = dict(_const.DEFAULT_E3_EQUIVARIANT_MODEL_CONFIG) | {
        "version": sevenn.__version__,
        "cutoff": 4.0,
        "channel": 6,
        "num_convolution_layer": 2,
        "conv_denominator": 9.0,
        "shift": torch.tensor([[v + k for v in shifts] for k in range(len(modalities))]) if modalities else shifts,
        "scale": [0.7, 0.8, 0.9],
        "chemical_species": list(ELEMENTS),
        "_type_map": {1: 0, 6: 1, 8: 2},
        "_number_of_species": 3,
        "weight_nn_hidden_neurons": [8],
        "_modal_map": {name: k for k, name in enumerate(modalities)} or None,
        "use_modality": bool(modalities),
        "_number_of_modalities": len(modalities),
        "use_modal_wise_scale": False,
        **{f"use_modal_{place}": bool(modalities) for place in places},
        **options,
    }
    network = build_E3_equivariant_model(dict(config))
    torch.save({"config": config, "model_state_dict": network.state_dict()}, path)
    return path


def sevennet_checkpoint(name: str) -> Path:
    """One of the checkpoints that come with SevenNet."""
    import sevenn

    folder = Path(sevenn.__file__).parent / "pretrained_potentials"
    return next((folder / name).glob("*.pth"))


def changed_checkpoint(source: Path, path: Path) -> Path:
    """The same network with weights a few thousandths apart; couplings of degrees are no weights."""
    import torch

    content = torch.load(source, weights_only=False, map_location="cpu")
    torch.manual_seed(0)
    for name, value in content["model_state_dict"].items():
        if value.is_floating_point() and "_w3j_" not in name:
            value *= 1.0 + 0.003 * torch.randn_like(value)
    torch.save({key: content[key] for key in ("config", "model_state_dict")}, path)
    return path


def sevennet_calculator(model: Path, modality: str = "") -> Any:
    from sevenn.calculator import SevenNetCalculator

    return SevenNetCalculator(str(model), device="cpu", modal=modality)


def sevennet_calculator_float64(model: Path, modality: str = "") -> Any:
    """The same in double precision: SevenNet's own gives positions, and marks elements, in float32."""
    import functools

    import sevenn.util
    import torch

    calculator = sevennet_calculator(model, modality)
    calculator.model.double()
    for module in calculator.model.modules():
        if type(module).__name__ == "OnehotEmbedding":
            module.register_forward_hook(_give_float64)
    calculate, own = calculator.calculate, sevenn.util.dtype_correct

    def in_float64(*arguments: Any, **options: Any) -> None:
        sevenn.util.dtype_correct = functools.partial(own, float_dtype=torch.float64)
        try:
            calculate(*arguments, **options)
        finally:
            sevenn.util.dtype_correct = own

    calculator.calculate = in_float64
    return calculator


def _give_float64(module: Any, _: Any, data: Any) -> None:
    for key in (module.key_output, module.key_additional_output):
        if key is not None:
            data[key] = data[key].double()


def mace_calculator(model: Path) -> Any:
    from mace.calculators import MACECalculator

    return MACECalculator(model_paths=str(model), device="cpu", default_dtype="float64", compute_atomic_stresses=True)


def deepmd_calculator(model: Path) -> Any:
    from deepmd.calculator import DP

    return DP(str(model))


def gap_calculator(model: Path) -> Any:
    """quippy's own, with stresses of atoms as parts of the stress, as other calculators give them."""
    from quippy.potential import Potential

    class WithStresses(Potential):
        def calculate(self, atoms: Any = None, properties: Any = None, *arguments: Any, **options: Any) -> None:
            super().calculate(atoms, ["energies", "stress", "stresses"], *arguments, **options)
            stresses = self.results["stresses"] / len(self.atoms)
            self.results["stresses"] = 0.5 * (stresses + stresses.transpose(0, 2, 1))

    return WithStresses(param_filename=str(model), calculation_always_required=True)


def emt_calculator(model: Path) -> Any:
    from ase.calculators.emt import EMT

    return EMT(asap_cutoff="asap_cutoff" in model.read_text())
