"""A real Slurm of one node: munge, controller and node on this machine, on loopback, in a folder of their own.

Two partitions share the node: a job of `high` that waits has one of `low` preempted and put back into the queue.
By hand: `python tests/cluster/one_node_slurm.py FOLDER` starts one, and says how to talk to it; Ctrl-C ends it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NEEDED = ("slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "munged")
PACKAGES = "slurmctld slurmd slurm-client munge"
GRACE_S = 20


def lacks() -> str:
    """Why no Slurm can be started here; empty: one can."""
    missing = [name for name in NEEDED if _program(name) is None]
    if missing:
        return f"{', '.join(missing)} not installed (Debian: {PACKAGES})"
    return "" if os.geteuid() == 0 else "slurmd starts as root only"


class OneNodeSlurm:
    """Started by `with`; ended with all its jobs.

    Args:
        folder: Its files; short, as sockets in it have names of at most 107 bytes.

    Attributes:
        environment: What talks to it: variables for `sbatch`, `squeue`, and programs that call them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cores = len(os.sched_getaffinity(0))
        self.environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
        self._daemons: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> OneNodeSlurm:
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(Exception):
            for job in self.asked("squeue", "-h", "-o", "%A").split():
                self.asked("scancel", "--signal=KILL", "--full", job)
                self.asked("scancel", job)
            deadline = time.monotonic() + 10
            while self.asked("squeue", "-h", "-o", "%A").split() and time.monotonic() < deadline:
                time.sleep(0.2)
        for daemon in reversed(self._daemons):
            daemon.send_signal(signal.SIGTERM)
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self._daemons.clear()

    def asked(self, *command: str | Path, cwd: Path | None = None) -> str:
        """What a command of Slurm answers.

        Raises:
            subprocess.CalledProcessError: it refuses.
        """
        words = [str(each) for each in command]
        done = subprocess.run(
            words, env=self.environment, cwd=cwd, capture_output=True, text=True, timeout=30, check=True
        )
        return done.stdout.strip()

    def state(self, job: str) -> str:
        """That of a job, e.g. `PENDING`, `RUNNING`, `COMPLETED`."""
        return self.told(job, "JobState")

    def told(self, job: str, word: str) -> str:
        """A word of `scontrol show job`, e.g. `Restarts`."""
        shown = self.asked("scontrol", "show", "job", job, "-o")
        return next(part.partition("=")[2] for part in shown.split() if part.startswith(f"{word}="))

    def wait_for(self, job: str, *states: str, timeout: float = 60.0) -> str:
        """Until a job has one of these states, which is returned."""
        deadline = time.monotonic() + timeout
        while (found := self.state(job)) not in states:
            if time.monotonic() > deadline:
                raise TimeoutError(f"job {job} is {found} after {timeout} s, not {' or '.join(states)}\n{self.logs()}")
            time.sleep(0.1)
        return found

    def wait_no_longer(self, job: str) -> None:
        """A job that was put back into the queue is held for two minutes by Slurm; this lets it start now."""
        self.wait_for(job, "PENDING")
        # in the second in which a job was put back, its node takes a new start for the one that was revoked
        time.sleep(2.0)
        self.asked("scontrol", "update", f"JobId={job}", "StartTime=now")

    def logs(self) -> str:
        """The last lines of controller and node."""
        paths = [self.folder / f"{name}.log" for name in ("slurmctld", "slurmd")]
        return "\n".join(path.read_text(errors="replace")[-3000:] for path in paths if path.exists())

    def _start(self) -> None:
        folder, host = self.folder, socket.gethostname()
        for name in ("state", "spool"):
            (folder / name).mkdir(exist_ok=True)
        key = folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        controller, node = _free_ports(2)
        (folder / "slurm.conf").write_text(
            f"""ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldPort={controller}
SlurmdPort={node}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
ReturnToService=2
MpiDefault=none
NodeName={host} NodeAddr=127.0.0.1 CPUs={self.cores} RealMemory=1000 State=UNKNOWN
PartitionName=low Nodes=ALL Default=YES PriorityTier=1 State=UP PreemptMode=REQUEUE GraceTime={GRACE_S}
PartitionName=high Nodes=ALL PriorityTier=10 State=UP
PartitionName=short Nodes=ALL PriorityTier=1 State=UP MaxTime=00:01:00
"""
        )
        words = ["--foreground", f"--key-file={key}", f"--socket={folder}/munge.socket", "--num-threads=2"]
        words += [f"--{name}-file={folder}/munged.{name}" for name in ("pid", "log", "seed")]
        self._start_daemon("munged", *words, "--force")
        _wait(lambda: (folder / "munge.socket").exists())
        self._start_daemon("slurmctld", "-D")
        _wait(
            lambda: (
                "slurmctld" in self._quietly("scontrol", "ping").lower() and "UP" in self._quietly("scontrol", "ping")
            )
        )
        self._start_daemon("slurmd", "-D")
        try:
            _wait(lambda: "idle" in self._quietly("sinfo", "-h", "-o", "%T"))
        except TimeoutError as problem:
            raise TimeoutError(f"Slurm does not come up:\n{self.logs()}") from problem

    def _start_daemon(self, name: str, *words: str) -> None:
        program = _program(name)
        assert program is not None, lacks()
        with (self.folder / f"{name}.out").open("wb") as out:
            started = subprocess.Popen(
                [program, *words], env=self.environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
        self._daemons.append(started)

    def _quietly(self, *command: str) -> str:
        try:
            return self.asked(*command)
        except subprocess.CalledProcessError:
            return ""


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def _free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _wait(condition: object, timeout: float = 20.0) -> None:
    assert callable(condition)
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("waited in vain")
        time.sleep(0.1)


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="slurm-")).resolve()
    if reason := lacks():
        sys.exit(reason)
    with OneNodeSlurm(folder):
        print(f"export SLURM_CONF={folder}/slurm.conf", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
