"""Domains of ranks: a box that is filled evenly is left to LAMMPS, others get a grid or cuts that follow the atoms."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase.build
import ase.io
import numpy as np
import pytest
from ase import Atoms

import lamplighter
from lamplighter.config.loading import parse_run_file
from lamplighter.driver.domains import Domains, domains_of
from lamplighter.driver.start_of_run import frame_of_start
from lamplighter.errors import ConfigError
from lamplighter.structures import read_start_structure

PROGRAM = Path(sys.prefix) / "bin" / "lamplighter"
NVT = {"type": "nvt", "length": "40 steps", "temperature": "60 K", "thermostat": "svr"}
POTENTIAL = {"lammps": ["pair_style lj/cut 7.0", "pair_coeff * * 0.0104 3.40"]}
GUARD = {"bond_stretch": "3 A", "temperature": "5000 K", "reference": "initial"}


def liquid() -> Atoms:
    atoms = ase.build.bulk("Ar", "fcc", a=5.3, cubic=True).repeat((6, 6, 6))
    atoms.rattle(0.05, seed=1)
    return atoms


def slab() -> Atoms:
    """The lower third of a box that is empty above: LAMMPS cuts it along z, the longest edge."""
    atoms = ase.build.bulk("Ar", "fcc", a=5.3, cubic=True).repeat((5, 5, 4))
    atoms.rattle(0.05, seed=1)
    atoms.positions += 1.0  # all within the box
    atoms.cell[2, 2] *= 3
    return atoms


def droplet() -> Atoms:
    """A ball in a corner, over the periodic boundaries by its wrapped half: no grid of equal domains is even."""
    atoms = ase.build.bulk("Ar", "fcc", a=5.3, cubic=True).repeat(10)
    from_corner = np.linalg.norm(atoms.positions - 14.0, axis=1)
    return atoms[from_corner < 12.0]


def decided(atoms: Atoms, folder: Path, ranks: int, **domains: Any) -> Domains:
    path = folder / "structure.xyz"
    ase.io.write(path, atoms)
    content = {"structure": str(path), "potential": POTENTIAL, "timestep": "2 fs", "stages": [NVT], "domains": domains}
    run = parse_run_file(content).resolved(folder, "run")
    structure = read_start_structure(run.structure)
    return domains_of(run, ranks, lambda: frame_of_start(structure, run.structure.replicate), "lammps")


@pytest.mark.parametrize("ranks", [1, 2, 3, 4, 8, 16])
def test_an_even_box_is_left_to_lammps(tmp_path: Path, ranks: int) -> None:
    assert decided(liquid(), tmp_path, ranks).block is None
    assert not decided(liquid(), tmp_path, ranks).before_the_box


def test_a_slab_is_cut_across_its_plane(tmp_path: Path) -> None:
    for ranks, grid in ((2, {"1 2 1", "2 1 1"}), (4, {"2 2 1"})):
        found = decided(slab(), tmp_path, ranks)
        assert found.processors in grid
        assert not found.balance
    assert "not 2.00" in decided(slab(), tmp_path, 2).in_words
    assert decided(slab(), tmp_path, 1) == Domains()
    content = {
        "structure": str(tmp_path / "structure.xyz"),
        "potential": POTENTIAL,
        "timestep": "2 fs",
        "stages": [NVT],
    }
    line = f'if "$(extract_setting(world_size)) == 2" then "processors {decided(slab(), tmp_path, 2).processors}"'
    assert line in lamplighter.script_of(content, ranks=2).splitlines()
    assert "processors" not in lamplighter.script_of(content)
    assert decided(slab(), tmp_path, 2, processors="* * *", balance="never").block is None


def test_the_box_of_a_data_file_may_begin_anywhere(tmp_path: Path) -> None:
    atoms = slab()
    path = tmp_path / "slab.data"
    ase.io.write(path, atoms, format="lammps-data", masses=True)
    text = path.read_text()
    high = atoms.cell[2, 2]
    moved = re.sub(r"0\.0\s+\S+\s+zlo zhi", f"{-high / 2 + 10.6} {high / 2 + 10.6} zlo zhi", text)
    assert moved != text
    path.write_text(moved)
    run = parse_run_file({"structure": str(path), "potential": POTENTIAL, "timestep": "2 fs", "stages": [NVT]})
    structure = read_start_structure(run.structure)
    frame, corner = frame_of_start(structure, (1, 1, 1))
    assert corner[2] == pytest.approx(-high / 2 + 10.6)
    # now it lies in the middle, and a cut along z halves it
    assert not domains_of(run.resolved(tmp_path, "run"), 2, lambda: (frame, corner)).processors


def test_a_droplet_is_cut_anew_as_it_moves(tmp_path: Path) -> None:
    found = decided(droplet(), tmp_path, 4)
    assert found.balance == "1.0 rcb"
    assert found.every == 500  # the interval of restart files, 1 ps
    # where the box repeats within the reach of neighbours, and where another package's pair style evaluates: no tiles
    small = droplet()
    small.positions[:, 0] += 1.0
    small.cell[:] = np.diag([21.0, 53.0, 53.0])
    near = decided(small[small.positions[:, 0] < 20.0], tmp_path, 4, every="100 steps", weight="neigh")
    assert (near.balance, near.every) == ("1.0 shift xyz 20 1.02 weight neigh 1.0", 100)


def test_what_the_run_file_says_is_done(tmp_path: Path) -> None:
    found = decided(liquid(), tmp_path, 4, processors=["*", 2, 1], balance="shift")
    assert (found.processors, found.balance) == ("* 2 1", "1.0 shift xyz 20 1.02")
    with pytest.raises(ConfigError, match="makes 3 domains, and the run has 2 ranks"):
        decided(liquid(), tmp_path, 2, processors="3 1 1")
    with pytest.raises(ConfigError, match="makes 3 times any number of domains, and the run has 1 rank:"):
        decided(liquid(), tmp_path, 1, processors="3 * 1")
    with pytest.raises(ConfigError, match=r"domains\.processors: is `auto`, or the numbers of ranks"):
        decided(liquid(), tmp_path, 2, processors="2 2")


@pytest.mark.mpi
@pytest.mark.parametrize(
    ("atoms", "said", "domains"),
    [(slab, "in place of 1 x 1 x 2", {}), (droplet, "rcb", {"balance": "rcb"})],
    ids=["slab", "droplet"],
)
def test_a_run_on_two_ranks_is_the_run_on_one(
    write_run_file: Callable[..., Path],
    mpirun: Callable[..., Any],
    run: Callable[..., Any],
    tmp_path: Path,
    atoms: Callable[[], Atoms],
    said: str,
    domains: dict[str, str],
) -> None:
    """With a minimisation before, the guard, and a resumption; the domains are cut every 10 steps."""
    ase.io.write(tmp_path / "start.xyz", atoms())
    path = write_run_file(
        [{"type": "minimise", "max_steps": 5}, NVT],
        structure="start.xyz",
        guard=GUARD,
        domains={**domains, "every": "10 steps"},
    )
    assert run([PROGRAM, "run", "-q", path, "-o", "one"]).returncode == 0
    done = mpirun(2, [PROGRAM, "run", path, "-o", "two"])
    assert done.returncode == 0, done.stderr
    assert said in done.stdout
    assert said in (tmp_path / "two" / "log.lammps").read_text()
    one, two = (np.genfromtxt(tmp_path / name / "thermo.csv", delimiter=",", names=True) for name in ("one", "two"))
    np.testing.assert_allclose(two["potential_energy_eV"], one["potential_energy_eV"], rtol=1e-9)
    # as if it had been killed after the restart file of step 20: bit by bit the run without a break, in its domains
    for name in ("restart.stage1.bin", "restart.b.bin", "final.data", "status.json"):
        (tmp_path / "two" / name).unlink()
    rows = (tmp_path / "two" / "thermo.csv").read_text().splitlines()
    again = mpirun(2, [PROGRAM, "run", path, "-o", "two", "--resume"])
    assert again.returncode == 0, again.stderr
    assert said in again.stdout
    assert (tmp_path / "two" / "in.resumed_at_20.lammps").exists()
    assert (tmp_path / "two" / "thermo.csv").read_text().splitlines()[-2:] == rows[-2:]
