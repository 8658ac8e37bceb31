"""Models that DeePMD-kit evaluates: whether it is there, whether they know the elements, and their pair style.

Its own `pair_style deepmd` evaluates the models, in LAMMPS' process and without Python, so nothing of DeePMD-kit or
TensorFlow is imported here.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lamplighter.driver import other_plugins
from lamplighter.driver.pair_evaluation import Evaluation, Request
from lamplighter.driver.pair_style import PairStyle, committee_of
from lamplighter.errors import EnvironmentProblem, ModelError
from lamplighter.model_files import tested_versions
from lamplighter.model_files.deepmd_graph import read_graph
from lamplighter.model_files.recognition import how_to_install
from lamplighter.plain_names import plain_path

KIND = "deepmd"
INSTALL = "pip install 'lamplighter[deepmd]' (or 'deepmd-kit[cpu,lmp]')"


def require_installed() -> None:
    """Refuse to go on without DeePMD-kit.

    Raises:
        EnvironmentProblem: it is not installed.
    """
    if importlib.util.find_spec("deepmd") is None:
        raise EnvironmentProblem(
            f"potential.kind deepmd needs DeePMD-kit, which is not installed: {INSTALL}; or {how_to_install(KIND)}"
        )
    tested_versions.require_tested(KIND)


def require_style(lammps: Any) -> None:
    """Refuse an open LAMMPS that has no `pair_style deepmd`.

    Raises:
        EnvironmentProblem: it has none, although DeePMD-kit is installed.
    """
    if not lammps.has_style("pair", "deepmd"):
        raise EnvironmentProblem(
            "DeePMD-kit is installed, but LAMMPS did not load its plugin, so there is no pair_style deepmd: the lines "
            f"above say why; it needs its LAMMPS and TensorFlow parts, {INSTALL}"
        )


def require_elements(model: Path, elements: Sequence[str], key: str) -> None:
    """Refuse elements that a frozen model does not know; `key` is that of the run file.

    Raises:
        ModelError: one of them is not in the model's type map, or as `read_graph`.
    """
    known = read_graph(model, key).elements
    unknown = [element for element in dict.fromkeys(elements) if element not in known]
    if unknown:
        raise ModelError(
            f"{key}: {model} knows the elements {' '.join(known)} (its type map), and the structure has "
            f"{' '.join(unknown)} as well"
        )


def lines_of(word: str, elements: Sequence[str]) -> PairStyle:
    """The pair style of a frozen model that LAMMPS' input names by `word`.

    Source: DeePMD-kit's documentation, "LAMMPS commands", `pair_style deepmd`.
    """
    return PairStyle(KIND, word, (("* *", " ".join(elements)),))


def evaluation(request: Request) -> Evaluation:
    """How frozen models are evaluated.

    Raises:
        ModelError: as `require_elements`.
    """
    models, elements = request.potential.models, request.elements
    for index, model in enumerate(models):
        require_elements(model, elements, f"potential.models[{index}]")
    members = [lines_of(str(plain_path(model)), elements) for model in models]
    return Evaluation(
        committee_of(request.committee, members, request.corrected),
        plugins=frozenset({other_plugins.DEEPMD}),
        prepare=require_style,
    )
