"""Frames to label, calculators that count, fail or wait, and a program that writes what ORCA writes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.io import write

from lamplighter import cli

Lamplighter = Callable[..., tuple[int, str, str]]

CALCULATORS = """
import os, signal, time
import numpy as np
from ase.calculators.emt import EMT


class Counting(EMT):
    '''Writes a line for each frame that it computes, and does what the number of atoms says.'''

    def __init__(self, log, pause=0.0, bad=(), **options):
        super().__init__(**options)
        self.log, self.pause, self.bad = log, pause, dict(bad)

    def calculate(self, atoms, *rest):
        with open(self.log, 'a') as log:
            log.write(f'{atoms.get_volume():.6f}\\n')
        time.sleep(self.pause)
        super().calculate(atoms, *rest)
        what = self.bad.get(len(atoms))
        if what == 'dies':
            os.kill(os.getpid(), signal.SIGKILL)
        if what == 'waits':
            time.sleep(600)
        if what == 'nan':
            self.results['forces'][1] = np.nan
        if what == 'raises':
            raise RuntimeError('no convergence')
"""

ORCA = '''
"""Reads an ORCA input (`* xyz Q M`), computes GFN2-xTB, and prints an output in ORCA's format."""
import sys

from ase import Atoms
from ase.units import Bohr, Hartree
from tblite.ase import TBLite

lines = open(sys.argv[1]).read().splitlines()
start = next(n for n, line in enumerate(lines) if line.startswith("* xyz"))
charge, multiplicity = map(int, lines[start].split()[2:])
rows = [line.split() for line in lines[start + 1 : lines.index("*", start + 1)]]
atoms = Atoms([row[0] for row in rows], [[float(x) for x in row[1:]] for row in rows])
atoms.calc = TBLite(method="GFN2-xTB", charge=charge, multiplicity=multiplicity, verbosity=0)
if "Ne" in atoms.symbols:
    sys.exit("ORCA finished by error termination in SCF")
print("                 * O   R   C   A *")
print("Number of atoms                             ... ", len(atoms))
print("CARTESIAN COORDINATES (ANGSTROEM)")
print("---------------------------------")
for symbol, at in zip(atoms.symbols, atoms.positions):
    print(f"  {symbol:2s} {at[0]:14.8f} {at[1]:14.8f} {at[2]:14.8f}")
print()
print(f"FINAL SINGLE POINT ENERGY {atoms.get_potential_energy() / Hartree:20.12f}")
print("CARTESIAN GRADIENT")
print("------------------")
print()
for n, (symbol, force) in enumerate(zip(atoms.symbols, atoms.get_forces()), 1):
    x, y, z = -force * Bohr / Hartree
    print(f"{n:4d}   {symbol:2s}   :   {x:16.11f} {y:16.11f} {z:16.11f}")
print()
print("                             ****ORCA TERMINATED NORMALLY****")
'''

ORCA_TEMPLATE = """! wB97X-D4 def2-TZVP EnGrad
* xyz {{charge}} {{ multiplicity }}
{{atoms}}
*
"""


@pytest.fixture
def lamplighter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lamplighter:
    """`lamplighter(*words)`: exit status, output and errors of the command, in this process and the test's folder."""
    monkeypatch.chdir(tmp_path)

    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lamplighter", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        captured = capsys.readouterr()
        return int(end.value.code or 0), captured.out, captured.err

    return call


@pytest.fixture
def counting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the module `counting`, whose calculator logs into `calls.txt`."""
    (tmp_path / "counting.py").write_text(CALCULATORS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def copper(n: int) -> list[Atoms]:
    """Frames of four copper atoms, each of its own volume."""
    frames = []
    for seed in range(n):
        atoms = bulk("Cu", "fcc", a=3.5 + 0.01 * seed, cubic=True)
        atoms.rattle(0.05, seed=seed)
        frames.append(atoms)
    return frames


def molecules() -> list[Atoms]:
    """Water, hydroxide with its charge stated, the methyl radical with its spin, and methanol with atoms mixed up."""
    water, hydroxide, methyl, methanol = (molecule(name) for name in ("H2O", "OH", "CH3", "CH3OH"))
    hydroxide.set_initial_magnetic_moments(None)
    methyl.set_initial_magnetic_moments(None)
    hydroxide.info["charge"] = -1
    methyl.info["multiplicity"] = 2
    methanol = methanol[[2, 0, 3, 1, 4, 5]]
    frames = [water, hydroxide, methyl, methanol]
    for seed, atoms in enumerate(frames):
        atoms.rattle(0.05, seed=seed)
        atoms.positions = np.round(atoms.positions, 8)
    return frames


def written(path: Path, frames: list[Atoms]) -> Path:
    write(path, frames)
    return path
