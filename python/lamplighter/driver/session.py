"""One LAMMPS instance with our plugin and bridge, whose failures are Python exceptions that name the command."""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from lamplighter.driver import environment, other_plugins
from lamplighter.driver.environment import Environment
from lamplighter.errors import EnvironmentProblem, LamplighterError
from lamplighter.silence import libraries_silent

if TYPE_CHECKING:
    from lamplighter.potentials.bridge.callbacks import ExchangeTotals

_LONGEST_MESSAGE = 1 << 16
_ABORT = 2
"""What LAMMPS' library says of an error that it met on this rank alone."""
_SOURCE_PLACE = re.compile(r"\s*\(\S+\.(?:cpp|h):\d+\)")


class LammpsError(LamplighterError):
    """LAMMPS refused a command or ended a run; the message holds its own words and the command.

    Attributes:
        on_all_ranks: False if LAMMPS raised it on this rank alone, so that the others may be waiting.
    """

    def __init__(self, message: str, *, on_all_ranks: bool = True) -> None:
        super().__init__(message)
        self.on_all_ranks = on_all_ranks


class Session:
    """LAMMPS, opened on all ranks of an environment.

    Args:
        env: From `environment.prepare`.
        arguments: Command-line switches of LAMMPS, e.g. `["-log", "none"]`.
        with_models: Load the plugin and connect the models. False: plain LAMMPS.
        torch_first: With models: import torch before LAMMPS, as it computes faster then. False: it is not expected to
            be needed; should a model need it, it is imported then.
        plugins: Of other packages, that are loaded where they are wanted alone (`other_plugins`).

    Raises:
        EnvironmentProblem: LAMMPS cannot be loaded, or cannot load plugins.
        PluginError: the plugin is missing or does not fit.
        LammpsError: LAMMPS refuses its switches.
    """

    def __init__(
        self,
        env: Environment,
        arguments: Sequence[str] = (),
        *,
        with_models: bool = True,
        torch_first: bool = True,
        plugins: Collection[str] = (),
    ) -> None:
        self.environment = env
        self._bridge: Any = None
        if with_models and torch_first:
            environment.import_torch_first()
        try:
            with libraries_silent():
                other_plugins.offer(plugins)
                lammps = environment.import_lammps()
                self.lammps: Any = lammps(cmdargs=[os.fsencode(each) for each in arguments], comm=env.comm)
        except EnvironmentProblem:
            raise
        except OSError as problem:
            raise environment.EnvironmentProblem(environment.explain_library_problem(str(problem))) from problem
        except Exception as problem:
            raise LammpsError(f"LAMMPS does not start: {_plain(str(problem))}") from problem
        try:
            environment.require_plugin_package(self.lammps.installed_packages)
            if with_models:
                self._connect_models()
        except BaseException:
            self.close()
            raise

    def command(self, line: str) -> None:
        """Carry out one LAMMPS command.

        Raises:
            LammpsError: LAMMPS refused it; or the model's own exception, where a model did.
        """
        self._call(self.lammps.lib.lammps_command, line, f"command: {line.strip()}")

    def file(self, path: str | Path) -> None:
        """Carry out a script. Raises as `command`."""
        self._call(self.lammps.lib.lammps_file, str(path), f"script: {path}")

    @property
    def step(self) -> int:
        """The present step."""
        return int(self.lammps.extract_global("ntimestep"))

    def variable(self, name: str) -> float:
        """The present value of an equal-style variable."""
        return float(self.lammps.extract_variable(name))

    @property
    def uses_threads(self) -> bool:
        """Whether a model was evaluated in Python, with the threads of the environment: the native engine has one."""
        from lamplighter.potentials.bridge import callbacks

        return callbacks.timing.calls > 0

    @property
    def exchanged(self) -> ExchangeTotals:
        """What models and committees of this process have sent between ranks so far."""
        from lamplighter.potentials.bridge.callbacks import total_exchange

        return total_exchange()

    def guard_criterion(self, fix_id: str) -> int:
        """The number of the criterion of a `fix guard` that was violated first in the last run, or 0."""
        if not self.lammps.has_id("fix", fix_id):
            return 0
        return int(self.lammps.extract_fix(fix_id, 0, 0))

    @property
    def n_atoms(self) -> int:
        """Number of atoms on all ranks together."""
        return int(self.lammps.get_natoms())

    def close(self) -> None:
        """End LAMMPS; its files are closed. Collective: all ranks must call it."""
        if self.lammps is not None:
            self.lammps.close()
            self.lammps = None

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # closing is collective: after an error on this rank alone the others would never join
        if error is None:
            self.close()

    def _connect_models(self) -> None:
        from lamplighter.potentials.bridge import callbacks as bridge

        threads = self.environment.threads
        bridge.attach(self.lammps, self.environment.comm, lambda: environment.set_model_threads(threads))
        self._bridge = bridge

    def _call(self, function: Any, text: str, where: str) -> None:
        """Call the C library itself: LAMMPS' Python module takes every text, and every message, for whole UTF-8."""
        instance = self.lammps
        function(instance.lmp, os.fsencode(text))
        if not instance.lib.lammps_has_error(instance.lmp):
            return
        message = ctypes.create_string_buffer(_LONGEST_MESSAGE)
        kind = instance.lib.lammps_get_last_error_message(instance.lmp, message, _LONGEST_MESSAGE)
        stored = self._bridge.pending_error() if self._bridge is not None else None
        if stored is not None:
            raise stored
        said = _plain(message.value.decode("utf-8", errors="surrogateescape"))
        raise LammpsError(f"LAMMPS: {said}\n  {where}", on_all_ranks=kind != _ABORT)


def _plain(text: str) -> str:
    """LAMMPS' message without its prefix and the place in its source."""
    return _SOURCE_PLACE.sub("", text).removeprefix("ERROR: ").removeprefix("ERROR on proc ").strip()
