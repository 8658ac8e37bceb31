"""The benchmark: which measurement is next, what it may take, and what all of them say together."""

from __future__ import annotations

import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import lamplighter
from lamplighter import pretrained_weights
from lamplighter.analysis.step_cost import Network
from lamplighter.config.loading import load_run_file
from lamplighter.config.potential import PotentialSection
from lamplighter.config.run_file import RunFile
from lamplighter.driver import classical, other_python, preflight, provenance
from lamplighter.driver.pair_setup import pair_setup
from lamplighter.driver.run_lock import RunLock
from lamplighter.driver.stage_steps import first_timestep, interval_in_steps
from lamplighter.driver.start_of_run import start_of_run
from lamplighter.errors import LamplighterError, RunFolderError
from lamplighter.model_files.calculator_file import is_calculator_file
from lamplighter.model_files.deepmd_graph import looks_like_graph
from lamplighter.observables.scaling import Scaling, measurement_of, scaling_of
from lamplighter.run_folder.names import RUN_FILE
from lamplighter.run_folder.writing import write_json
from lamplighter.scaling import budget, launch
from lamplighter.scaling.cases import Case, Variant, in_order, rank_counts, replicates
from lamplighter.scaling.sides import SYNCHRONISED, sides_of
from lamplighter.scaling.store import Store

WORKER = "lamplighter.scaling.worker"
LONGEST_INTERVAL = 20
"""Of a committee, steps; tried where none are given."""

SKINS = (1.0, 1.5, 3.0)
"""Å; tried beside that of the run file."""


@dataclass(frozen=True)
class Wishes:
    """What the user asked for.

    Attributes:
        run_file: The run file.
        budget_s: Wall-clock time in all.
        ranks, sizes, skins, intervals: None: chosen here.
        models: Model files, or run files whose potential is meant; empty: that of the run file.
        dtypes, engines: Empty: as in the run file.
        threads: Of the model on each rank; None: cores / ranks.
        atoms: That advice is for; None: those of the run file.
        launcher: Of ranks, in the user's words; None: mpirun, or srun in an allocation of several nodes.
        network: Taken on paper.
        each_s: The most that is spent on one measurement, unless it takes more to measure at all.
    """

    run_file: Path
    budget_s: float
    network: Network
    ranks: Sequence[int] | None = None
    sizes: Sequence[int] | None = None
    skins: Sequence[float] | None = None
    intervals: Sequence[int] | None = None
    models: Sequence[Path] = ()
    dtypes: Sequence[str] = ()
    engines: Sequence[str] = ()
    threads: int | None = None
    atoms: int | None = None
    launcher: str | None = None
    each_s: float = budget.LONGEST_S


@dataclass
class _Course:
    """How far the benchmark has come."""

    deadline: float
    known: list[budget.Cost] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    cutoffs: dict[str, float] = field(default_factory=dict)


def bench(wishes: Wishes, folder: Path, say: Callable[[str], None]) -> Scaling:
    """Measure what is not measured yet, as far as the budget goes, and say what all measurements mean.

    Args:
        wishes: What is asked for.
        folder: Of the benchmark: new, or one to go on with.
        say: Told of the course, a line each.

    Raises:
        LamplighterError: something asked for is not possible (nothing was measured), the folder is that of another
            machine or other settings, or not a single measurement could be made.
    """
    began = time.monotonic()
    if wishes.budget_s < budget.SHORTEST_S:
        raise LamplighterError(
            f"--budget {wishes.budget_s:g} s is too short for a single measurement: give at least "
            f"{budget.SHORTEST_S:g} s; minutes tell more"
        )
    run = load_run_file(wishes.run_file)
    structure = classical.start_structure(run)
    ranks = rank_counts(wishes.ranks, launch.cores())
    if wishes.launcher is not None:
        launch.command_for(1, [], wishes.launcher)
    cell = start_of_run(structure, (1, 1, 1), run.bonds).frame.cell
    lengths = [float(each) for each in np.linalg.norm(cell, axis=1)]
    own = run.structure.replicate
    sizes = replicates(wishes.sizes, structure.n_atoms, own, lengths, structure.periodic)
    variants = _variants(run, wishes)
    for each in variants:
        if each.run.potential.python is not None:
            other_python.require_program(each.run.potential.python)
        checked = preflight.checked(each.run.potential, max(ranks), evaluates=each.run.potential.python is None)
        pair_setup(checked, structure.elements)
    intervals = _intervals(run, wishes)
    skins = list(SKINS if wishes.skins is None else wishes.skins)
    reference = own if own in sizes else min(sizes, key=lambda each: abs(math.log(math.prod(each) / math.prod(own))))
    cases = in_order(
        variants, sizes, structure.n_atoms, reference, ranks, wishes.threads,
        lambda each: sides_of(each, intervals, skins), [SYNCHRONISED],
    )  # fmt: skip

    store = Store(folder)
    lock = RunLock(folder, lambda: say(f"another process has taken {folder}"))
    try:
        machine = provenance.machine([])
        asked = {
            "ranks": ranks, "sizes": [math.prod(size) * structure.n_atoms for size in sizes], "skins": skins,
            "committee": intervals, "variants": [each.name for each in variants],
        }  # fmt: skip
        for line in store.agree(_settings(run, wishes, variants), machine, asked):
            say(line)
        course = _Course(began + wishes.budget_s)
        _measure_all(cases, store, course, wishes, lengths, say)
        found = _latest(store.lines())
        if not found:
            why = f" {course.left_out[0][0]}: {course.left_out[0][1]}" if course.left_out else ""
            raise LamplighterError(f"not a single measurement was made in {wishes.budget_s:g} s.{why}")
        skipped = len(course.left_out)
        notes = [f"{skipped} of {len(cases)} measurements were left out; the same command goes on"] if skipped else []
        return scaling_of(
            found, source=str(wishes.run_file), machine=machine | {"cores_used": launch.cores()},
            timestep_ps=first_timestep(run), atoms=wishes.atoms or structure.n_atoms * math.prod(own),
            network=wishes.network, intervals=_every(run), skin=run.neighbour.skin.metal, forces=store.forces(),
            left_out=course.left_out, notes=notes,
        )  # fmt: skip
    finally:
        lock.release()


def _variants(run: RunFile, wishes: Wishes) -> list[Variant]:
    """Each potential in each precision by each engine.

    Raises:
        LamplighterError: a precision or an engine is asked of a potential that has its own.
    """
    potentials: dict[str, PotentialSection] = {}
    if not wishes.models:
        potentials[_label(run.potential, wishes.run_file)] = run.potential
    for given in wishes.models:
        path = pretrained_weights.file_of(given)
        if path.suffix in (".yaml", ".yml") and not is_calculator_file(path):
            potentials[path.stem] = load_run_file(path).potential
            continue
        # the other models of a committee would be evaluated with it
        section = run.potential.model_copy(update={"models": [path.resolve()], "lammps": [], "members": []})
        if path.is_file() and looks_like_graph(path):
            section = PotentialSection(kind="deepmd", models=[path.resolve()])
        elif run.potential.evaluated_by != "lamplighter":
            section = PotentialSection(models=[path.resolve()])
        potentials[given.stem] = section
    made = []
    for name, potential in potentials.items():
        if (wishes.dtypes or wishes.engines) and potential.evaluated_by != "lamplighter":
            word = "--dtype" if wishes.dtypes else "--engine"
            raise LamplighterError(
                f"{word} is of models that Lamplighter evaluates; {name} is evaluated by {potential.evaluated_by}, as "
                "it was made"
            )
        for dtype in wishes.dtypes or (potential.dtype,):
            for engine in wishes.engines or (potential.engine,):
                section = potential.model_copy(update={"dtype": dtype, "engine": engine})
                words = [name, *(word for word in (dtype, engine) if word != "auto")]
                committee = (
                    run.committee if len(section.models) + len(section.members) > 1 or _packed(section) else None
                )
                update = {"potential": section, "committee": committee}
                made.append(Variant(", ".join(words), run.model_copy(update=update), name, dtype, engine))
    return made


def _packed(potential: PotentialSection) -> bool:
    """Whether several models may be in its one file."""
    return len(potential.models) == 1 and potential.models[0].suffix == ".lamp"


def _label(potential: PotentialSection, run_file: Path) -> str:
    if potential.models:
        return potential.models[0].stem
    return potential.calculator or run_file.stem


def _intervals(run: RunFile, wishes: Wishes) -> list[int]:
    if wishes.intervals:
        if run.committee is None:
            raise LamplighterError("--committee: the run file has no committee")
        if wrong := [each for each in wishes.intervals if each < 1]:
            raise LamplighterError(f"--committee {wrong[0]}: an interval is at least 1 step")
        return sorted(set(wishes.intervals))
    if run.committee is None:
        return []
    # an evaluation of the others costs the same at any interval: long ones would take long blocks
    every = min(run.committee.every, LONGEST_INTERVAL)
    return sorted({max(1, every // 2), every})


def _every(run: RunFile) -> dict[str, int]:
    """Steps between what the run file writes; nothing of what it does not write."""
    timestep = first_timestep(run)
    found = {
        name: interval_in_steps(getattr(run.output, name), timestep) for name in ("thermo", "trajectory", "restart")
    }
    if run.committee is not None:
        found["committee"] = run.committee.every
    return {name: steps for name, steps in found.items() if steps}


def _settings(run: RunFile, wishes: Wishes, variants: Sequence[Variant]) -> dict[str, Any]:
    """What makes measurements another thing."""
    hashes = {
        f"model {path}": provenance.hashed(path)["sha256"]
        for each in variants
        for path in each.run.potential.files
        if path.is_file()
    }
    guard = run.guard.model_dump(mode="json")
    return {
        "lamplighter": lamplighter.__version__,
        "structure": provenance.hashed(run.structure.file)["sha256"],
        "timestep": f"{1e3 * first_timestep(run):g} fs",
        "skin": str(run.neighbour.skin),
        "velocities": str(run.velocities.temperature),
        "guard": json.loads(json.dumps(guard)),
        "launcher": wishes.launcher or "",
        **hashes,
    }


def _measure_all(
    cases: Sequence[Case], store: Store, course: _Course, wishes: Wishes, lengths: Sequence[float],
    say: Callable[[str], None],
) -> None:  # fmt: skip
    lines = {line["key"]: line for line in store.lines()}
    for line in lines.values():
        _learn(line, course)
    waiting = [case for case in cases if case.key not in lines]
    if len(waiting) < len(cases):
        say(f"{len(cases) - len(waiting)} of {len(cases)} measurements are there already")
    broken: dict[str, str] = {}
    for place, case in enumerate(waiting):
        left = course.deadline - time.monotonic()
        chance = budget.share(case, course.known, left, len(waiting) - place, wishes.each_s)
        thin = _too_thin(case, course, lengths)
        if thin or case.variant.name in broken:
            course.left_out.append((case.name, thin or broken[case.variant.name]))
            continue
        if left < max(chance.least, 1.0):
            needs = f"it needs about {chance.least:.0f} s" if chance.least > left else "the budget is used up"
            course.left_out.append((case.name, f"{needs}, and {max(left, 0.0):.0f} s of the budget were left"))
            continue
        say(f"[{place + 1}/{len(waiting)}] {case.name}")
        problem = _measure(case, store, course, wishes, chance, left)
        if problem:
            say(f"  {problem}")
            course.left_out.append((case.name, problem))
            if not any(each.variant == case.variant.name for each in course.known):
                broken[case.variant.name] = f"the first measurement of {case.variant.name} failed"


def _measure(case: Case, store: Store, course: _Course, wishes: Wishes, chance: budget.Share, left: float) -> str:
    """Make a measurement and keep it; what is said where it cannot be made."""
    python = case.variant.run.potential.python
    with tempfile.TemporaryDirectory(prefix="lamplighter-bench-") as name:
        folder = Path(name)
        (folder / RUN_FILE).write_text(case.run_file, encoding="utf-8")
        write_json(folder / "sides.json", case.sides)
        words = [f"{chance.seconds:.3f}", str(case.threads or 0)]
        program = [*other_python.module_in(python or Path(sys.executable), WORKER), *words]
        limit = budget.limit(case, course.known, chance, left)
        ended = launch.run(launch.command_for(case.ranks, program, wishes.launcher), folder, limit)
        result = folder / "result.json"
        if ended.status is None:
            if limit < left:
                return f"it was ended after {ended.seconds:.0f} s: it hangs, or the budget is too short for it"
            return f"it was not done when the budget was used up ({ended.seconds:.0f} s were left for it)"
        if ended.status or not result.exists():
            said = ended.output.removeprefix("Error: ") or "it said nothing"
            return f"it ended with status {ended.status}: {said}"
        variant = case.variant
        line = {
            "key": case.key, "variant": variant.name, "model": variant.model, "dtype": variant.dtype,
            "engine": variant.engine, "replicate": list(case.replicate), "wall_s": ended.seconds,
            **json.loads(result.read_text(encoding="utf-8")),
        }  # fmt: skip
        store.add(line, folder / "forces.npy")
        _learn(line, course)
    return ""


def _learn(line: dict[str, Any], course: _Course) -> None:
    try:
        course.known.append(
            budget.Cost(line["startup_s"], line["first_step_s"], line["atoms"], line["ranks"], line["variant"])
        )
        course.cutoffs[line["variant"]] = float(line["cutoff_A"])
    except (KeyError, TypeError, ValueError) as problem:
        raise RunFolderError(f"a measurement is damaged ({problem}): remove the line of {line['key']}") from problem


def _too_thin(case: Case, course: _Course, lengths: Sequence[float]) -> str:
    """Why the domains of a case are too thin for the cutoff; empty: they are not, or the cutoff is not known yet."""
    ghosts = course.cutoffs.get(case.variant.name)
    if ghosts is None or case.ranks == 1:
        return ""
    cutoff = ghosts - case.variant.run.neighbour.skin.metal
    box = [n * length for n, length in zip(case.replicate, lengths, strict=True)]
    # at best the longest edge is divided first, and so on: what LAMMPS' grid comes to in a box that is not oblique
    edges = list(box)
    for factor in _prime_factors(case.ranks):
        longest = max(range(3), key=lambda axis: edges[axis])
        edges[longest] /= factor
    thinnest = min(edge for edge, full in zip(edges, box, strict=True) if edge < full)
    if thinnest >= cutoff:
        return ""
    return f"its domains are {thinnest:.1f} Å thin, less than the cutoff of {cutoff:.1f} Å: take more atoms a rank"


def _prime_factors(number: int) -> list[int]:
    found = []
    for prime in range(2, number + 1):
        while number % prime == 0:
            found.append(prime)
            number //= prime
    return sorted(found, reverse=True)


def _latest(lines: Sequence[dict[str, Any]]) -> list[Any]:
    """Of what was measured twice, with other sides, the later one."""
    found = {(line["variant"], line["atoms"], line["ranks"], line["threads"]): line for line in lines}
    try:
        return [measurement_of(line) for line in found.values()]
    except (KeyError, TypeError, ValueError) as problem:
        raise RunFolderError(f"a measurement is damaged ({problem}): remove its line") from problem


def network_of(
    latency_s: float, bandwidth: float, ranks_per_node: int, ghost_bytes: float | None, exchanges: int | None
) -> Network:
    """The figures of a network.

    Raises:
        LamplighterError: one is not positive.
    """
    made = Network(latency_s, bandwidth, ranks_per_node, ghost_bytes, exchanges)
    for name, value in asdict(made).items():
        if value is not None and not (value > 0 and math.isfinite(value)):
            raise LamplighterError(f"{name.replace('_', ' ')} of the network must be positive, got {value:g}")
    return made
