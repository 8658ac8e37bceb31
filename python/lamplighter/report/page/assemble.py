"""Make every section of every run, so that the failure of one leaves the others."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from lamplighter.errors import LamplighterError, NoDynamics
from lamplighter.report.page.comparison import Comparison, compare, refusal
from lamplighter.report.page.content import Content, Missing, Number
from lamplighter.report.page.section import Made, ReportedRun, Section, Wishes
from lamplighter.report.page.verdict import Verdict, verdict_of


@dataclass(frozen=True)
class RunPart:
    """What the page says of one run; `sections` with what each made."""

    run: ReportedRun
    verdict: Verdict
    sections: list[tuple[Section, Content]]

    @property
    def numbers(self) -> list[Number]:
        """Those of all sections, in order."""
        return [number for _, content in self.sections for number in content.numbers]


@dataclass(frozen=True)
class Report:
    """Everything that is on the page.

    Attributes:
        runs: Each run.
        together: What sections say of the runs together; empty of those that say nothing.
        comparison: Of several runs; None of a single one.
        faults: Sections that failed by a fault of the program, in words.
    """

    runs: list[RunPart]
    together: list[tuple[Section, Content]]
    comparison: Comparison | None
    faults: list[str] = field(default_factory=list)


def assemble(folders: Sequence[Path], sections: Sequence[Section], wishes: Wishes) -> Report:
    """Read the runs and make all sections.

    Raises:
        LamplighterError: a folder holds no run, or is given twice.
    """
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise LamplighterError("a run folder is given twice")
    runs = [ReportedRun(folder, label, wishes) for folder, label in zip(folders, labels(folders), strict=True)]
    faults: list[str] = []
    parts = []
    made: dict[str, list[Made]] = {section.key: [] for section in sections}
    for run in runs:
        contents = []
        for section in sections:
            content = _guarded(section, partial(section.make, run), run.label, faults)
            if content.kept is not None:
                made[section.key].append(Made(run, content))
            contents.append((section, content))
        parts.append(RunPart(run, verdict_of(run), contents))
    comparison = compare(runs, [part.numbers for part in parts]) if len(runs) > 1 else None
    together = []
    if not refusal(runs):
        for section in sections:
            function, given = section.together, made[section.key]
            if function is None or not given:
                continue
            content = _guarded(section, partial(function, given, wishes), "all runs", faults, False)
            if content.numbers or content.blocks:
                together.append((section, content))
    return Report(parts, together, comparison, faults)


def labels(folders: Sequence[Path]) -> list[str]:
    """Names of folders, with as many of the folders that hold them as it takes to tell them apart."""
    paths = [folder.resolve() for folder in folders]
    for depth in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in paths]


def _guarded(
    section: Section, function: Callable[[], Content], where: str, faults: list[str], promised: bool = True
) -> Content:
    """What a section makes, or why it could not; a fault of the program keeps its traceback, on stderr."""
    try:
        return function()
    except NoDynamics:
        return Content()  # the verdict says what it is
    except LamplighterError as problem:
        why = str(problem)
    except Exception as problem:  # the rest of the report is still worth having
        traceback.print_exc(file=sys.stderr)
        why = f"a fault in Lamplighter ({type(problem).__name__}: {problem}); its traceback is on stderr"
        faults.append(f"{section.title} of {where}: {type(problem).__name__}: {problem}")
    promises = section.promises if promised else ()
    numbers = [Number(name, None, float("nan"), "", definition, note=why) for name, definition in promises]
    return Content(numbers, [Missing(section.title, why)])
