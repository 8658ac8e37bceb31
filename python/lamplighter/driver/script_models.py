"""The models that a LAMMPS script names in so many words, so that what cannot work is refused before LAMMPS starts."""

from __future__ import annotations

from pathlib import Path

from lamplighter.config.potential import PotentialSection
from lamplighter.driver import preflight
from lamplighter.errors import ConfigError, EnvironmentProblem, ModelError

_KEYS = ("kind", "dtype", "device", "engine", "tf32")
_DECIDES_LATER = {"include", "jump", "shell", "if", "python", "plugin", "clear", "label", "next"}


def require_possible(script: Path, ranks: int) -> None:
    """Refuse a script whose only `pair_style lamplighter` names a model that is not there, or is none to run.

    A script that decides while it runs (variables, `if`, `include`, `shell` and so on) is left to LAMMPS, and so is one
    that names no file. Nothing is opened, and nobody is asked.

    Args:
        script: The input script.
        ranks: That it is to run on.

    Raises:
        ModelError, ConfigError, EnvironmentProblem: as `preflight.checked`; the line is named.
    """
    found = _potential(script)
    if found is None:
        return
    number, potential = found
    try:
        preflight.checked(potential, ranks)
    except (ModelError, ConfigError, EnvironmentProblem) as problem:
        raise type(problem)(f"{script.name}, line {number}: {problem}") from problem


def _potential(script: Path) -> tuple[int, PotentialSection] | None:
    """The number of the line `pair_coeff`, and what it and `pair_style` say, as a run file would."""
    try:
        lines = script.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    words = [line.partition("#")[0].split() for line in lines]
    if any(line[:1] and (line[0] in _DECIDES_LATER or line[-1] == "&" or "$" in "".join(line)) for line in words):
        return None
    styles = [line for line in words if line[:1] == ["pair_style"]]
    coefficients = [(number, line) for number, line in enumerate(words, start=1) if line[:1] == ["pair_coeff"]]
    if len(styles) != 1 or styles[0][1:2] != ["lamplighter"] or len(coefficients) != 1:
        return None
    number, line = coefficients[0]
    models = [Path(word) for word in line[3:] if "." in word or "/" in word]
    if line[1:3] != ["*", "*"] or not models or '"' in "".join(line):
        return None
    said = dict(zip(styles[0][2::1], styles[0][3::1], strict=False))
    try:
        settings = {key: said[key] for key in _KEYS if key in said}
        section = PotentialSection.model_validate({"models": [each.absolute() for each in models], **settings})
    except ValueError:
        return None  # the pair style says what is wrong with its words
    return number, section
