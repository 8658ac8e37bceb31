"""Which tests `make quick` runs: an answer in five minutes on two cores. Stated here and nowhere else.

A test is quick unless something says otherwise, so that new tests and new rooms are in by themselves:

- Rooms of `FRAMEWORKS` open models with torch, or time programs.
- Tests that are marked `mpi`, or that ask for a fixture of `PROGRAMS`, start other processes.
- A test that takes seconds of its own can be marked `@pytest.mark.thorough`.

Of what these leave out, one case of each of `KINDS` is marked `@pytest.mark.quick(KIND)`, at the test itself, where no
change of its name can lose it. Every collection of all tests holds the marks against the list.

The processor time of the quick tests is added up whenever they run, in `make test` too; more than `LIMIT_S` is said at
the end, with the longest by name. It fails nothing: the same tests have taken 290 and 790 s of processor time on
machines that others share.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent

FRAMEWORKS = ("backends", "benchmarks", "examples", "potentials")
PROGRAMS = ("browser", "lmp", "mpirun", "run")
KINDS = (
    "a run on two ranks is the run on one",
    "an error on one rank ends all",
    "a killed rank ends all",
    "a signal ends all ranks",
    "the guard stops all ranks",
    "a committee on two ranks",
    "a committee of pair styles on two ranks",
    "a model on two ranks is MACE's own calculator",
    "a killed run goes on",
    "a script of LAMMPS on two ranks",
    "lmp runs a compiled model without Python",
)
#: Seconds of processor time, children included; 300 s on two cores that nobody else used.
LIMIT_S = 400.0

PROPERTY = "processor_time_s"

_started: dict[str, float] = {}
_seconds: dict[str, float] = {}


def _is_quick(item: pytest.Item) -> bool:
    if item.get_closest_marker("quick"):
        return True
    room = item.path.relative_to(HERE).parts[0]
    marked = any(item.get_closest_marker(name) for name in ("mpi", "slow", "thorough"))
    starts_programs = not set(PROGRAMS).isdisjoint(getattr(item, "fixturenames", ()))
    return not (room in FRAMEWORKS or marked or starts_programs)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items_here = [item for item in items if item.path.is_relative_to(HERE)]
    named = {kind for item in items_here for mark in item.iter_markers("quick") for kind in mark.args}
    unknown = named - set(KINDS)
    if unknown:
        raise pytest.UsageError(f"tests/quick.py does not know these kinds of quick tests: {sorted(unknown)}")
    everything = not any(
        config.getoption(name, None) for name in ("keyword", "ignore", "ignore_glob", "deselect", "lf")
    )
    if everything and [Path(each).resolve() for each in config.args] == [HERE]:
        missing = set(KINDS) - named
        if missing:
            raise pytest.UsageError(
                f"no test is marked @pytest.mark.quick(KIND) for {sorted(missing)} of tests/quick.py"
            )
    for item in items_here:
        if not item.get_closest_marker("quick") and _is_quick(item):
            item.add_marker(pytest.mark.quick)


def _processor_time() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    _started[item.nodeid] = _processor_time()
    yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    # The report carries the time to the process that adds up: tests may run in several (pytest-xdist).
    if call.when == "teardown" and item.get_closest_marker("quick"):
        item.user_properties.append((PROPERTY, _processor_time() - _started[item.nodeid]))
    yield


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "teardown":
        for name, seconds in report.user_properties:
            if name == PROPERTY:
                _seconds[report.nodeid] = seconds


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _seconds:
        return
    total = sum(_seconds.values())
    say = terminalreporter.write_line
    say(f"{len(_seconds)} quick tests took {total:.0f} s of processor time, of {LIMIT_S:.0f} s in tests/quick.py.")
    if total > LIMIT_S:
        say("Unless the machine was busy, make the longest shorter, or mark them @pytest.mark.thorough:")
        for name, seconds in sorted(_seconds.items(), key=lambda each: -each[1])[:20]:
            say(f"  {seconds:5.1f} s  {name}")
