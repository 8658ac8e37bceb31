"""A bounded number of a campaign's runs at once on this machine, until each is done or has failed.

Each is a program of its own, in a session of its own: when this process is killed, they go on. Whoever starts it again
sees by their `run.lock` that they are alive, counts them, and starts nothing twice.
"""

from __future__ import annotations

import datetime
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from lamplighter import exit_status, launcher
from lamplighter.campaign.campaign_file import RUN_FILES, Campaign, CampaignRun
from lamplighter.campaign.state import FAILED, RUNNING, STALE, STARTABLE, STARTED, RunState, log_of, state_of
from lamplighter.cluster.allocation import cores_of_nodes, nodes_of_job
from lamplighter.cluster.time_left import time_left
from lamplighter.driver.environment import cores_of_this_node
from lamplighter.driver.interruption import MORE_TIME, SHORT_S, WALL_TIME
from lamplighter.driver.run_lock import RunLock, living_holder
from lamplighter.errors import EnvironmentProblem, QueueProblem, RunFolderBusy
from lamplighter.run_folder.folder import run_file_text
from lamplighter.run_folder.writing import unwritable
from lamplighter.whole_file import write_whole

POLL_S = 0.2


@dataclass(frozen=True)
class Plan:
    """How a campaign is carried out on one machine.

    Attributes:
        ranks: MPI ranks of each run.
        at_once: Runs at once.
        threads: Threads of each rank.
        tries: Starts of a run that ends for a cause that may pass (a signal, a crash, a busy folder).
        again: Start runs that have failed once more.
    """

    ranks: int
    at_once: int
    threads: int
    tries: int = 3
    again: bool = False


def plan_of(campaign: Campaign, at_once: int | None, ranks: int | None, cores: int | None = None) -> Plan:
    """As many runs at once as fit: ranks × runs ≤ cores, of the machine or of the job.

    Args:
        campaign: The campaign.
        at_once: Runs at once; None: as many as fit.
        ranks: Of each run; None: those of the file.
        cores: That there are; None: look.

    Raises:
        EnvironmentProblem: a run has more ranks than there are cores, or the runs together have.
        QueueProblem: the job has several nodes, of which all but this one would stand idle.
    """
    of_job = cores_of_nodes()
    if of_job is not None and nodes_of_job() > 1:
        raise QueueProblem(
            f"the job has {nodes_of_job()} nodes, and `campaign run` uses the one that it runs on: ask for one node "
            "(--nodes=1), or hand in a job for each run: lamplighter campaign submit"
        )
    if cores is None:
        cores = cores_of_this_node()
    where = "in this job" if of_job is not None else "here"
    cores_there = f"there {'is 1 core' if cores == 1 else f'are {cores} cores'} {where}"
    ranks = campaign.ranks if ranks is None else ranks
    if ranks > cores:
        raise EnvironmentProblem(
            f"each run has {ranks} ranks, and {cores_there}: give fewer (ranks in the campaign file, or --ranks), or a "
            f"larger {'machine' if of_job is None else 'job'}"
        )
    if at_once is not None and at_once * ranks > cores:
        raise EnvironmentProblem(
            f"--at-once {at_once} runs of {ranks} {'rank' if ranks == 1 else 'ranks'} need {at_once * ranks} cores, "
            f"and {cores_there}: at most {cores // ranks} fit"
        )
    number = at_once or max(1, cores // ranks)
    return Plan(ranks, number, max(1, cores // (number * ranks)))


def write_run_files(campaign: Campaign) -> None:
    """The run files of all runs that have none: those that come into the campaign file later are new.

    Raises:
        RunFolderError: one cannot be written.
    """
    folder = campaign.folder / RUN_FILES
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for run in campaign.runs:
            path = folder / f"{run.name}.yaml"
            if not path.exists():
                write_whole(path, run_file_text(run.run_file))
    except OSError as problem:
        raise unwritable(campaign.folder, problem) from problem


def write_run_file(campaign: Campaign, run: CampaignRun) -> Path:
    """The run file of a run, as `lamplighter run` is given it; its folder exists from here on.

    Raises:
        RunFolderError: it cannot be written.
    """
    path = campaign.folder / RUN_FILES / f"{run.name}.yaml"
    try:
        for folder in (path.parent, run.folder, log_of(run).parent):
            folder.mkdir(parents=True, exist_ok=True)
        write_whole(path, run_file_text(run.run_file))
    except OSError as problem:
        raise unwritable(campaign.folder, problem) from problem
    return path


def command_of(campaign: Campaign, run: CampaignRun, ranks: int = 1) -> list[str]:
    """What starts a run, or goes on with it."""
    start = []
    if ranks > 1:
        start = [launcher.mpirun(), "-n", str(ranks)]
        if "SLURM_JOB_ID" in os.environ:
            start += ["-launcher", "fork", "-rmk", "user"]  # on this node, and without a step of the job
    file = campaign.folder / RUN_FILES / f"{run.name}.yaml"
    lamplighter = [sys.executable, "-c", "from lamplighter.cli import main; main()"]
    return [*start, *lamplighter, "run", str(file), "--output", str(run.folder), "--resume", "--quiet"]


class _Started:
    """A run that this process started."""

    def __init__(self, campaign: Campaign, run: CampaignRun, plan: Plan) -> None:
        write_run_file(campaign, run)
        command = [*command_of(campaign, run, plan.ranks), "--threads", str(plan.threads)]
        now = datetime.datetime.now().isoformat(timespec="seconds")
        self.run = run
        with log_of(run).open("a", encoding="utf-8") as log:
            log.write(f"{STARTED}{now}: {shlex.join(command)}\n")
            log.flush()
            environment = {**launcher.without_launcher(), "OMP_NUM_THREADS": str(plan.threads)}
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
            )


def carry_out(campaign: Campaign, plan: Plan, say: Callable[[str], None]) -> int:
    """Start what waits or was broken off, a number at once, until nothing is left to start.

    SIGINT, SIGTERM and SIGUSR1 go on to the runs, which end in good order.

    Returns:
        Exit status: 0, or 1 where a run has failed or is stale, or 75 where the campaign is to go on later.

    Raises:
        RunFolderBusy: another process carries this campaign out.
        RunFolderError: its folder cannot be written.
    """
    try:
        campaign.folder.mkdir(parents=True, exist_ok=True)
        lock = RunLock(campaign.folder, lambda: None)
    except RunFolderBusy as problem:
        raise RunFolderBusy(f"the campaign is being carried out already: {problem}") from None
    except OSError as problem:
        raise unwritable(campaign.folder, problem) from problem
    asked: list[int] = []

    def ask(number: int, _frame: FrameType | None) -> None:
        asked.append(number)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    try:
        write_run_files(campaign)
        return _Round(campaign, plan, say, asked).carry_out()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        lock.release()


class _Round:
    """One call of `carry_out`.

    Attributes:
        later: Something is left that the same command goes on with.
        end: When the job ends, as it was told at first (`time.time`); None: it is in none, or that is not known.
        closing: Nothing is started any more, and those that this process started are waited for.
    """

    def __init__(self, campaign: Campaign, plan: Plan, say: Callable[[str], None], asked: list[int]) -> None:
        self.campaign, self.plan, self.say, self.asked = campaign, plan, say, asked
        self.starts: dict[str, int] = {}
        self.own: list[_Started] = []
        self.others: list[CampaignRun] = []
        self.failed: list[str] = []
        self.later = self.closing = False
        self.has_whole_time: set[str] = set()
        left = time_left()
        self.end = None if left is None else time.time() + left.seconds

    def carry_out(self) -> int:
        states = {run.name: state_of(run) for run in self.campaign.runs}
        queue = self._queue(states)
        others = self.others = [run for run in self.campaign.runs if states[run.name].state == RUNNING]
        left = (STALE,) if self.plan.again else (STALE, FAILED)
        self.failed = [name for name, each in states.items() if each.state in left]
        for run in others:
            self.say(f"{run.name}: goes on already, and is waited for")
        self.has_whole_time = {run.name for run in queue[: max(0, self.plan.at_once - len(others))]}
        ended = False
        while queue or self.own or others:
            if self.asked and not ended:
                ended = self.closing = self.later = True
                self.say("ends the runs that go on, which can be gone on with")
                for each in self.own:
                    each.process.send_signal(signal.SIGTERM)
            for each in [each for each in self.own if each.process.poll() is not None]:
                self.own.remove(each)
                if self._is_to_go_on(each):
                    queue.append(each.run)
            for run in [run for run in others if living_holder(run.folder) is None]:
                others.remove(run)
                if state_of(run).state in STARTABLE:
                    queue.append(run)
            if self.closing:
                queue.clear()
                others.clear()
            # whoever was asked to end while a queue took its time to answer starts nothing more
            while queue and not self.asked and len(self.own) + len(others) < self.plan.at_once:
                run = queue.pop(0)
                self.starts[run.name] = self.starts.get(run.name, 0) + 1
                self.own.append(_Started(self.campaign, run, self.plan))
                self.say(f"{run.name}: started")
            time.sleep(POLL_S)
        return exit_status.LATER if self.later else exit_status.ERROR if self.failed else exit_status.GOOD

    def _queue(self, states: dict[str, RunState]) -> list[CampaignRun]:
        """What is to be started, in order; what an earlier job was too short for comes last, so that others get on."""
        startable = (*STARTABLE, *([FAILED] if self.plan.again else []))
        found = [run for run in self.campaign.runs if states[run.name].state in startable]
        return sorted(found, key=lambda run: MORE_TIME in states[run.name].words)

    def _is_to_go_on(self, each: _Started) -> bool:
        """What a run's end means; whether it is started again."""
        status, name = each.process.returncode, each.run.name
        state = state_of(each.run)
        if status == 0:
            self.say(f"{name}: {state.state}" + (f" ({state.words})" if state.words else ""))
            return False
        if status == exit_status.LATER and state.state == RUNNING:  # started just before this process was
            self.others.append(each.run)
            return False
        passing = status < 0 or status == exit_status.LATER or status > 128
        time_was_up = self._time_was_up(each, state)
        if time_was_up and not self.closing:
            self.say(f"{name}: the time of the job is up; it goes on in the next one")
            self.later = self.closing = True
        if self.closing and (passing or time_was_up):
            return False
        if passing and self.starts[name] < self.plan.tries:
            self.say(f"{name}: ended with status {status}, and is started again")
            return True
        if status == exit_status.LATER:
            self.later = True
            self.say(
                f"{name}: ended with status {status} at each of {self.starts[name]} starts, and waits for a later one"
            )
            return False
        self.failed.append(name)
        self.say(f"{name}: failed (status {status}): {state.words or f'see {log_of(each.run)}'}")
        return False

    def _time_was_up(self, each: _Started, state: RunState) -> bool:
        """Whether the end of the job ended a run; not where a whole job is too short, and so would be the next one."""
        if self.end is None or state.state not in STARTABLE:
            return False
        if MORE_TIME in state.words:
            return not (each.run.name in self.has_whole_time and self.starts[each.run.name] == 1)
        if each.process.returncode != exit_status.LATER:
            return False
        if state.words.startswith(WALL_TIME.what):
            return True
        # a signal that one run got, or a rank of it that stood still, says nothing of the job's end
        left = time_left()
        # a queue that does not answer any more has said before when the job ends
        return (self.end - time.time() if left is None else left.seconds) < SHORT_S
