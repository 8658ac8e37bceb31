"""Names of files of a run folder are stated once for Python; the scripts that LAMMPS reads write the same."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import lamplighter
from lamplighter.run_folder import names

PACKAGE = Path(lamplighter.__file__).parent
SCRIPTS = Path(__file__).parents[2] / "lammps_inputs"
NAMES = {name for key, name in vars(names).items() if key.isupper() and isinstance(name, str)}

OTHERS = {  # files that are no run folder's
    "building/folder.py": {"bonds.txt", "molecules.yaml", "run.yaml"},  # what it writes for a run
    "config/loading.py": {"run.yaml"},  # it lies below: named to a user who gives a folder in place of a run file
    "conformance/measurements.py": {"structure.data"},
    "labelling/command_file.py": {"inputs"},  # a key of command files
    "model_files/nequip_compiled_file.py": {"inputs"},
}


def test_no_other_file_of_the_package_states_one() -> None:
    found = {}
    for path in PACKAGE.rglob("*.py"):
        place = path.relative_to(PACKAGE).as_posix()
        if place == "run_folder/names.py":
            continue
        texts = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
        stated = {text for text in texts if isinstance(text, str)} & NAMES - OTHERS.get(place, set())
        if stated:
            found[place] = stated
    assert found == {}


def test_scripts_write_files_of_these_names() -> None:
    written = set()
    for path in SCRIPTS.glob("*.lmp"):
        lines = (line for line in path.read_text().splitlines() if not line.startswith("#"))
        written |= set(re.findall(r"(?:[a-z_]+\.(?:csv|data|lammpstrj\.gz)|mean_cell\.txt)", "\n".join(lines)))
    tables = {names.THERMO, names.PRESSURE, names.MEAN_CELL}
    assert written == {*tables, names.STRUCTURE, names.FINAL, names.TRAJECTORY, names.CENTRES}
