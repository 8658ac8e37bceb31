"""How near the native engine comes to what one core can do: a roofline of one model and of a committee of five.

The limits are measured (`limits.cpp`, compiled on the spot): multiply-adds in registers, reading from the caches and
from memory. The evaluator's operations are counted from the architecture: see `edge_operations` and
`atom_operations`. All times are of the processor, so that other programs disturb less. Writes roofline.md.

Example:  python benchmarks/roofline.py
          python benchmarks/roofline.py --models small --repeats 2 --out /tmp/quick
"""

from __future__ import annotations

import argparse
import datetime
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import liquid
import numpy as np
from native import MODELS, compiled_committee, table
from throughput import positive

from lamplighter.driver import provenance

GROUP = 16  # channels treated together, as in pair_styles/native/kernels.h
BLOCK = 16  # atoms treated together, as in pair_styles/native/mace_evaluator.cpp
READOUT = 16  # hidden numbers of the last readout
VECTOR_BYTES = {"avx512f": 64, "avx2": 32}


@dataclass(frozen=True)
class Shape:
    """What the counts depend on.

    Attributes:
        channels: C.
        l_max: Highest degree of the harmonics.
        layers: Interactions.
        edges: Pairs within the cutoff, each counted from both ends.
        atoms: Number of atoms.
        monomials: Of the contraction: linear, quadratic and cubic prefixes a, ab, abc.
    """

    channels: int
    l_max: int
    layers: int
    edges: int
    atoms: int
    monomials: tuple[int, int, int]

    @property
    def nlm(self) -> int:
        return (self.l_max + 1) ** 2


def shared_operations(shape: Shape) -> float:
    """Floating-point operations of an edge each time that its geometry is made, once for all members.

    17 for distance, unit vector and place in the table (a root or division counts as one), 75 for the weights of the
    spline and its slope, 3 to a harmonic. Layers are visited twice, the last one once.
    """
    return (17 + 75 + 3 * shape.nlm) * (2 * shape.layers - 1)


def edge_operations(shape: Shape) -> float:
    """Floating-point operations of an edge in all passes of one member; a multiply-add is two.

    Forward, for every channel: 12 for each of the l_max + 1 radial functions (six coefficients), 1 to multiply it by
    the neighbour's feature, 2 for each sum. Backward: 24 for a radial function and its slope, 2 to multiply both by
    the feature, 2 for the harmonic's part of the slope (not for l = 0), 2 for the product with the gradient; 4 for each
    sum (2 for l = 0); beyond the first layer 2 for what the neighbour's feature receives. Then, once for all channels,
    8 for each harmonic and 12 for the force.
    """
    c, degrees, nlm = shape.channels, shape.l_max + 1, shape.nlm
    forward = c * (13 * degrees + 2 * nlm)
    backward = c * (28 * degrees + 2 * (degrees - 1) + 4 * nlm - 2)
    received = 2 * c * degrees
    return shape.layers * (forward + backward + 8 * nlm + 12) + (shape.layers - 1) * received


def atom_operations(shape: Shape) -> float:
    """Floating-point operations of an atom in all passes of one member.

    Linear layers forward and back: 2 C^2 a row each, nlm rows for the messages, one for the product, one to send and
    one for the residual beyond the first layer. Contraction with its gradient: 5, 5 and 4 for the prefixes a, ab and
    abc, for every channel. Readouts: linear 4 C; hidden 4 C each and 40 for silu.
    """
    c, (linear, quadratic, cubic) = shape.channels, shape.monomials
    rows = shape.layers * (shape.nlm + 1) + 2 * (shape.layers - 1)
    contraction = c * (5 * linear + 5 * quadratic + 4 * cubic + 2 * shape.nlm)
    return 4 * c * c * rows + shape.layers * contraction + READOUT * (4 * c + 40) + 4 * c


def member_operations(shape: Shape) -> float:
    return shape.edges * edge_operations(shape) + shape.atoms * atom_operations(shape)


def bytes_read(shape: Shape, size: int) -> float:
    """Bytes that one member's passes read from beyond the first-level cache, if nothing is found there from before.

    An edge: six coefficients of every radial function and the neighbour's feature for every channel in every pass (and
    beyond the first layer the gradient of that feature), and the edge's row of factors for each group of channels. An
    atom: the matrices, once for a block of atoms.
    """
    c, degrees, passes = shape.channels, shape.l_max + 1, 2 * shape.layers
    factors = (13 + shape.nlm + 7) // 8 * 8
    edge = passes * (6 * degrees * c + c + factors * -(-c // GROUP)) + (shape.layers - 1) * c
    rows = 2 * (shape.layers * (degrees + 1) + 2 * (shape.layers - 1))
    return size * (shape.edges * edge + shape.atoms * rows * c * c / BLOCK)


def monomials(path: Path) -> tuple[int, int, int]:
    """How many prefixes the first layer's contraction to a scalar has."""
    from safetensors.numpy import load_file

    tensors = load_file(path)
    prefixes: tuple[set[Any], set[Any], set[Any]] = (set(), set(), set())
    for order in (1, 2, 3):
        rows = tensors.get(f"member.0.layer.0.contraction.0.order.{order}.indices", np.zeros((0, 5), int))
        for row in rows:
            factors = tuple(sorted(row[1 : order + 1]))
            for length in range(1, order + 1):
                prefixes[length - 1].add(factors[:length])
    return len(prefixes[0]), len(prefixes[1]), len(prefixes[2])


def shape_of(name: str, path: Path, atoms: Any) -> Shape:
    from ase.neighborlist import neighbor_list

    cluster = atoms.copy()
    cluster.pbc = False
    edges = len(neighbor_list("i", cluster, MODELS[name]["r_max"]))
    return Shape(MODELS[name]["channels"], MODELS[name]["max_ell"], 2, edges, len(atoms), monomials(path))


def measure_limits(folder: Path) -> dict[str, float]:
    """GFLOP/s and GB/s of one core."""
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    vector = next((size for flag, size in VECTOR_BYTES.items() if flag in flags.split()), 16)
    source = Path(__file__).with_name("limits.cpp")
    words = ["g++", "-std=c++17", "-O3", "-march=native", f"-DVECTOR_BYTES={vector}", str(source)]
    subprocess.run([*words, "-o", str(folder / "limits")], check=True)
    lines = subprocess.run([folder / "limits"], check=True, capture_output=True, text=True).stdout.split("\n")
    return {line.split()[0]: float(line.split()[1]) for line in lines if line}


def measure_times(path: Path, dtype: str, atoms: Any, repeats: int) -> dict[int, float]:
    """Shortest time of 1 to 5 members, s, all in turn."""
    from lamplighter.potentials.native import NativeMace

    native = NativeMace(path, dtype=dtype)
    found: dict[int, list[float]] = {members: [] for members in range(1, 6)}
    for _ in range(repeats):
        for members, times in found.items():
            native.evaluate_members(atoms, members)
            times.append(native.seconds)
    return {members: min(times) for members, times in found.items()}


def measure(given: argparse.Namespace, folder: Path) -> tuple[dict[str, float], list[dict[str, Any]]]:
    limits, rows, atoms = measure_limits(folder), [], liquid.build(640)
    for name in given.models:
        path = compiled_committee(name, folder)
        shape = shape_of(name, path, atoms)
        for dtype, size in (("float64", 8), ("float32", 4)):
            times = measure_times(path, dtype, atoms, given.repeats)
            shared = shape.edges * shared_operations(shape)
            for members in (1, 5):
                operations = shared + members * member_operations(shape)
                rows.append(
                    {
                        "model": name,
                        "dtype": dtype,
                        "members": members,
                        "edges": shape.edges / shape.atoms,
                        "operations": operations,
                        "shared": shared / (shared + member_operations(shape)),
                        "bytes": members * bytes_read(shape, size),
                        "s": times[members],
                        "one_s": times[1],
                        "member_s": (times[5] - times[1]) / 4,
                    }
                )
            print(f"{name} {dtype}: {', '.join(f'{1e3 * s:.2f}' for s in times.values())} ms", file=sys.stderr)
    return limits, rows


def report(limits: dict[str, float], rows: list[dict[str, Any]], repeats: int) -> str:
    machine = provenance.machine([])
    lines = [
        "# Roofline of the native engine",
        "",
        f"One core of {machine['cpu']}, {datetime.datetime.now(datetime.timezone.utc).date().isoformat()}: "
        f"{limits['float64']:.1f} GFLOP/s in float64 and {limits['float32']:.1f} in float32 (multiply-adds in "
        "registers); reading "
        f"{limits['first']:.0f} GB/s from 16 kB, {limits['second']:.0f} from 256 kB, {limits['third']:.0f} from 4 MB, "
        f"{limits['memory']:.0f} from 128 MB. 640 atoms as a cluster, the evaluator alone, shortest of {repeats} "
        "turns, processor time. "
        "Operations and bytes are counted from the architecture (`benchmarks/roofline.py`).",
        "",
    ]
    header = ["model", "dtype", "members", "pairs an atom", "GFLOP", "ms", "GFLOP/s", "of the peak"]
    header += ["MB read, at most", "ms for them at 256 kB's rate"]
    cells = [
        [
            row["model"],
            row["dtype"],
            str(row["members"]),
            f"{row['edges']:.1f}",
            f"{1e-9 * row['operations']:.3f}",
            f"{1e3 * row['s']:.2f}",
            f"{1e-9 * row['operations'] / row['s']:.1f}",
            f"{1e-7 * row['operations'] / row['s'] / limits[row['dtype']]:.0f} %",
            f"{1e-6 * row['bytes']:.0f}",
            f"{1e-6 * row['bytes'] / limits['second']:.2f}",
        ]
        for row in rows
    ]
    lines += [*table(header, cells), "## What a committee can share", ""]
    lines += [
        "The list's pairs within the cutoff and their geometry are shared; all else depends on a member's weights. "
        "Shared time: one member's, less what a further member adds; negative where members drive each other's tables "
        "out of the caches. The floor is what the operations of five members take at the peak.",
        "",
    ]
    header = ["model", "dtype", "shared operations", "one, ms", "a further member, ms", "shared time"]
    header += ["five over one", "floor: five at the peak, ms"]
    cells = [
        [
            row["model"],
            row["dtype"],
            f"{100 * row['shared']:.0f} %",
            f"{1e3 * row['one_s']:.2f}",
            f"{1e3 * row['member_s']:.2f}",
            f"{100 * (1 - row['member_s'] / row['one_s']):.0f} %",
            f"{row['s'] / row['one_s']:.2f}",
            f"{1e-6 * row['operations'] / limits[row['dtype']]:.1f}",
        ]
        for row in rows
        if row["members"] == 5
    ]
    return "\n".join([*lines, *table(header, cells)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--repeats", type=positive, default=9)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="roofline-") as scratch:
        limits, rows = measure(given, Path(scratch))
    given.out.mkdir(parents=True, exist_ok=True)
    text = report(limits, rows, given.repeats)
    (given.out / "roofline.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
