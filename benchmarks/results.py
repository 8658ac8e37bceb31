"""What a comparison found: medians and ranges of repeated turns, ratios of neighbouring turns, and their table."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from side_process import ASE, LAMPLIGHTER, LMP, Side

from lamplighter.driver import provenance


@dataclass(frozen=True)
class Spread:
    """Median, smallest and largest of repeated measurements."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))

    def text(self, form: Callable[[float], str]) -> str:
        return f"{form(self.median)} ({form(self.low)}–{form(self.high)})"


@dataclass(frozen=True)
class Measured:
    """One side at one size; all turns of all repeats, in order.

    Attributes:
        atoms: Number of atoms.
        side: What was measured.
        turns: The answers of `SideProcess.take_turn`.
        ready: The answer of `SideProcess.wait_until_ready`.
        force_difference: Largest |F − F(ASE)| of a component in the first frame, eV/Å.
        energy_difference: |E − E(ASE)| of the first frame, eV.
    """

    atoms: int
    side: Side
    turns: list[dict[str, Any]]
    ready: dict[str, Any]
    force_difference: float
    energy_difference: float

    @property
    def seconds_per_step(self) -> list[float]:
        return [turn["wall_s"] / turn["steps"] for turn in self.turns]

    @property
    def cpu_seconds_per_step(self) -> list[float] | None:
        """Processor time of all ranks; other programs on the machine change it little. None if it was not measured."""
        if any(turn.get("cpu_s") is None for turn in self.turns):
            return None
        return [turn["cpu_s"] / turn["steps"] for turn in self.turns]

    @property
    def outside(self) -> Spread | None:
        """Share of the time that is not spent in the model, 0 to 1; None where it is not known."""
        if any(turn["model_s"] is None for turn in self.turns):
            return None
        return Spread.of([1 - turn["model_s"] / turn["wall_s"] for turn in self.turns])

    @property
    def peak_memory(self) -> float:
        """MiB, of all ranks together; pages that ranks share count for each."""
        return max(turn["peak_MiB"] for turn in self.turns)

    def times_faster_than(self, other: Measured) -> Spread:
        """How much longer a step of `other` takes; each ratio is of turns of the same repeat."""
        pairs = zip(other.seconds_per_step, self.seconds_per_step, strict=True)
        return Spread.of([theirs / ours for theirs, ours in pairs])


def same_cores_in_ase(measured: Measured, all_measured: Sequence[Measured]) -> Measured | None:
    """ASE at the same size, with as many threads as this has cores."""
    for other in all_measured:
        if other.side.program == ASE and other.atoms == measured.atoms and other.side.threads == measured.side.cores:
            return other
    return None


def same_in_lmp(measured: Measured, all_measured: Sequence[Measured]) -> Measured | None:
    """`lmp` by itself at the same size, on as many ranks."""
    for other in all_measured:
        if other.atoms == measured.atoms and other.side == Side(LMP, measured.side.ranks, measured.side.threads):
            return other
    return None


def one_core(measured: Measured, all_measured: Sequence[Measured]) -> Measured | None:
    """The same program at the same size on one core."""
    for other in all_measured:
        if other.atoms == measured.atoms and other.side == Side(measured.side.program, 1, 1):
            return other
    return None


def as_json(measured: Measured, all_measured: Sequence[Measured]) -> dict[str, Any]:
    """Everything about one side at one size, in plain types."""
    seconds = Spread.of(measured.seconds_per_step)
    ase = same_cores_in_ase(measured, all_measured)
    lmp = same_in_lmp(measured, all_measured)
    single = one_core(measured, all_measured)
    return {
        "atoms": measured.atoms,
        "program": measured.side.program,
        "ranks": measured.side.ranks,
        "threads": measured.side.threads,
        "ms_per_step": _spread(seconds, 1e3),
        "us_per_atom_step": _spread(seconds, 1e6 / measured.atoms),
        "ase_over_this": _spread(measured.times_faster_than(ase)) if ase else None,
        "lmp_over_this": _spread(measured.times_faster_than(lmp)) if lmp else None,
        "one_core_over_this": _spread(measured.times_faster_than(single)) if single else None,
        "outside_model_share": None if measured.outside is None else _spread(measured.outside),
        "peak_MiB": measured.peak_memory,
        "first_frame_max_force_difference_eV_A": measured.force_difference,
        "first_frame_energy_difference_eV": measured.energy_difference,
        "turns": measured.turns,
    }


def from_json(found: dict[str, Any]) -> Measured:
    """What `as_json` wrote."""
    return Measured(
        found["atoms"],
        Side(found["program"], found["ranks"], found["threads"]),
        found["turns"],
        {},
        found["first_frame_max_force_difference_eV_A"],
        found["first_frame_energy_difference_eV"],
    )


def table(all_measured: Sequence[Measured]) -> str:
    """The markdown table: medians, with the range of the repeats in brackets."""
    head = ("atoms", "program", "ranks × threads", "ms/step", "µs/atom/step", "ASE / this", "one core / this")
    rows = [[*head, "outside the model", "peak memory, MiB"]]
    for measured in all_measured:
        seconds = Spread.of(measured.seconds_per_step)
        ase = same_cores_in_ase(measured, all_measured)
        single = one_core(measured, all_measured)
        rows.append(
            [
                str(measured.atoms),
                measured.side.program,
                f"{measured.side.ranks} × {measured.side.threads}",
                seconds.text(lambda value: four_digits(1e3 * value)),
                four_digits(1e6 * seconds.median / measured.atoms),
                "" if ase is None or ase is measured else measured.times_faster_than(ase).text(_ratio),
                "" if single is None or single is measured else measured.times_faster_than(single).text(_ratio),
                "" if measured.outside is None else f"{100 * measured.outside.median:.1f} %",
                f"{measured.peak_memory:.0f}",
            ]
        )
    return _markdown(rows)


def _cpu_ratio(measured: Measured, ase: Measured) -> str:
    ours, theirs = measured.cpu_seconds_per_step, ase.cpu_seconds_per_step
    if ours is None or theirs is None:
        return ""
    return Spread.of([their / our for their, our in zip(theirs, ours, strict=True)]).text(_ratio)


def _markdown(rows: list[list[str]]) -> str:
    """A table; the first row is its head."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def in_short(all_measured: Sequence[Measured]) -> list[str]:
    """What the table comes to, one line each: against ASE, outside the model, two ranks against one."""
    ours = [measured for measured in all_measured if measured.side.program == LAMPLIGHTER]
    lines = []
    against_ase = [(m.times_faster_than(ase).median, m) for m in ours if (ase := same_cores_in_ase(m, all_measured))]
    if against_ase:
        ratio, least = min(against_ase, key=lambda pair: pair[0])
        lines.append(f"ASE's step over ours on as many cores, least: {ratio:.2f} ({least.atoms} atoms, {least.side})")
    outside = [(m.outside.median, m) for m in ours if m.outside is not None]
    if outside:
        share, most = max(outside, key=lambda pair: pair[0])
        lines.append(f"Share of a step outside the model, most: {100 * share:.1f} % ({most.atoms} atoms, {most.side})")
    for measured in ours:
        if lmp := same_in_lmp(measured, all_measured):
            ratio = measured.times_faster_than(lmp).median
            lines.append(f"`lmp`'s step over ours, {measured.atoms} atoms, {measured.side}: {ratio:.2f}")
        single = one_core(measured, all_measured)
        if measured.side == Side(LAMPLIGHTER, 2, 1) and single:
            ratio = measured.times_faster_than(single).median
            lines.append(f"2 ranks × 1 thread against 1 × 1, {measured.atoms} atoms: {ratio:.2f} times faster")
    return lines


def ratios(measurements: Mapping[str, Sequence[Measured]]) -> str:
    """The markdown table of all backends: milliseconds of a step, and how much longer ASE and `lmp` take."""
    rows = [
        [
            "backend",
            "atoms",
            "ranks × threads",
            "ms/step",
            "ASE, ms/step",
            "ASE / this",
            "lmp / this",
            "CPU time: ASE / this",
        ]
    ]
    for name, all_measured in measurements.items():
        for measured in all_measured:
            ase = same_cores_in_ase(measured, all_measured)
            if measured.side.program in (ASE, LMP) or ase is None:
                continue
            lmp = same_in_lmp(measured, all_measured)
            program = measured.side.program.removeprefix(LAMPLIGHTER)
            milliseconds = [four_digits(1e3 * Spread.of(m.seconds_per_step).median) for m in (measured, ase)]
            rows.append(
                [
                    name + program,
                    str(measured.atoms),
                    f"{measured.side.ranks} × {measured.side.threads}",
                    *milliseconds,
                    measured.times_faster_than(ase).text(_ratio),
                    measured.times_faster_than(lmp).text(_ratio) if lmp else "",
                    _cpu_ratio(measured, ase),
                ]
            )
    return _markdown(rows)


def disagreements(all_measured: Sequence[Measured], limit: float) -> list[str]:
    """Sides whose forces in the first frame are not ASE's within `limit`, eV/Å."""
    return [
        f"{m.atoms} atoms, {m.side}: max |ΔF| {m.force_difference:.2g} eV/Å against ASE, more than {limit:g}"
        for m in all_measured
        if not m.force_difference <= limit
    ]


def four_digits(value: float) -> str:
    """A positive number with four significant digits or all before the point, never with an exponent."""
    return f"{value:.{max(0, 3 - math.floor(math.log10(value)))}f}"


def _ratio(value: float) -> str:
    return f"{value:.2f}"


def _spread(spread: Spread, factor: float = 1.0) -> dict[str, float]:
    return {"median": factor * spread.median, "low": factor * spread.low, "high": factor * spread.high}


def conditions(*packages: str) -> dict[str, Any]:
    """What results are kept with: the day, the machine, and versions of packages."""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "machine": provenance.machine([]),
        "versions": {name: importlib.metadata.version(name) for name in packages},
    }


def leave(found: dict[str, Any], report: str, out: Path, name: str) -> None:
    """Write results as NAME.json, and what they say as NAME.md; that is printed, too."""
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (out / f"{name}.md").write_text(report, encoding="utf-8")
    print(report)
