"""The names of the files of a run folder, each stated here and nowhere else.

Scripts of `lammps_inputs/` and of the plugin write some of them by the same names. `docs/reference/run_folder.md`
says what is in them.
"""

RUN_FILE = "run.yaml"
SCRIPT = "in.lammps"
INPUTS = "inputs"
CALCULATOR = "calculator.yaml"
STRUCTURE = "structure.data"
START = "start.traj"
STATUS = "status.json"
PROVENANCE = "provenance.json"
LOG = "log.lammps"
LOCK = "run.lock"
THERMO = "thermo.csv"
COMMITTEE = "committee.csv"
EXTRAPOLATION = "extrapolation.csv"
PRESSURE = "pressure_tensor.csv"
MEAN_CELL = "mean_cell.txt"
EVENTS = "events.jsonl"
FAILURE = "failure.xyz"
TRAJECTORY = "trajectory.lammpstrj.gz"
CENTRES = "centres_of_mass.lammpstrj.gz"
MOLECULES = "molecules.txt"
MOLECULE_LIST = "molecules.yaml"
BONDS = "bonds.txt"
FINAL = "final.data"
SUMMARY = "summary.json"
THERMO_FIGURE = "thermo.png"
PAGE = "report.html"
SCAN_EVALUATED = "volume_scan_evaluated.jsonl"
SCAN_FRAMES = "volume_scan.xyz"
SCAN_TABLE = "volume_scan.csv"
SCAN_FIGURE = "volume_scan.png"
SCAN_RESULT = "volume_scan.json"

BY_THE_CLOCK = "restart.clock_{}.bin"
"""Two in turn, with `output.restart_wall`."""

RESTART_FILES = "restart.*.bin"
"""A pattern: two that are written in turn, one at the end of each stage, one on a signal."""

INTERRUPTED = "restart.interrupted.bin"
"""The one on a signal."""

CHECKSUM = ".sha256"
"""What follows the name of a restart file in that of its checksum."""

RESUMED_SCRIPT = "in.resumed_at_{}.lammps"
RESUMED_PROVENANCE = "provenance.resumed_at_{}.json"
"""Of a run that went on, by the step or, of a volume scan, its name."""

KEPT = "kept_{}"
"""Folders of what was written beyond the place that a run went on from, numbered from 1."""

MARKS = (RUN_FILE, SCRIPT, STATUS, THERMO, TRAJECTORY, CENTRES, PROVENANCE)
"""A folder that holds one of these holds a run."""
