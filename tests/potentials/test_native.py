"""The native engine against mace-torch and against itself: architectures, derivatives, tables, instructions, files."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import struct
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atom, Atoms
from ase.build import molecule
from lammps_evaluation import evaluate, load
from tests.conftest import PROGRAMS, Run

import structures
from conftest import as_if_trained, build_mace
from lamplighter import plugin
from lamplighter.errors import ModelError
from lamplighter.model_files import mace_file
from lamplighter.potentials import compiled_cache, native
from lamplighter.potentials.native import (
    NativeMace,
    NotCovered,
    compile_files,
    compiled_in_cache,
    random_cluster,
    read_metadata,
)

ELEMENTS = ["H", "C", "O"]

_PLAIN, _DENSITY, _DENSITY_RESIDUAL = (
    "RealAgnosticInteractionBlock",
    "RealAgnosticDensityInteractionBlock",
    "RealAgnosticDensityResidualInteractionBlock",
)

_GATED = "RealAgnosticResidualNonLinearInteractionBlock"
_BIASED = "NonLinearBiasReadoutBlock"

_MP_0B: dict[str, Any] = {
    "hidden_ell": 1,
    "max_ell": 3,
    "correlation": 3,
    "first": _DENSITY,
    "later": _DENSITY_RESIDUAL,
    "distance_transform": "Agnesi",
    "pair_repulsion": True,
    "channels": 8,
}

# What MACE models are made of. The last ones are the shapes of published models, with fewer channels: MP-0 (plain,
# degree 1), OFF23 (degree 1, plain first layer), MP-0b and later (density, Agnesi, ZBL), OMAT (the same, three heads);
# and one with readouts of two hidden layers.
ARCHITECTURES: Mapping[str, dict[str, Any]] = {
    "one interaction": {"interactions": 1},
    "two interactions": {},
    "three interactions": {"interactions": 3},
    "vectors": {"hidden_ell": 1},
    "tensors": {"hidden_ell": 2, "channels": 6},
    "three interactions with vectors": {"interactions": 3, "hidden_ell": 1, "channels": 6},
    "harmonics to 1": {"max_ell": 1},
    "harmonics to 3": {"max_ell": 3},
    "correlation 1": {"correlation": 1},
    "correlation 3": {"correlation": 3, "max_ell": 3},
    "more than one vector of channels": {"channels": 33},
    "plain interactions": {"first": _PLAIN, "later": _PLAIN},
    "density": {"first": _DENSITY, "later": _DENSITY_RESIDUAL},
    "gaussian basis": {"radial_type": "gaussian", "num_bessel": 12},
    "cutoff after the perceptron": {"apply_cutoff": False, "first": _DENSITY, "later": _DENSITY_RESIDUAL},
    "soft transform": {"distance_transform": "Soft"},
    "last readout only": {"use_last_readout_only": True},
    "one product for all elements": {"use_agnostic_product": True},
    "vectors kept after the last layer": {"hidden_ell": 1, "keep_last_layer_irreps": True},
    "charge and spin": {
        "embedding_specs": {
            "total_charge": {"type": "continuous", "in_dim": 1, "emb_dim": 8, "per": "graph"},
            "total_spin": {"type": "categorical", "num_classes": 10, "emb_dim": 8, "per": "graph"},
        },
        "use_embedding_readout": True,
        "heads": ["a", "b"],
    },
    "two heads": {"heads": ["a", "b"]},
    "non-linear": {"first": _GATED, "later": _GATED, "hidden_ell": 1, "apply_cutoff": False},
    "three non-linear interactions of tensors": {
        "first": _GATED,
        "later": _GATED,
        "hidden_ell": 2,
        "max_ell": 3,
        "interactions": 3,
        "apply_cutoff": False,
        "edge_channels": 6,
        "distance_transform": "Agnesi",
        "use_agnostic_product": True,
    },
    "fewer edge channels": {"hidden_ell": 1, "channels": 16, "edge_channels": 8},
    "unscaled": {"scaled": False},
    "MP-0": {"hidden_ell": 1, "max_ell": 3, "correlation": 3, "first": _PLAIN, "channels": 8},
    "MP-0b": _MP_0B,
    "OMAT with heads": _MP_0B | {"heads": ["omat", "mptrj", "alex"]},
    "readouts of two hidden layers with biases": {"readout_cls": _BIASED, "heads": ["a", "b"]},
}


def build(path: Path, **changes: Any) -> Path:
    """A random model of an architecture; see `ARCHITECTURES` for the keywords."""
    import mace.modules
    from e3nn import o3

    options = {"channels": 8, "hidden_ell": 0, "interactions": 2, "radial_MLP": [16, 16]} | changes
    classes = mace.modules.interaction_classes
    for key, name in (("first", "interaction_cls_first"), ("later", "interaction_cls")):
        if key in options:
            options[name] = classes[options.pop(key)]
    heads = options.get("heads")
    if heads:
        options["atomic_energies"] = np.array([[-13.6, -1028.0, -2042.0], [-1.0, -2.0, -3.0], [0.5, 1.0, 2.0]])[
            : len(heads)
        ]
        options["atomic_inter_scale"] = [1.0, 0.7, 1.3][: len(heads)]
        options["atomic_inter_shift"] = [0.1, -0.2, 0.3][: len(heads)]
    edge = options.pop("edge_channels", None)
    if edge:
        options["edge_irreps"] = o3.Irreps(f"{edge}x0e+{edge}x1o")
    scaled = options.pop("scaled", True)
    if not scaled:
        return build_mace(path, scaled=False, **options)
    if options.get("readout_cls") == _BIASED:
        options["readout_cls"] = mace.modules.blocks.NonLinearBiasReadoutBlock
    model = build_mace(path, **options)
    return as_if_trained(model) if _BIASED in changes.values() or _GATED in changes.values() else model


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("native")


@pytest.fixture(scope="session")
def compiled(folder: Path, trained_model: Path) -> Path:
    output = folder / "trained.lamp"
    compile_files([trained_model], output)
    return output


def cluster() -> Atoms:
    """Two molecules that touch, and an atom that nothing reaches."""
    first, second = molecule("CH3CH2OH"), molecule("C6H6")
    second.positions += [3.4, 0.6, 1.2]
    atoms = first + second
    atoms.rattle(0.05, seed=3)
    atoms.append(Atom("C", (40.0, 40.0, 40.0)))
    return atoms


def reference(model: Path, atoms: Atoms, head: str | None = None) -> tuple[float, np.ndarray, np.ndarray]:
    """mace-torch's own calculator: energy, forces, energies of the atoms."""
    from mace.calculators import MACECalculator

    words = {"head": head} if head else {}
    calculator = MACECalculator(model_paths=str(model), device="cpu", default_dtype="float64", **words)
    atoms = atoms.copy()
    atoms.calc = calculator
    return atoms.get_potential_energy(), atoms.get_forces(), calculator.results["node_energy"]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_equals_mace_torch_in_every_instruction_set(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = list(ARCHITECTURES).index(name)
    options = ARCHITECTURES[name]
    model = build(folder / f"{number}.model", seed=number, **options)
    head = options["heads"][0] if "heads" in options else None
    compile_files([model], folder / f"{number}.lamp", head=head)
    native = NativeMace(folder / f"{number}.lamp")
    atoms = cluster()
    energy, forces, _ = reference(model, atoms, head)
    found = native.evaluate(atoms)
    assert abs(found.energy - energy) / len(atoms) <= 1e-7
    np.testing.assert_allclose(found.forces, forces, rtol=0, atol=1e-6)
    assert found.energies.sum() == pytest.approx(found.energy, abs=1e-9)
    # virial of a cluster: the sum of r f, whatever the pairs it was summed over
    np.testing.assert_allclose(found.virial, atoms.positions.T @ found.forces, rtol=0, atol=1e-8 * 40 * len(atoms))
    # a step along each of a few coordinates
    for atom, axis in ((0, 0), (4, 1), (12, 2)):
        energies = []
        for step in (-1e-4, 1e-4):
            moved = atoms.copy()
            moved.positions[atom, axis] += step
            energies.append(native.evaluate(moved).energy)
        slope = (energies[1] - energies[0]) / 2e-4
        assert -slope == pytest.approx(found.forces[atom, axis], abs=2e-6 * max(1.0, np.abs(forces).max()))
    scale = max(1.0, np.abs(forces).max())
    for which, other in evaluators(folder / f"{number}.lamp", monkeypatch):
        found, rounding = other.evaluate(atoms), 1e-6 if "float64" in which else 1e-4 * scale
        assert abs(found.energy - energy) / len(atoms) <= rounding, which
        np.testing.assert_allclose(found.forces, forces, rtol=0, atol=rounding, err_msg=which)


def test_adapters_of_a_fine_tuning_are_inside_the_compiled_form(tmp_path: Path, small_model: Path) -> None:
    """LoRA as it stands in a checkpoint, before mace-torch has merged it."""
    from mace.modules.lora import inject_LoRAs

    network = inject_LoRAs(torch.load(small_model, weights_only=False), rank=2)
    torch.manual_seed(6)
    for name, parameter in network.named_parameters():
        if "lora" in name:
            parameter.data += 0.2 * torch.randn_like(parameter)
    torch.save(network, tmp_path / "tuned.model")
    compile_files([tmp_path / "tuned.model"], tmp_path / "tuned.lamp")
    compile_files([small_model], tmp_path / "before.lamp")
    _, forces, _ = reference(tmp_path / "tuned.model", cluster())
    np.testing.assert_allclose(NativeMace(tmp_path / "tuned.lamp").evaluate(cluster()).forces, forces, atol=1e-6)
    assert np.abs(NativeMace(tmp_path / "before.lamp").evaluate(cluster()).forces - forces).max() > 1e-3


def test_energies_of_the_atoms_are_those_of_mace(trained_model: Path, compiled: Path) -> None:
    atoms = cluster()
    energy, forces, energies = reference(trained_model, atoms)
    found = NativeMace(compiled).evaluate(atoms)
    isolated = NativeMace(compiled).evaluate(Atoms("C"))
    assert found.energies[-1] == pytest.approx(isolated.energy, abs=1e-10)
    shift = found.energies - energies  # mace-torch leaves the energy of the lone atom out of `node_energy`
    assert energy == pytest.approx(found.energy, abs=1e-7)
    np.testing.assert_allclose(shift, [shift[list(atoms.symbols).index(s)] for s in atoms.symbols], atol=1e-7)
    np.testing.assert_allclose(found.forces, forces, rtol=0, atol=1e-7)


def test_the_tables_error_falls_with_the_sixth_power_of_the_spacing(compiled: Path) -> None:
    atoms = cluster()
    exact = NativeMace(compiled, intervals=2048).evaluate(atoms).forces
    errors = [
        np.abs(NativeMace(compiled, intervals=n).evaluate(atoms).forces - exact).max() for n in (64, 128, 256, 512)
    ]
    orders = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    # forces hold the slope of the radial functions, whose error falls with the fifth power
    assert orders.max() < 8.0
    assert np.mean(orders) > 4.5, f"{errors}"


def test_float32_is_float64_within_its_rounding(compiled: Path) -> None:
    atoms = cluster()
    double, single = NativeMace(compiled).evaluate(atoms), NativeMace(compiled, dtype="float32").evaluate(atoms)
    difference = np.abs(single.forces - double.forces).max()
    assert 1e-9 < difference < 5e-5
    assert abs(single.energy - double.energy) / len(atoms) < 1e-5


def test_the_environment_chooses_the_instruction_set(compiled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Left alone, the widest that the processor has: `benchmarks/native.py` shows that it is the fastest."""
    best = NativeMace(compiled, intervals=64).summary
    for simd in ("avx512", "avx2", "baseline"):
        monkeypatch.setenv("LAMPLIGHTER_SIMD", simd)
        try:
            chosen = NativeMace(compiled, intervals=64).summary
        except ModelError as problem:
            if f"LAMPLIGHTER_SIMD={simd} cannot run here" not in str(problem):
                raise
            continue
        assert f", {simd}, " in chosen
        assert best == chosen or simd not in best
        if simd in best:
            break
    else:
        pytest.fail(f"none of the instruction sets is that of {best}")


def evaluators(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, NativeMace]]:
    """One for each instruction set of this processor and each precision."""
    for simd in ("baseline", "avx2", "avx512"):
        monkeypatch.setenv("LAMPLIGHTER_SIMD", simd)
        for dtype in ("float64", "float32"):
            try:
                yield f"{simd} {dtype}", NativeMace(path, dtype=dtype, intervals=256)
            except ModelError as problem:
                if f"LAMPLIGHTER_SIMD={simd} cannot run here" not in str(problem):
                    raise


def test_no_lane_is_summed_alone() -> None:
    """Sums over the lanes of a vector are made of whole vectors, in every instruction set and precision.

    GCC makes one addition a lane, and an instruction that fetches it, of a sum that is written lane by lane. The
    backward pass over edges has 16 sums an edge: float32 with 16 lanes took as long as float64 with 8.
    """
    objdump = shutil.which("objdump")
    if not objdump:
        pytest.skip("there is no objdump")
    done = subprocess.run(
        [objdump, "-d", "-C", "--no-show-raw-insn", str(plugin.require())],
        capture_output=True,
        text=True,
        check=True,
    )
    functions = re.findall(r"^[0-9a-f]+ <(.*)>:\n((?:.+\n)*)", done.stdout, flags=re.MULTILINE)
    found = {
        name: body for name, body in functions if re.search(r"(avx512|avx2)::.*(degrees|sum_vector)_backward<", name)
    }
    if not found:
        pytest.skip("the plugin holds no names of its kernels for this processor's family")
    for name, body in found.items():
        # what is left: the gradient along r of a pair, and a few across, in each of eight variants of a path
        assert len(re.findall(r"\bvadds[sd]\b", body)) < 32, name
    for precision in ("float", "double"):
        assert any("avx512" in name and f"<{precision}" in name for name in found)


def test_elements_can_be_selected(compiled: Path, trained_model: Path, folder: Path) -> None:
    small = folder / "HC.lamp"
    compile_files([trained_model], small, elements=["C", "H"])
    assert read_metadata(small)["elements"] == "C H"
    assert small.stat().st_size < compiled.stat().st_size
    benzene = molecule("C6H6")
    np.testing.assert_allclose(
        NativeMace(small).evaluate(benzene).forces, NativeMace(compiled).evaluate(benzene).forces, atol=1e-12
    )
    with pytest.raises(ModelError, match=r"does not know the element 'O': it was made for C H"):
        NativeMace(small, ELEMENTS)


def test_members_of_one_file_are_evaluated_together(folder: Path) -> None:
    models = [build(folder / f"member_{k}.model", seed=k, hidden_ell=1) for k in range(3)]
    committee = folder / "committee.lamp"
    assert len(compile_files(models, committee)) == 3
    native = NativeMace(committee)
    assert native.members == 3
    atoms = cluster()
    together = native.evaluate_members(atoms)
    for k, model in enumerate(models):
        compile_files([model], folder / "one.lamp")
        alone = NativeMace(folder / "one.lamp", intervals=int(native.summary.split(" intervals")[0].split()[-1]))
        expected = alone.evaluate(atoms)
        assert together[k].energy == pytest.approx(expected.energy, abs=1e-10)
        np.testing.assert_allclose(together[k].forces, expected.forces, rtol=0, atol=1e-12)
    assert abs(together[0].forces - together[1].forces).max() > 1e-3
    with pytest.raises(ModelError, match="There are 3 models, not 4"):
        native.evaluate_members(atoms, 4)


def test_models_of_other_architectures_do_not_share_a_file(folder: Path) -> None:
    models = [build(folder / "a.model"), build(folder / "b.model", hidden_ell=1)]
    with pytest.raises(ModelError, match="must have the same architecture"):
        compile_files(models, folder / "mixed.lamp")


def test_what_is_not_covered_is_named(folder: Path) -> None:
    model = build(folder / "chebyshev.model", radial_type="chebyshev")
    with pytest.raises(NotCovered, match="ChebychevBasis"):
        compile_files([model], folder / "chebyshev.lamp")
    assert not (folder / "chebyshev.lamp").exists()


def test_a_model_without_parameters_is_described_and_not_compiled(folder: Path) -> None:
    """As somebody leaves one who has made constants of them all."""
    path = build(folder / "stripped.model")
    model = torch.load(path, weights_only=False)
    for module in model.modules():
        for name, parameter in list(module._parameters.items()):
            delattr(module, name)
            module.register_buffer(name, None if parameter is None else parameter.data)
    torch.save(model, path)
    with pytest.raises(ModelError, match="holds a MACE model without parameters"):
        compile_files([path], folder / "stripped.lamp")
    found = mace_file.describe(path)
    assert (found.elements, found.precision, found.parameters) == (["H", "C", "O"], None, 0)


def test_a_compiled_form_that_differs_is_not_written(
    folder: Path, small_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lamplighter.potentials import native

    original = native.compile_models

    def wrong(*arguments: Any) -> dict[str, np.ndarray]:
        arrays = original(*arguments)
        arrays["member.0.layer.0.product.0"] *= 1.001
        return arrays

    monkeypatch.setattr(native, "compile_models", wrong)
    with pytest.raises(ModelError, match="was not compiled: its compiled form differs"):
        compile_files([small_model], folder / "wrong.lamp")
    assert not list(folder.glob("*wrong*"))


def test_the_cache_gives_the_same_file_again(
    small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = compiled_in_cache([small_model], ["O", "H"])
    before = first.stat().st_mtime_ns
    assert compiled_in_cache([small_model], ["H", "O", "H"]) == first
    assert first.stat().st_mtime_ns == before
    assert compiled_in_cache([small_model], ["H"]) != first


@pytest.mark.quick("lmp runs a compiled model without Python")
def test_plain_lmp_runs_a_compiled_model_without_python(run: Run, compiled: Path, tmp_path: Path) -> None:
    from ase.io.lammpsdata import write_lammps_data

    atoms = structures.liquid()
    write_lammps_data(tmp_path / "liquid.data", atoms, specorder=ELEMENTS, masses=True)
    (tmp_path / "in.lmp").write_text(
        "units metal\natom_style atomic\nread_data liquid.data\npair_style lamplighter\n"
        f"pair_coeff * * {compiled} {' '.join(ELEMENTS)}\n"
        "dump 1 all custom 1 forces.dump id fx fy fz\ndump_modify 1 sort id format float %.15g\n"
        "timestep 0.0005\nfix 1 all nve\nrun 1\n"
    )
    done = run([PROGRAMS / "lmp", "-in", "in.lmp"], cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "native MACE, float64" in done.stdout
    lines = (tmp_path / "forces.dump").read_text().splitlines()[9 : 9 + len(atoms)]
    found = np.array([line.split()[1:] for line in lines], dtype=float)
    expected = reference(structures.EXAMPLE / "models" / "ec_emc_0.model", atoms)[1]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    ("style", "coeff", "message"),
    [
        ("engine quick", "{lamp} H C O", "engine must be auto, native, torch-fast, symmetrix or bridge, got 'quick'"),
        ("engine bridge", "{lamp} H C O", "is a compiled model, which only the native engine evaluates"),
        ("device cuda", "{lamp} H C O", "the native engine runs on CPUs, and 'device cuda' asks for a GPU"),
        ("", "{lamp} {lamp} H C O", "2 files are named, and a compiled model stands alone"),
        ("", "{lamp} H C Si", "does not know the element 'Si': it was made for H C O"),
        ("", "{folder}/none.lamp H C O", "cannot be opened (No such file or directory)"),
        ("engine native", "{chebyshev} H C O", "the native engine lacks the radial basis ChebychevBasis"),
    ],
)
def test_wrong_requests_are_refused(
    lammps_instance, compiled: Path, folder: Path, style: str, coeff: str, message: str
) -> None:  # type: ignore[no-untyped-def]
    chebyshev = folder / "chebyshev_too.model"
    if "chebyshev" in coeff:
        build(chebyshev, radial_type="chebyshev")
    words = coeff.format(lamp=compiled, folder=folder, chebyshev=chebyshev)
    lammps_instance.commands_string("clear\nunits metal\nregion box block 0 10 0 10 0 10\ncreate_box 3 box\nmass * 1.0")
    with pytest.raises(Exception) as caught:  # noqa: PT011 (LAMMPS raises plain exceptions)
        lammps_instance.commands_string(f"pair_style lamplighter {style}\npair_coeff * * {words}")
    assert message in str(caught.value)


def test_a_compiled_form_that_is_not_its_model_is_never_run(
    lammps_instance, small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # type: ignore[no-untyped-def]
    """As if the engine had a fault: `auto` takes mace-torch and says so, `native` refuses."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(compiled_cache, "cache_folders", lambda kind: [])  # the user's may hold it from another test
    monkeypatch.setattr(native, "FORCE_TOLERANCE", 0.0)
    atoms, coeff = structures.liquid(), f"{small_model} {' '.join(ELEMENTS)}"
    lammps_instance.command(f"log {tmp_path / 'log.lammps'}")
    try:
        found = evaluate(lammps_instance, atoms, "lamplighter dtype float64", coeff)
        with pytest.raises(Exception, match="was not compiled: its compiled form differs from it"):
            load(lammps_instance, atoms, "lamplighter dtype float64 engine native", coeff)
    finally:
        lammps_instance.command("log none")
    assert "through the bridge: WARNING" in (tmp_path / "log.lammps").read_text()
    np.testing.assert_allclose(found["forces"], reference(small_model, atoms)[1], rtol=0, atol=1e-8)
    assert not list(tmp_path.rglob("*.lamp"))


def test_atoms_that_overlap_are_named(lammps_instance, compiled: Path) -> None:  # type: ignore[no-untyped-def]
    lammps_instance.commands_string(
        "clear\nunits metal\natom_modify map yes\nregion box block 0 20 0 20 0 20\ncreate_box 3 box\nmass * 1.0\n"
        "create_atoms 1 single 5 5 5\ncreate_atoms 2 single 5.05 5 5\n"
        f"pair_style lamplighter\npair_coeff * * {compiled} H C O"
    )
    with pytest.raises(Exception, match=r"Atoms \d and \d overlap at step 0: they are 0.05 Angstrom apart"):
        lammps_instance.command("run 0 post no")


def test_damaged_files_are_refused_and_never_crash(compiled: Path, tmp_path: Path) -> None:
    """Every flipped byte is found by the checksum; headers whose checksum is right are not believed either."""
    content = compiled.read_bytes()
    rng = np.random.default_rng(0)
    header = struct.unpack("<Q", content[:8])[0]
    damaged = tmp_path / "damaged.lamp"
    places = [*range(16), *rng.integers(0, header, 60), *rng.integers(header, len(content), 40)]
    for place in places:
        changed = bytearray(content)
        changed[place] ^= 1 << int(rng.integers(8))
        damaged.write_bytes(changed)
        with pytest.raises(ModelError, match="damaged"):
            NativeMace(damaged, ELEMENTS)
    for length in [0, 1, 7, 8, 9, 100, header, header + 8, *rng.integers(0, len(content), 40), len(content) - 1]:
        damaged.write_bytes(content[:length])
        with pytest.raises(ModelError, match="damaged"):
            NativeMace(damaged, ELEMENTS)


def test_files_with_a_right_checksum_and_wrong_content_are_refused(compiled: Path, tmp_path: Path) -> None:
    import zlib

    content = compiled.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    entries = json.loads(content[8 : 8 + length])
    damaged = tmp_path / "damaged.lamp"
    rng = np.random.default_rng(1)
    names = [name for name in entries if name != "__metadata__"]

    def write(changed: dict[str, Any], body: bytes) -> None:
        changed["__metadata__"]["crc32"] = "0" * 8
        text = json.dumps(changed, separators=(",", ":")).encode()
        crc = zlib.crc32(text + body)
        text = text.replace(b'"crc32":"00000000"', f'"crc32":"{crc:08x}"'.encode())
        damaged.write_bytes(struct.pack("<Q", len(text)) + text + body)

    write(json.loads(json.dumps(entries)), content[8 + length :])
    NativeMace(damaged, ELEMENTS)  # the way of writing itself is right
    for name in names:
        for change in ("missing", "shape", "offsets", "integers", "not finite"):
            changed = json.loads(json.dumps(entries))
            body = bytearray(content[8 + length :])
            entry = changed[name]
            begin, end = entry["data_offsets"]
            if change == "missing":
                del changed[name]
            elif change == "shape":
                entry["shape"] = [*entry["shape"], 2]
            elif change == "offsets":
                entry["data_offsets"] = [begin, len(body) + 8]
            elif change == "not finite":
                if entry["dtype"] != "F64":
                    continue
                body[end - 8 : end] = struct.pack("<d", rng.choice([np.nan, np.inf, -np.inf]))
            elif entry["dtype"] == "I64" and name != "atomic_numbers":
                for place in range(begin, end, 8):
                    body[place : place + 8] = struct.pack("<q", int(rng.choice([-1, 10**6, 2**40])))
            else:
                continue
            write(changed, bytes(body))
            if change == "missing":  # an optional part may be left out
                with contextlib.suppress(ModelError):
                    NativeMace(damaged, ELEMENTS)
                continue
            with pytest.raises(ModelError, match=r"damaged\.lamp"):
                NativeMace(damaged, ELEMENTS)


def test_no_random_cluster_is_out_of_reach() -> None:
    rng = np.random.default_rng(3)
    for size in (1, 2, 30):
        atoms = random_cluster(ELEMENTS, 5.0, size, rng)
        assert len(atoms) == size
        assert np.isfinite(atoms.positions).all()


@pytest.mark.slow
@pytest.mark.timeout(3100)
def test_energy_is_conserved_in_float32_as_in_float64(run: Run, python: Path, tmp_path: Path) -> None:
    """100 ps of 160 atoms: a quarter of an hour."""
    script = Path(__file__).parents[2] / "benchmarks" / "nve_drift.py"
    done = run([python, script, "--time", "100", "--out", tmp_path], timeout=3000)
    assert done.returncode == 0, done.stderr
    rows = [line.split("|") for line in done.stdout.splitlines() if line.startswith("| float")]
    for row in rows:
        slope = float(row[2].split("±")[0])
        assert abs(slope) < 5.0, row  # µeV/atom/ps: 5 meV/atom in a nanosecond
