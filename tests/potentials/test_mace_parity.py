"""MACE in LAMMPS equals MACE in its own ASE calculator, on 1 to 4 ranks, however atoms are spread over them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from ase.units import bar

import structures

# Each model and number of ranks is one start of torch on all ranks, seconds: not every combination.
MODELS_ON_RANKS = (
    ("trained_model", 1),
    ("trained_model", 2),
    ("trained_model", 3),
    ("trained_model", 4),
    ("deep_model", 2),
    ("deep_model", 4),
)
Results = Mapping[str, np.ndarray]


def reference(model: Path, dtype: str) -> dict[str, np.ndarray]:
    """All structures in mace-torch's ASE calculator, which nobody here wrote."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mace.calculators import MACECalculator

        calculator = MACECalculator(
            model_paths=str(model), device="cpu", default_dtype=dtype, compute_atomic_stresses=True
        )
    results: dict[str, np.ndarray] = {}
    for name, build in structures.ALL.items():
        atoms = build()
        atoms.calc = calculator
        results[f"{name}/energy"] = np.array(atoms.get_potential_energy())
        results[f"{name}/forces"] = atoms.get_forces()
        results[f"{name}/energies"] = calculator.results["energies"]
        if all(atoms.pbc):
            results[f"{name}/pressure_bar"] = -atoms.get_stress(voigt=False) / bar
            results[f"{name}/virials_bar_A3"] = _atomic_virials(calculator, atoms) / bar
    return results


def _atomic_virials(calculator, atoms) -> np.ndarray:  # type: ignore[no-untyped-def]
    stresses = np.asarray(calculator.results["stresses"])
    if stresses.shape[-1] == 6:
        from ase.stress import voigt_6_to_full_3x3_stress

        stresses = np.array([voigt_6_to_full_3x3_stress(stress) for stress in stresses])
    return -stresses * atoms.get_volume()


class Cache:
    """Each model in LAMMPS and in ASE once per session: starting torch on several ranks takes seconds."""

    def __init__(self, request: pytest.FixtureRequest, folder: Path) -> None:
        self._request = request
        self._folder = folder
        self._found: dict[tuple[object, ...], Results] = {}

    def in_ase(self, model: str, dtype: str = "float64") -> Results:
        return self._once(("ase", model, dtype), lambda: reference(self._path(model), dtype))

    def in_lammps(self, model: str, ranks: int, words: str = "dtype float64", **env: str) -> Results:
        return self._once((model, ranks, words, *env.items()), lambda: self._run(model, ranks, words, env))

    def _once(self, key: tuple[object, ...], work: Callable[[], Results]) -> Results:
        if key not in self._found:
            self._found[key] = work()
        return self._found[key]

    def _path(self, model: str) -> Path:
        return Path(self._request.getfixturevalue(model))

    def _run(self, model: str, ranks: int, words: str, env: Mapping[str, str]) -> Results:
        import sys

        from tests.conftest import PROGRAMS, run_program

        out = self._folder / f"{model}-{ranks}-{abs(hash((words, *env.items())))}.npz"
        program = Path(__file__).with_name("lammps_evaluation.py")
        done = run_program(
            [PROGRAMS / "mpirun", "-n", str(ranks), sys.executable, program, self._path(model), words, out],
            env=env,
            timeout=280,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return dict(np.load(out))


@pytest.fixture(scope="session")
def cache(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return Cache(request, tmp_path_factory.mktemp("parity"))


def assert_parity(
    found: Results, expected: Results, name: str, *, force: float, energy: float, relative: float
) -> None:
    n = len(expected[f"{name}/forces"])
    assert abs(found[f"{name}/energy"] - expected[f"{name}/energy"]) / n <= energy
    np.testing.assert_allclose(found[f"{name}/energies"], expected[f"{name}/energies"], rtol=0, atol=energy)
    np.testing.assert_allclose(found[f"{name}/forces"], expected[f"{name}/forces"], rtol=0, atol=force)
    for tensor in ("pressure_bar", "virials_bar_A3"):
        if f"{name}/{tensor}" in expected:
            wanted = expected[f"{name}/{tensor}"]
            scale = np.abs(wanted).max()
            np.testing.assert_allclose(found[f"{name}/{tensor}"], wanted, rtol=0, atol=relative * scale + 1e-12)


@pytest.mark.mpi
@pytest.mark.parametrize("name", structures.ALL)
@pytest.mark.parametrize("engine", ["native", "bridge"])
@pytest.mark.parametrize(("model", "ranks"), MODELS_ON_RANKS)
def test_float64_equals_ase(cache: Cache, model: str, ranks: int, engine: str, name: str) -> None:
    found = cache.in_lammps(model, ranks, f"dtype float64 engine {engine}")
    expected = cache.in_ase(model)
    # the error of the native engine's radial tables is relative: one structure has forces beyond 100 eV/Å
    strong = max(1.0, float(np.abs(expected[f"{name}/forces"]).max()) / 10.0) if engine == "native" else 1.0
    assert_parity(found, expected, name, force=1e-8 * strong, energy=1e-8, relative=1e-6)


@pytest.mark.mpi
@pytest.mark.parametrize("name", structures.ALL)
@pytest.mark.parametrize("engine", ["native", "bridge"])
def test_float32_equals_ase_within_its_rounding(cache: Cache, engine: str, name: str) -> None:
    # 7 digits of the atomic energies of about 100 eV that xTB gives, and of forces of some eV/Å
    found = cache.in_lammps("trained_model", 2, f"dtype float32 engine {engine}")
    exact = cache.in_ase("trained_model")
    assert_parity(found, exact, name, force=2e-4, energy=1e-4, relative=2e-4)
    assert np.abs(found["liquid/forces"] - exact["liquid/forces"]).max() > 1e-9  # it did run in float32


@pytest.mark.mpi
@pytest.mark.parametrize("name", structures.ALL)
@pytest.mark.parametrize("ranks", [1, 2])
def test_pairs_made_where_the_model_runs_give_the_same(cache: Cache, ranks: int, name: str) -> None:
    """What a GPU does (the list stays on the device, positions go down), here with the CPU as the device."""
    found = cache.in_lammps("deep_model", ranks, "dtype float64 engine bridge", LAMPLIGHTER_PAIRS="model")
    assert_parity(found, cache.in_ase("deep_model"), name, force=1e-8, energy=1e-8, relative=1e-6)
