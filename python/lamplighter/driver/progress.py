"""What the user sees while a run is under way: a live display on a terminal, a few plain lines elsewhere.

LAMMPS runs in the main thread and writes `thermo.csv`; a second thread follows that file. The run never depends on
the display: whatever goes wrong here ends the display with one note, not the run.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lamplighter.run_folder.thermo_table import ThermoRow, ThermoTail

POLL_INTERVAL_S = 0.5
PLAIN_INTERVAL_S = 10.0
PLAIN_INTERVAL_FRACTION = 0.05
PLAIN_INTERVAL_UNFORESEEABLE_S = 60.0
SPEED_WINDOW_S = 60.0


@dataclass(frozen=True)
class StagePlan:
    """One stage of a run, as far as its progress can be foreseen.

    Attributes:
        index: Zero-based place in the run file's list; the `stage` column of `thermo.csv`.
        name: The stage's name, for display.
        steps: Number of steps; 0 where it is not known beforehand (minimisation).
        timestep_fs: Timestep, in fs; 0 for minimisation.
    """

    index: int
    name: str
    steps: int
    timestep_fs: float

    @property
    def is_foreseeable(self) -> bool:
        """Whether the stage has a known number of steps of a known length."""
        return self.steps > 0 and self.timestep_fs > 0.0


@dataclass
class RunProgress:
    """How far a run has come, from the thermo rows seen so far and the wall time at which each was seen.

    Steps are counted within a stage, from the first row seen of it: the step counter may go on over the
    stages or start again.
    """

    stages: Sequence[StagePlan]
    row: ThermoRow | None = None
    stage_step: int = 0
    _first_step: int = 0
    _seen: deque[tuple[float, int]] = field(default_factory=deque)

    def add(self, row: ThermoRow, wall_s: float) -> None:
        """Take in the next row of the table, seen at wall time `wall_s` (s, any origin, never decreasing)."""
        if self.row is None or row.stage != self.row.stage or row.step < self._first_step:
            self._first_step = row.step
            self._seen.clear()
        self.row = row
        self.stage_step = row.step - self._first_step
        if self._seen and self._seen[-1][0] == wall_s:
            self._seen.pop()  # rows read together, such as those that a resumed run finds: only the last is of now
        self._seen.append((wall_s, self.stage_step))
        while len(self._seen) > 2 and wall_s - self._seen[1][0] > SPEED_WINDOW_S:
            self._seen.popleft()

    @property
    def stage(self) -> StagePlan | None:
        """The stage that the last row belongs to; None before the first row."""
        if self.row is None:
            return None
        return self._plan_of(self.row.stage)

    @property
    def fraction(self) -> float:
        """Part of all foreseeable steps that is done, 0 to 1; 0 where no stage is foreseeable."""
        total = sum(s.steps for s in self.stages if s.is_foreseeable)
        stage = self.stage
        if total == 0 or stage is None:
            return 0.0
        done = sum(s.steps for s in self.stages if s.is_foreseeable and s.index < stage.index)
        if stage.is_foreseeable:
            done += min(self.stage_step, stage.steps)
        return done / total

    @property
    def time_ps(self) -> float:
        """Simulated time since the start of the run, in ps; minimisation takes none."""
        stage = self.stage
        if stage is None:
            return 0.0
        before = sum(s.steps * s.timestep_fs for s in self.stages if s.is_foreseeable and s.index < stage.index)
        return (before + self.stage_step * max(stage.timestep_fs, 0.0)) / 1000.0

    @property
    def steps_per_s(self) -> float:
        """Steps per second of wall time in this stage, over the last minute; nan before it can be told."""
        if len(self._seen) < 2:
            return math.nan
        (wall_0, step_0), (wall_1, step_1) = self._seen[0], self._seen[-1]
        if wall_1 - wall_0 <= 0.0:
            return math.nan
        return (step_1 - step_0) / (wall_1 - wall_0)

    @property
    def ns_per_day(self) -> float:
        """Simulated nanoseconds per day of wall time; nan before it can be told and in minimisations."""
        stage = self.stage
        if stage is None or not stage.timestep_fs > 0.0:
            return math.nan
        return self.steps_per_s * stage.timestep_fs * 1e-6 * 86400.0

    @property
    def remaining_s(self) -> float:
        """Wall time until the end of the run at the present speed, in s; nan where it cannot be told."""
        stage, speed = self.stage, self.steps_per_s
        if stage is None or not stage.is_foreseeable or not speed > 0.0:
            return math.nan
        later = sum(s.steps for s in self.stages if s.is_foreseeable and s.index > stage.index)
        return (max(stage.steps - self.stage_step, 0) + later) / speed

    def _plan_of(self, index: int) -> StagePlan:
        for stage in self.stages:
            if stage.index == index:
                return stage
        return StagePlan(index, f"stage {index}", 0, 0.0)


def stage_label(progress: RunProgress) -> str:
    """The stage's number (counted from 1) and name, e.g. `2/3 heat`."""
    stage = progress.stage
    if stage is None:
        return "starting"
    return f"{stage.index + 1}/{len(progress.stages)} {stage.name}"


def state_label(progress: RunProgress) -> str:
    """The state in one line: step, time, temperature, density, pressure and speed, with units."""
    row, stage = progress.row, progress.stage
    if row is None or stage is None:
        return "waiting for the first step"
    steps = f"{progress.stage_step}/{stage.steps}" if stage.is_foreseeable else f"{progress.stage_step}"
    parts = [f"step {steps}"]
    if stage.timestep_fs > 0.0:
        parts.append(f"{progress.time_ps:.3f} ps")
        parts.append(f"T {row.temperature_K:.1f} K")
    else:
        parts.append(f"E {row.potential_energy_eV:.4f} eV")
    parts += [f"ρ {row.density_g_cm3:.4f} g/cm³", f"p {row.pressure_bar:.0f} bar"]
    if math.isfinite(progress.ns_per_day):
        parts.append(f"{progress.ns_per_day:.3g} ns/day")
    elif math.isfinite(progress.steps_per_s):
        parts.append(f"{progress.steps_per_s:.3g} steps/s")
    return "  ".join(parts)


def duration_label(seconds: float) -> str:
    """A duration as `h:mm:ss` or `2 d 3 h`; `?` where it is not known."""
    if not math.isfinite(seconds):
        return "?"
    whole = round(seconds)
    if whole >= 86400:
        return f"{whole // 86400} d {whole % 86400 // 3600} h"
    return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"


class ProgressReporter:
    """Follows `thermo.csv` in a thread and shows how the run is getting on. For rank 0 only.

    Args:
        thermo_csv: The run's thermo table; it need not exist yet.
        stages: All stages of the run, in order.
        console: Where to write; standard output by default. A terminal gets a live bar, anything else
            one line at the start, one every 10 s or 5 % of the run (whichever is rarer; one a minute in
            minimisations), one at a new stage, and one at the end.
        clock: Source of wall time in s.
    """

    def __init__(
        self,
        thermo_csv: Path,
        stages: Sequence[StagePlan],
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tail = ThermoTail(Path(thermo_csv))
        self._progress = RunProgress(list(stages))
        self._console = console if console is not None else Console()
        self._clock = clock
        self._live: Live | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._printed: tuple[float, float, ThermoRow] | None = None

    def start(self) -> None:
        """Begin to report. Never raises; does nothing when already started."""
        if self._thread is not None:
            return
        self._thread = threading.Thread(target=self._follow, name="lamplighter-progress", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Report the last state and end the thread. Never raises; may be called twice or without `start`."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=10.0)

    def __enter__(self) -> ProgressReporter:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _follow(self) -> None:
        try:
            if self._console.is_terminal:
                self._live = Live(console=self._console, auto_refresh=False, redirect_stdout=False)
                self._live.start()
            while not self._stopping.wait(POLL_INTERVAL_S):
                self._take(self._tail.new_rows())
                self._show(last=False)
            self._take(self._tail.new_rows())
            self._show(last=True)
        except Exception as problem:  # the display must never end a run
            self._give_up(problem)
        finally:
            self._close_live()

    def _take(self, rows: Iterable[ThermoRow]) -> None:
        now = self._clock()
        for row in rows:
            self._progress.add(row, now)

    def _show(self, *, last: bool) -> None:
        if self._live is not None:
            self._live.update(self._bar(), refresh=True)
        elif self._plain_line_is_due(last):
            self._print_plain_line()

    def _plain_line_is_due(self, last: bool) -> bool:
        row = self._progress.row
        if row is None:
            return False
        if self._printed is None:
            return True
        wall_s, fraction, printed_row = self._printed
        if last:
            return row != printed_row
        elapsed = self._clock() - wall_s
        if row == printed_row or elapsed < PLAIN_INTERVAL_S:
            return False
        stage = self._progress.stage
        if row.stage != printed_row.stage or stage is None:
            return True
        if not stage.is_foreseeable:
            return elapsed >= PLAIN_INTERVAL_UNFORESEEABLE_S
        return self._progress.fraction - fraction >= PLAIN_INTERVAL_FRACTION

    def _print_plain_line(self) -> None:
        progress = self._progress
        assert progress.row is not None
        self._printed = (self._clock(), progress.fraction, progress.row)
        line = f"[{100 * progress.fraction:3.0f} %] {stage_label(progress)}  {state_label(progress)}"
        if progress.remaining_s > 0.0:
            line += f"  ETA {duration_label(progress.remaining_s)}"
        self._console.print(Text(line), soft_wrap=True)

    def _bar(self) -> Group:
        progress = self._progress
        head = Table.grid(padding=(0, 1), expand=False)
        percent = Text(f"{100 * progress.fraction:3.0f} %")
        eta = Text(f"ETA {duration_label(progress.remaining_s)}", style="dim")
        bar = ProgressBar(total=1.0, completed=progress.fraction, width=30)
        head.add_row(Text(stage_label(progress), style="bold", no_wrap=True), bar, percent, eta)
        return Group(head, Text(state_label(progress), overflow="fold"))

    def _give_up(self, problem: Exception) -> None:
        self._close_live()
        try:
            note = f"Progress display ended ({type(problem).__name__}: {problem}); the run goes on."
            self._console.print(Text(note), soft_wrap=True)
        except Exception:  # e.g. standard output is closed: there is nobody left to tell
            return

    def _close_live(self) -> None:
        live, self._live = self._live, None
        if live is None:
            return
        try:
            live.stop()
        except Exception:  # same
            return
