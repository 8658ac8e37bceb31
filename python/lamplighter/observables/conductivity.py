"""Ionic conductivity and transference numbers of one or several trajectories at constant volume."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from lamplighter.analysis.centres_of_mass import CentresOfMass, molecules_of, read_centres
from lamplighter.analysis.conductivity import (
    CollectiveMotion,
    charge_transport,
    collective_motion,
    conductivity_factor,
    relative_to,
    transference,
)
from lamplighter.analysis.diffusivity import DIFFUSIVE, MIN_BLOCKS, log_slope
from lamplighter.analysis.molecules import Molecules, in_words
from lamplighter.analysis.series import Estimate
from lamplighter.arrays import Floats, Integers
from lamplighter.errors import LamplighterError, TrajectoryError
from lamplighter.observables import ion_charges
from lamplighter.observables.density import mean_of_runs
from lamplighter.observables.diffusivity import (
    DiffusivityOptions,
    finite_size,
    frames_of_stage,
    in_production,
    temperature_of_stage,
    with_own_viscosity,
)
from lamplighter.observables.production import Production, production_of_length, production_of_stage
from lamplighter.observables.thermostat import SLOWER, damped_by_langevin
from lamplighter.run_folder.centres import RunCentres
from lamplighter.run_folder.names import FINAL, STRUCTURE
from lamplighter.run_folder.run import Run
from lamplighter.run_folder.trajectory import RunTrajectory
from lamplighter.structures.data_charges import charges_of_data
from lamplighter.structures.frame import Frame
from lamplighter.structures.molecule_list import MoleculeList

UNIT = "mS/cm"

Of = Callable[[Floats, Floats], float]
"""A number of L and N D (`CollectiveMotion.estimate`)."""

_Estimator = Callable[[Of, str, str], Estimate]

METHOD_EINSTEIN = "Einstein relation with cross terms; error from blocks that do not overlap"
METHOD_NERNST_EINSTEIN = "Nernst-Einstein; error from blocks that do not overlap"
METHOD_RATIO = "ratio of slopes; error from leaving out blocks that do not overlap"


@dataclass(frozen=True)
class ConductivityOptions:
    """What is done with a trajectory.

    Attributes:
        motion: Of what is read and cut into blocks; its viscosity corrects Nernst-Einstein for the finite cell.
        charges: By formula, as `ion_charges.charges_of_words`; None: `ion_charges.charges_of_species` decides.
    """

    motion: DiffusivityOptions = field(default_factory=DiffusivityOptions)
    charges: Mapping[str, float] | None = None


@dataclass(frozen=True)
class IonTransport:
    """One ionic species.

    Attributes:
        name, number, charge: Formula, molecules, and charge in units of e.
        diffusivity: Å²/ps.
        own: Share of the Nernst-Einstein conductivity.
        collective: Share of the current with all correlations, the total centre of mass at rest.
        in_solvent: The same with the mean of the neutral molecules at rest; None: there are none.
    """

    name: str
    number: int
    charge: float
    diffusivity: Estimate
    own: Estimate
    collective: Estimate
    in_solvent: Estimate | None


@dataclass(frozen=True)
class InfiniteCell:
    """Nernst-Einstein with diffusivities that are corrected for the finite cell (Yeh, Hummer).

    Attributes:
        viscosity: What it was made with, mPa s.
        added: To each diffusivity, Å²/ps.
        nernst_einstein: mS/cm.
        ionicity: The conductivity with correlations divided by it.
        shared: What a viscosity that was given for all trajectories has in the errors of the last two; 0 where it is
            that of the run.
    """

    viscosity: float
    added: float
    nernst_einstein: Estimate
    ionicity: Estimate
    shared: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class TrajectoryConductivity:
    """One trajectory.

    Attributes:
        path: The file or run folder.
        length_ps, interval_ps: What was analysed, without what was discarded.
        discarded: What was left out from the beginning, in words.
        temperature, volume: K and Å³.
        einstein: With all cross terms, mS/cm.
        nernst_einstein: Of ions that move independently, mS/cm.
        ionicity: Their ratio.
        infinite: What the viscosity makes of the last two; None: it is not known.
        ions: The species that have charges.
        charges: Where these are from, in words.
        motion: Displacements behind it.
        charge_numbers: Of all species, shape (S,).
        system: Molecules and their numbers.
        notes: What limits the numbers.
    """

    path: Path
    length_ps: float
    interval_ps: float
    discarded: str
    temperature: float
    volume: float
    einstein: Estimate
    nernst_einstein: Estimate
    ionicity: Estimate
    infinite: InfiniteCell | None
    ions: list[IonTransport]
    charges: str
    motion: CollectiveMotion
    charge_numbers: Floats
    system: str
    notes: list[str]

    @property
    def collective_square(self) -> Floats:
        """⟨|Σ z ΔR|²⟩ / Σ N z² at each lag of `motion`, Å², shape (k,)."""
        return np.asarray(
            np.einsum("a,tab,b->t", self.charge_numbers, self.motion.products, self.charge_numbers) / self._strength
        )

    @property
    def own_square(self) -> Floats:
        """Σ z² ⟨|Δr|²⟩ / Σ N z² at each lag of `motion`, Å², shape (k,)."""
        return np.asarray(self.motion.own_products @ self.charge_numbers**2 / self._strength)

    @property
    def _strength(self) -> float:
        return sum(ion.number * ion.charge**2 for ion in self.ions)


@dataclass(frozen=True)
class ConductivityOfRuns:
    """Several trajectories together; errors of the means from their spread (of one: its own).

    Attributes:
        trajectories: Each by itself.
        einstein, nernst_einstein: mS/cm.
        ionicity: Their ratio.
        nernst_einstein_infinite, ionicity_infinite: As `InfiniteCell` has them; None: not of all trajectories.
        transference: By species, as `IonTransport.collective`.
    """

    trajectories: list[TrajectoryConductivity]
    einstein: Estimate
    nernst_einstein: Estimate
    ionicity: Estimate
    nernst_einstein_infinite: Estimate | None
    ionicity_infinite: Estimate | None
    transference: dict[str, Estimate]


def conductivity_of_run(
    run: Run, stage: str | None, wanted: ConductivityOptions, trajectory: RunTrajectory | RunCentres | None = None
) -> TrajectoryConductivity:
    """Conductivity in a stage of a run.

    Charges that are not given are those of its list of molecules; without one, they follow from those that atoms have
    in its last configuration, or in its first.

    Args:
        run: The run.
        stage: Name or index; None: the last at constant volume.
        wanted: What is done.
        trajectory: Its trajectory or its centres of mass; None: the centres where the run wrote them.

    Raises:
        LamplighterError: as `conductivity_of_frames`, or there is no stage at constant volume.
    """
    trajectory = trajectory or run.motion()
    record = run.stage(stage, ("nvt", "nve"), "displacement at fixed volume")
    production = production_of_stage(run, record, wanted.motion.discard)
    motion = wanted.motion
    if motion.temperature is None:
        motion = replace(motion, temperature=temperature_of_stage(run, record, production))
    motion, more = with_own_viscosity(run, record, motion)
    more += damped_by_langevin(run, record.index, SLOWER)
    known = trajectory.molecules if isinstance(trajectory, RunCentres) else None
    if isinstance(trajectory, RunTrajectory):
        motion = replace(motion, bonds=motion.bonds or run.bonds)
    made = conductivity_of_frames(
        run.folder,
        frames_of_stage(run, trajectory, stage),
        replace(wanted, motion=motion),
        known,
        production,
        _charges_of_atoms(run),
        run.molecule_list,
    )
    notes = [*made.notes, *more, *trajectory.notes]
    if trajectory.dropped:
        notes.append(f"{trajectory.path.name}: {trajectory.dropped}")
    return replace(made, notes=notes)


def conductivity_of_frames(
    path: Path,
    frames: Iterable[Frame],
    wanted: ConductivityOptions,
    of_molecules: Molecules | None = None,
    production: Production | None = None,
    of_atoms: Floats | None = None,
    listed: MoleculeList | None = None,
) -> TrajectoryConductivity:
    """Conductivity of a trajectory; `of_molecules` as `centres_of_mass.read_centres`.

    Args:
        path: For messages.
        frames: Of constant cell, at equal intervals of time.
        wanted: What is done.
        of_molecules: The frames' "atoms" are the centres of mass of these molecules already.
        production: Of the stage which the frames are of; None: it follows from their times.
        of_atoms: Charges of all atoms, in the order of their IDs, units of e.
        listed: The molecules of the structure with their formal charges.

    Raises:
        LamplighterError: the frames cannot be used (`centres_of_mass.read_centres`), are too few, have no temperature
            or volume, or no species has a charge; the file is named.
    """
    motion = wanted.motion
    try:
        whole = read_centres(frames, unwrap=motion.unwrap, bonds=motion.bonds, of_molecules=of_molecules)
        chosen = production or production_of_length(whole.length_ps, motion.discard)
        of_atoms = _if_of(len(whole.molecules.of_atom), of_atoms)
        if listed is not None and wanted.charges is None:
            whole = replace(whole, molecules=ion_charges.told_apart(whole.molecules, listed))
        charges = ion_charges.charges_of_species(whole.molecules, wanted.charges, of_atoms, listed)
        return _analysed(path, in_production(whole, motion, chosen), chosen.words, charges, motion)
    except LamplighterError as problem:
        raise type(problem)(f"{path}: {problem}") from None


def conductivities_together(made: Sequence[TrajectoryConductivity]) -> ConductivityOfRuns:
    """Means over trajectories of one system.

    Raises:
        TrajectoryError: they are of different systems.
    """
    first = made[0]
    for each in made[1:]:
        if each.system != first.system or not np.array_equal(each.charge_numbers, first.charge_numbers):
            raise TrajectoryError(
                f"trajectories of different systems cannot be averaged: {first.path} holds {first.system}, {each.path} "
                f"holds {each.system}, or its ions have other charges"
            )
    infinite = [each.infinite for each in made if each.infinite is not None]
    whole = len(infinite) == len(made)
    return ConductivityOfRuns(
        list(made),
        mean_of_runs([each.einstein for each in made]),
        mean_of_runs([each.nernst_einstein for each in made]),
        mean_of_runs([each.ionicity for each in made]),
        _with_shared([each.nernst_einstein for each in infinite], [each.shared[0] for each in infinite])
        if whole
        else None,
        _with_shared([each.ionicity for each in infinite], [each.shared[1] for each in infinite]) if whole else None,
        {
            ion.name: mean_of_runs([each.ions[place].collective for each in made])
            for place, ion in enumerate(first.ions)
        },
    )


def _with_shared(values: Sequence[Estimate], shared: Sequence[float]) -> Estimate:
    """Mean over trajectories; an error that they share is in no spread, and does not shrink with their number."""
    mean = mean_of_runs(values)
    common = float(np.abs(np.mean(shared)))
    if len(values) == 1 or common == 0.0:
        return mean
    method = f"{mean.method}, and that of the viscosity that they share"
    return replace(mean, standard_error=math.hypot(mean.standard_error, common), method=method)


def has_ions(run: Run) -> bool:
    """Whether the start of a run, with its charges, holds ions; False where that cannot be told."""
    try:
        if run.molecule_list is not None:
            return any(each.charge for each in run.molecule_list.components)
        start, of_atoms = run.start, _charges_of_atoms(run)
        found = molecules_of(start, run.bonds_among(start.ids))
        charges = ion_charges.charges_of_species(found, None, _if_of(len(start), of_atoms))
    except LamplighterError:
        return False
    return bool(charges.charges.any())


def _charges_of_atoms(run: Run) -> Floats | None:
    """Of the last configuration, whose charges LAMMPS wrote, or else of the start."""
    for name in (FINAL, STRUCTURE):
        if (run.folder / name).exists():
            return charges_of_data(run.folder / name)
    return None


def _if_of(n_atoms: int, of_atoms: Floats | None) -> Floats | None:
    """Charges of these atoms; None: they are of others (a start that `structure.replicate` has copied)."""
    return None if of_atoms is None or len(of_atoms) != n_atoms else of_atoms


def _analysed(
    path: Path,
    centres: CentresOfMass,
    discarded: str,
    charges: ion_charges.SpeciesCharges,
    wanted: DiffusivityOptions,
) -> TrajectoryConductivity:
    if wanted.temperature is None:
        raise TrajectoryError("a conductivity needs --temperature (only a run folder knows its own)")
    volume = float(abs(np.linalg.det(centres.cell)))
    if not volume > 0.0:
        raise TrajectoryError("a conductivity needs the volume of a periodic cell, and there is none")
    molecules, z = centres.molecules, charges.charges
    numbers = np.array(molecules.counts())
    motion = collective_motion(
        centres.positions, molecules.species, len(molecules.names), centres.interval_ps, wanted.plan
    )
    n = len(motion.independent)
    note = "" if n >= MIN_BLOCKS else f"{n} independent blocks, fewer than {MIN_BLOCKS}"
    factor = conductivity_factor(volume, wanted.temperature)

    def estimate(of: Of, unit: str, method: str) -> Estimate:
        value, error = motion.estimate(of)
        return Estimate(value, error, unit, method, n, 1.0, float(n), note)

    notes: list[str] = []
    infinite = _infinite(centres, wanted, factor, z, motion, notes)
    ions = [_ion(int(place), molecules.names[place], numbers, z, estimate) for place in np.flatnonzero(z)]
    made = TrajectoryConductivity(
        path=path,
        length_ps=centres.length_ps,
        interval_ps=centres.interval_ps,
        discarded=discarded,
        temperature=wanted.temperature,
        volume=volume,
        einstein=estimate(lambda l_ab, own: factor * charge_transport(l_ab, z), UNIT, METHOD_EINSTEIN),
        nernst_einstein=estimate(lambda l_ab, own: factor * float(own @ z**2), UNIT, METHOD_NERNST_EINSTEIN),
        ionicity=estimate(lambda l_ab, own: charge_transport(l_ab, z) / float(own @ z**2), "", METHOD_RATIO),
        infinite=infinite,
        ions=ions,
        charges=f"{ion_charges.in_words(molecules.names, z)}: {charges.source}",
        motion=motion,
        charge_numbers=z,
        system=in_words(molecules),
        notes=notes,
    )
    if note:
        made.notes.append(f"no error bars: {note}")
    fitted = slice(max(1, round(wanted.plan.ballistic / centres.interval_ps)), None)
    slope = log_slope(motion.lags_ps[fitted], made.own_square[fitted])
    if abs(slope - 1.0) > DIFFUSIVE:
        made.notes.append(
            f"not yet diffusive: the displacement of ions grows like t^{slope:.2f} between {wanted.plan.ballistic:g} "
            f"and {wanted.plan.length:g} ps; longer blocks are needed (--block, --ballistic)"
        )
    if len(ions) == len(molecules.names) == 2:
        made.notes.append(
            "two species without a solvent: with the total centre of mass at rest, transference with correlations "
            "follows from masses and charges alone"
        )
    return made


def _infinite(
    centres: CentresOfMass,
    wanted: DiffusivityOptions,
    factor: float,
    z: Floats,
    motion: CollectiveMotion,
    notes: list[str],
) -> InfiniteCell | None:
    """Nernst-Einstein of an infinite cell, where the viscosity is known; `factor` makes mS/cm of Å²/ps."""
    if wanted.viscosity is None:
        notes.append(
            "conductivity without correlations is that of this finite cell, in which diffusivities are too small; a "
            "viscosity corrects it (that of a run with output.pressure_tensor, or --viscosity)"
        )
        return None
    added, uncertain = finite_size(centres, wanted, notes)
    strength = float(np.array(centres.molecules.counts()) @ z**2)  # Σ N z²
    n = len(motion.independent)
    note = "" if n >= MIN_BLOCKS else f"{n} independent blocks, fewer than {MIN_BLOCKS}"

    def estimate(of: Callable[[Floats, Floats, float], float], unit: str, method: str) -> tuple[Estimate, float]:
        def with_(more: float) -> tuple[float, float]:
            return motion.estimate(lambda l_ab, own: of(l_ab, own, more))

        value, error = with_(added)
        uncertainty = 0.5 * (with_(added + uncertain)[0] - with_(added - uncertain)[0])
        return Estimate(value, math.hypot(error, uncertainty), unit, method, n, 1.0, float(n), note), uncertainty

    alone, of_alone = estimate(
        lambda l_ab, own, a: factor * (float(own @ z**2) + a * strength), UNIT, METHOD_NERNST_EINSTEIN
    )
    ratio, of_ratio = estimate(
        lambda l_ab, own, a: charge_transport(l_ab, z) / (float(own @ z**2) + a * strength), "", METHOD_RATIO
    )
    shared = (0.0, 0.0) if wanted.viscosity_of_run else (of_alone, of_ratio)
    return InfiniteCell(wanted.viscosity, added, alone, ratio, shared)


def _ion(place: int, name: str, numbers: Integers, z: Floats, estimate: _Estimator) -> IonTransport:
    neutral = np.flatnonzero(z == 0.0)
    in_solvent = None
    if len(neutral):
        in_solvent = estimate(
            lambda l_ab, own: transference(relative_to(l_ab, numbers, neutral), z, place), "", METHOD_RATIO
        )
    return IonTransport(
        name=name,
        number=int(numbers[place]),
        charge=float(z[place]),
        diffusivity=estimate(lambda l_ab, own: float(own[place]) / numbers[place], "Å²/ps", METHOD_NERNST_EINSTEIN),
        own=estimate(lambda l_ab, own: float(own[place] * z[place] ** 2 / (own @ z**2)), "", METHOD_RATIO),
        collective=estimate(lambda l_ab, own: transference(l_ab, z, place), "", METHOD_RATIO),
        in_solvent=in_solvent,
    )
