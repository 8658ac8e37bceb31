"""Training and test frames from the runs of the reference, labelled by the very force field: liquid, scans, molecules.

python make_data.py

Runs of packings 1 and 2 give training frames, packing 3 test frames; the reference's numbers come from all five.
"""

from __future__ import annotations

from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms

import lamplighter as ll
from lamplighter.analysis.isolated_molecules import BONDED, isolated_molecules
from lamplighter.observables.scan_frames import made_from

CAMPAIGNS = (Path("density"), Path("diffusivity"))
TRAINING, TEST = ("packing1", "packing2"), ("packing3",)
FRAMES_OF_A_RUN = 40
SCANNED_OF_A_RUN = 2
DENSITIES = [0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.1]  # g/cm³; above them the box is narrower than twice the cutoff
CUTOFF = "6 A"
LARGEST_FORCE = 20.0  # eV/Å: two molecules of a dense frame that run into each other would outweigh all others


def frames_of(packings: tuple[str, ...]) -> list[Atoms]:
    """Frames at equal intervals of the last stages of all runs with these packings."""
    found = []
    for packing in packings:
        for campaign in CAMPAIGNS:
            run = ll.open_run(campaign / packing)
            begin, end = run.stages.interval_ps(run.stages[-1])
            frames = [each for each in run.trajectory if begin < (each.time_ps or 0.0) <= end]
            step = len(frames) // FRAMES_OF_A_RUN
            for frame in frames[step - 1 :: step][:FRAMES_OF_A_RUN]:
                found.append(Atoms(frame.numbers, frame.positions, cell=frame.cell, pbc=True))
    return found


def main() -> None:
    """Write `KIND.xyz` and `KIND_test.xyz` of each kind, with labels."""
    molecules = Path("liquid_1") / "molecules.yaml"
    for packings, ending in ((TRAINING, ""), (TEST, "_test")):
        liquid = frames_of(packings)
        scanned = liquid[:: FRAMES_OF_A_RUN // SCANNED_OF_A_RUN]
        scans = [each for frame in scanned for each in made_from(frame, "liquid", DENSITIES, BONDED, False).frames]
        alone = isolated_molecules(scanned).molecules
        for kind, frames in (("liquid", liquid), ("scans", scans), ("molecules", alone)):
            bare = Path(f"{kind}{ending}_frames.xyz")
            ase.io.write(bare, [Atoms(a.numbers, a.positions, cell=a.cell, pbc=a.pbc) for a in frames])
            options = {"molecules": str(molecules.resolve()), "cutoff": CUTOFF}
            made = ll.label(bare, "opls-aa", f"{kind}{ending}.xyz", options=options, prefix="REF_")
            bare.unlink()
            labelled = ase.io.read(f"{kind}{ending}.xyz", ":")
            kept = [each for each in labelled if np.abs(each.arrays["REF_forces"]).max() < LARGEST_FORCE]
            ase.io.write(f"{kind}{ending}.xyz", kept)
            left_out = len(labelled) - len(kept)
            print(f"{kind}{ending}.xyz: {made.n_labelled} frames, {len(made.failures)} failed, {left_out} left out")


if __name__ == "__main__":
    main()
