"""GAP, by `gap_fit` of QUIP: https://libatoms.github.io/GAP/gap_fit.html. It is one fit, without epochs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.io import write as write_frames

from lamplighter.errors import ConfigError
from lamplighter.model_files.description import Description
from lamplighter.training.trainer import Assignment, Check, CurvePoint, check, require_known
from lamplighter.training.training_data import TrainingFrame

VACUUM = 20.0
"""Around a frame that is not periodic, Å: QUIP wants a cell in every frame."""

_SAID_BY = {
    "at_file": "data.train",
    "atoms_filename": "data.train",
    "energy_parameter_name": "data.labels",
    "force_parameter_name": "data.labels",
    "virial_parameter_name": "data.labels",
    "config_type_sigma": "data.train.KIND.weight",
    "rnd_seed": "seeds",
    "gp_file": "output",
    "gap_file": "output",
}
_E0_TOLERANCE = 1e-5  # eV
_SIGMAS = 4
_EXAMPLES = {
    "default_sigma": "default_sigma: '{0.002 0.1 0.05 0}'",
    "gap": "gap: '{distance_Nb order=2 cutoff=4.0 …}'",
}


class GapTrainer:
    """GAP."""

    name = "gap"
    framework = "gap"
    inside = "gap.py"
    writes_at_its_end = True
    keeps_best = False

    def require_settings(self, settings: Mapping[str, Any], known: Mapping[str, Any]) -> None:
        """As `Trainer.require_settings`."""
        require_known(settings, known["settings"], _SAID_BY, "settings")
        for key in ("gap", "default_sigma"):
            if key not in settings:
                raise ConfigError(f"settings.{key}: is required by gap_fit")
        for key, value in settings.items():
            if not isinstance(value, str | int | float | (list if key == "default_sigma" else str)):
                raise ConfigError(
                    f"settings.{key}: expected text or a number, got {value!r}: write what is in braces in quotes, "
                    f"such as {_EXAMPLES.get(key, _EXAMPLES['default_sigma'])}"
                )
        given = _sigmas_of(settings["default_sigma"])
        if len(given) != _SIGMAS or not all(each >= 0.0 for each in given):
            raise ConfigError(
                f"settings.default_sigma: expected {_SIGMAS} numbers of 0 at least (energies, forces, virials, "
                f"Hessians), got {settings['default_sigma']!r}: {_EXAMPLES['default_sigma']}"
            )

    def write(self, asked: Assignment) -> None:
        """As `Trainer.write`."""
        lone = [_lone_atom(each, asked.data.lone_atoms[each]) for each in asked.data.elements if each in
                asked.data.lone_atoms]  # fmt: skip
        write_frames(asked.folder / "train.xyz", lone + [_as_gap_reads(each) for each in asked.data.train])

    def commands(self, asked: Assignment) -> Sequence[Sequence[str]]:
        """As `Trainer.commands`. gap_fit takes its arguments from a process whose name is its own."""
        words = {
            "at_file": "train.xyz",
            "e0_method": "isolated" if asked.data.knows_all_lone_atoms else "average",
            "do_copy_at_file": "F",
            "sparse_separate_file": "T",
            **asked.settings,
            "default_sigma": _braced(_sigmas_of(asked.settings["default_sigma"])),
            "rnd_seed": asked.seed,
            "energy_parameter_name": "REF_energy",
            "force_parameter_name": "REF_forces",
            "virial_parameter_name": "REF_virial",
            "gp_file": self.model(asked).name,
        }
        if sigmas := self._sigmas(asked):
            words["config_type_sigma"] = sigmas
        program = "import sys; from quippy.cli import gap_fit; sys.argv[0] = 'gap_fit'; gap_fit()"
        return [["-c", program, *(f"{key}={_word(value)}" for key, value in words.items())]]

    def curve(self, folder: Path) -> list[CurvePoint]:
        """As `Trainer.curve`: there is none."""
        return []

    def epochs(self, folder: Path) -> int:
        """As `Trainer.epochs`: there are none."""
        return 0

    def is_enough(self, asked: Assignment) -> bool:
        """As `Trainer.is_enough`: it is fitted in one step."""
        return False

    def last_commands(self, asked: Assignment) -> Sequence[Sequence[str]]:
        """As `Trainer.last_commands`: there are none."""
        return []

    def begins_as_its_start(self, asked: Assignment) -> bool:
        """As `Trainer.begins_as_its_start`: it goes on with none."""
        return False

    def begun(self, asked: Assignment) -> Path | None:
        """As `Trainer.begun`."""
        return None

    def written(self, asked: Assignment) -> CurvePoint | None:
        """As `Trainer.written`: there are no epochs."""
        return None

    def model(self, asked: Assignment) -> Path:
        """As `Trainer.model`."""
        return asked.folder / f"{asked.name}.xml"

    def checks(self, asked: Assignment, made: Description, log: str) -> list[Check]:
        """As `Trainer.checks`."""
        counted = re.findall(r"Number of target energies \(property name: REF_energy\) found: *(\d+)", log)
        lone = sum(each in asked.data.lone_atoms for each in asked.data.elements)
        seeds = re.findall(r"^rnd_seed = (\d+)", log, re.MULTILINE)
        found = [
            check("energies read", len(asked.data.train) + lone, int(counted[-1]) if counted else None),
            check("seed", asked.seed, int(seeds[-1]) if seeds else None),
        ]
        if asked.data.knows_all_lone_atoms:
            away = max(abs(made.atomic_energies.get(e, np.inf) - asked.data.lone_atoms[e]) for e in asked.data.elements)
            found.append(
                check("energies of isolated atoms / eV", "those of the data", f"{away:.1e} away", away < _E0_TOLERANCE)
            )
        return found

    def _sigmas(self, asked: Assignment) -> str:
        """The errors of each kind: a weight w of a squared residual is an expected error smaller by √w."""
        weights = {each.kind: each.weight for each in asked.data.train}
        if set(weights.values()) <= {1.0}:
            return ""
        sigmas = _sigmas_of(asked.settings["default_sigma"])
        parts = [
            ":".join([kind, *(f"{each / weight**0.5:.6g}" for each in sigmas)]) for kind, weight in weights.items()
        ]
        return "{" + ":".join(parts) + "}"


def _sigmas_of(given: Any) -> list[float]:
    """The numbers of `{0.002 0.1 0.05 0}` or of a list; none: it is neither."""
    words = given if isinstance(given, list) else str(given).strip("{} ").split()
    try:
        return [float(each) for each in words]
    except (TypeError, ValueError):
        return []


def _braced(numbers: Sequence[float]) -> str:
    return "{" + " ".join(f"{each:.10g}" for each in numbers) + "}"


def _word(value: Any) -> str:
    return {True: "T", False: "F"}[value] if isinstance(value, bool) else str(value)


def _as_gap_reads(frame: TrainingFrame) -> Atoms:
    """With a cell, and the virial (eV, −V times the stress) where there is one."""
    atoms = frame.atoms.copy()
    atoms.info = {"REF_energy": frame.labels.energy, "config_type": frame.kind}
    if np.isfinite(frame.labels.stress).all():
        atoms.info["REF_virial"] = -frame.labels.stress * atoms.get_volume()
    elif not atoms.pbc.any():
        atoms.set_cell(np.diag(np.ptp(atoms.positions, axis=0) + VACUUM))
    atoms.arrays["REF_forces"] = frame.labels.forces
    return atoms


def _lone_atom(element: str, energy: float) -> Atoms:
    atoms = Atoms(element, cell=[VACUUM] * 3)
    atoms.info = {"REF_energy": energy, "config_type": "isolated_atom"}
    return atoms
