"""What a user can cause, as exceptions with a message that names the value and the remedy.

Everything raised on purpose derives from `LamplighterError`; the command line prints such a message
without a traceback and exits with status 1. Any other exception is a bug, keeps its traceback, and exits with 70.
"""


class LamplighterError(Exception):
    """Base of all errors that a user can cause and mend."""


class ConfigError(LamplighterError):
    """The run file is not valid; the message holds the path of each offending key."""


class StructureError(LamplighterError):
    """A structure cannot be read, or does not fit what is asked of it."""


class TrajectoryError(LamplighterError):
    """A trajectory cannot be read, or does not hold what is asked of it."""


class CriterionError(TrajectoryError):
    """A criterion of stability, or what it is measured by, is wrong."""


class DamagedFrame(TrajectoryError):
    """A frame cannot be understood; those before it can be used."""


class ModelError(LamplighterError):
    """A model file is missing, corrupt, of an unknown kind, or does not cover the system."""


class UntrustedModelError(ModelError):
    """A model file that could run code on loading is not on the user's list of trusted hashes."""


class PluginError(LamplighterError):
    """The LAMMPS plugin is missing, does not fit the installed LAMMPS, or cannot be built."""


class EnvironmentProblem(LamplighterError):
    """MPI, LAMMPS, a GPU or another part of the machine is not as the run needs it."""


class LauncherProblem(EnvironmentProblem):
    """A launcher started several processes, and MPI sees fewer: each of them raises it.

    Attributes:
        another_tells: Another process prints the message.
    """

    def __init__(self, message: str, another_tells: bool = False) -> None:
        super().__init__(message)
        self.another_tells = another_tells


class RunFolderError(LamplighterError):
    """A run folder cannot be used: it already holds a run, or is not writable."""


class RunFolderBusy(RunFolderError):
    """Another process works in the run folder; the same command will do later."""


class OutputLost(RunFolderError):
    """The run folder took no output while a run went on; `--resume` goes on once it does."""


class QueueProblem(LamplighterError):
    """A batch queue rejects a job, or something that is said of a job is none that a queue takes."""


class Interrupted(LamplighterError):
    """A run was ended before it was done.

    Attributes:
        status: The exit status of a program that it ends.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status

    def __reduce__(self) -> tuple[object, ...]:
        return (Interrupted, (str(self), self.status))


class NoDynamics(RunFolderError):
    """Dynamics are asked for of a run that was meant to have none."""
