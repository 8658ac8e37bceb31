"""The isolated atoms, and labelled frames of liquids that no set holds: `atoms.xyz`, `others.xyz`.

python make_data.py

Liquids of EC:DEC, VC:EMC and PC are packed at 0.95 g/cm³ and run at constant volume by a model of ../ec_emc_liquid,
which has seen these molecules in clusters: 10 ps at 500 K, and then a frame each 3 ps at 400 K, labelled by GFN2-xTB
(13 s of a core each).
"""

from __future__ import annotations

import sys
from pathlib import Path

import ase.io
from ase import Atoms

import lamplighter as ll

HERE = Path(__file__).resolve().parent
LIQUID = HERE.parent / "ec_emc_liquid"
MODEL = LIQUID / "models" / "ec_emc_liquid_1.model"
sys.path.insert(0, str(LIQUID))
from collect import renamed  # noqa: E402  (a script of the folder beside this)

OTHERS = {"ec_dec": {"EC": 6, "DEC": 6}, "vc_emc": {"VC": 6, "EMC": 6}, "pc": {"PC": 12}}
OF_OTHERS, APART_PS = 6, 3


def frames_of(name: str, molecules: dict[str, int], seed: int) -> list[Atoms]:
    """`OF_OTHERS` frames of a run of these molecules."""
    folder = Path("frames") / name
    if not (folder / "liquid" / "structure.xyz").exists():
        parts = [{"molecule": each, "number": number} for each, number in molecules.items()]
        ll.build({"components": parts, "density": "0.95 g/cm3"}, folder / "liquid", seed=seed)
    run = {
        "structure": {"file": f"{folder}/liquid/structure.xyz", "molecules": f"{folder}/liquid/molecules.yaml"},
        "potential": {"models": [str(MODEL)], "dtype": "float32"},
        "timestep": "0.5 fs",
        "seed": seed,
        "guard": "stability",
        "output": {"thermo": "1 ps", "trajectory": f"{APART_PS} ps", "restart": "5 ps"},
        "stages": [
            {"type": "minimise", "max_steps": 500},
            {"type": "nvt", "length": "10 ps", "temperature": "500 K"},
            {"type": "nvt", "length": f"{APART_PS * OF_OTHERS} ps", "temperature": "400 K"},
        ],
    }
    done = ll.run(run, output=folder / "run", resume=True, threads=1, progress=False)
    return [Atoms(f.numbers, f.positions, cell=f.cell, pbc=True) for f in list(done.trajectory)[-OF_OTHERS:]]


def main() -> None:
    """Write both files; what is run and labelled already is not made again."""
    clusters = ase.io.read(HERE.parent / "ec_emc" / "data" / "xtb_train.xyz", ":")
    ase.io.write("atoms.xyz", [each for each in clusters if len(each) == 1])
    others = []
    for seed, (name, molecules) in enumerate(OTHERS.items(), 1):
        frames = frames_of(name, molecules, seed)
        others += frames
        print(f"{name}: {len(frames)} frames", flush=True)
    ase.io.write("others_frames.xyz", others)
    ll.label("others_frames.xyz", "gfn2", "others_labelled.xyz")
    ase.io.write("others.xyz", [renamed(each) for each in ase.io.read("others_labelled.xyz", ":")])


if __name__ == "__main__":
    main()
