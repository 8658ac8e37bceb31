"""Public names have docstrings that say enough, and their examples run."""

from __future__ import annotations

import inspect
import re
import textwrap
from pathlib import Path

import ase.build
import ase.io
import pytest
import yaml
from ase import Atoms
from ase.io import read

import lamplighter as ll

ARGON = ["pair_style lj/cut 7.0", "pair_coeff * * 0.0104 3.40"]
EXAMPLE = Path(__file__).parents[2] / "examples" / "ec_emc"
CODE = re.compile(r"Example:\n\s*```python\n(.*?)```", re.DOTALL)
EXAMPLES = {name: found[1] for name in ll.__all__ if (found := CODE.search(inspect.getdoc(getattr(ll, name)) or ""))}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of argon, `liquid`, a campaign, `cooling.yaml`, `model.lamp`, and a labelled frame, `labelled.xyz`."""
    from lamplighter.potentials.native import compile_files

    made = tmp_path_factory.mktemp("examples")
    lines = (EXAMPLE / "data" / "xtb_test.xyz").read_text().splitlines(keepends=True)
    (made / "labelled.xyz").write_text("".join(lines[: int(lines[0]) + 2]))
    atoms = ase.build.bulk("Ar", "fcc", a=5.4, cubic=True).repeat(2)
    atoms.rattle(0.05, seed=1)
    conditions = {"temperature": "85 K", "length": "10 ps"}
    ll.run(
        {
            "structure": atoms,
            "potential": {"lammps": ARGON},
            "timestep": "2 fs",
            "output": {"trajectory": "50 steps"},
            "guard": {"temperature": "2000 K"},
            "stages": [{"type": "npt", "pressure": "2 kbar", **conditions}, {"type": "nvt", **conditions}],
        },
        output=made / "liquid",
        progress=False,
    )
    stage = {"type": "npt", "pressure": "2 kbar", "temperature": "90 K", "length": "200 steps"}
    base = {"structure": "argon.xyz", "potential": {"lammps": ARGON}, "stages": [stage], "timestep": "2 fs"}
    base["output"] = {"thermo": "2 steps"}
    axes = {"temperature": {"key": "stages.*.temperature", "values": ["90 K", "80 K"]}}
    (made / "cooling.yaml").write_text(yaml.safe_dump({"base": base, "axes": axes}))
    ase.io.write(made / "argon.xyz", atoms)
    warm = ll.open_campaign(made / "cooling.yaml").file.runs[0]
    ll.run(warm.run_file, output=warm.folder, progress=False)
    compile_files([EXAMPLE / "models" / "ec_emc_0.model"], made / "model.lamp", ["H", "C", "O"])
    return made


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_of_a_docstring_runs(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    if name == "build":
        pytest.importorskip("rdkit")
    molecule = read(EXAMPLE / "data" / "xtb_test.xyz", 0)
    assert isinstance(molecule, Atoms)
    exec(textwrap.dedent(EXAMPLES[name]), {"ll": ll, "atoms": Atoms(molecule.numbers, molecule.positions)})


def test_every_public_function_has_its_arguments_and_errors_described() -> None:
    functions = [name for name in ll.__all__ if inspect.isfunction(getattr(ll, name))]
    assert {"density", "run"} <= set(functions)
    assert {"density", "stability", "diffusivity", "structure", "check", "run", "Calculator", "Campaign"} <= set(
        EXAMPLES
    )
    for name in functions:
        text = inspect.getdoc(getattr(ll, name)) or ""
        described = re.findall(r"^    (\**[\w, *]+):", text, re.MULTILINE)
        words = {word.strip(" *") for line in described for word in line.split(",")}
        arguments = set(inspect.signature(getattr(ll, name)).parameters)
        if name != "script_of":  # it raises as `run`
            assert "Raises:" in text, name
            assert arguments <= words | {"path"}, (name, arguments - words)
