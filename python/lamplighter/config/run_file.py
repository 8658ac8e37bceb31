"""The run file as a whole, and its defaults made explicit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from lamplighter.config.bonds import BondsSection
from lamplighter.config.committee import CommitteeSection
from lamplighter.config.domains import DomainsSection
from lamplighter.config.extrapolation import ExtrapolationSection
from lamplighter.config.guard import GuardSection
from lamplighter.config.mean_volume import sampled_stage
from lamplighter.config.potential import PotentialSection, absolute
from lamplighter.config.problems import describe
from lamplighter.config.quantity import Duration, Length, Quantity, Temperature, Time, parse_quantity
from lamplighter.config.section import ConfigSection
from lamplighter.config.stages import (
    BAROSTAT_DAMPING_STEPS,
    THERMOSTAT_DAMPING_STEPS,
    Minimise,
    Npt,
    Nve,
    Nvt,
    Stage,
    steps_of,
)
from lamplighter.config.volume_scan import VolumeScanSection
from lamplighter.config.workflow import WorkflowSection
from lamplighter.errors import ConfigError
from lamplighter.file_suffixes import COMPILED
from lamplighter.guard_criteria import VARIANCE_OF_ACTIVE_LEARNING


class StructureSection(ConfigSection):
    """The start structure: any file that ASE reads, or a LAMMPS data file."""

    file: Path
    molecules: Path | None = None
    format: str | None = None
    index: int = -1
    replicate: tuple[
        Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]
    ] = (1, 1, 1)  # fmt: skip
    elements: list[str] | None = None
    atom_style: str | None = None
    units: str | None = None
    periodic: tuple[bool, bool, bool] | None = None
    constraints: Literal["keep", "ignore"] = "keep"

    @model_validator(mode="before")
    @classmethod
    def _file_alone(cls, given: Any) -> Any:
        return {"file": given} if isinstance(given, str | Path) else given


class VelocitiesSection(ConfigSection):
    """The first velocities: drawn at a temperature (which may stand alone), or those of the structure file."""

    temperature: Temperature | None = None
    from_structure: bool = False

    @model_validator(mode="before")
    @classmethod
    def _temperature_alone(cls, given: Any) -> Any:
        return given if isinstance(given, dict | VelocitiesSection) else {"temperature": given}


class NeighbourSection(ConfigSection):
    """The margin beyond the cutoff within which neighbours are listed; the list is rebuilt when it may be used up."""

    skin: Length = Quantity(2.0, "A")


def _interval(given: Any) -> Quantity | None:
    return None if given is None or given == "never" else parse_quantity(given, "duration", "positive")


OptionalInterval = Annotated[
    Quantity | None,
    PlainValidator(_interval),
    PlainSerializer(lambda interval: "never" if interval is None else str(interval)),
]
"""A time, a number of steps, or `never`."""


def _wall_time(given: Any) -> Quantity | None:
    return None if given is None or given == "never" else parse_quantity(given, "wall time", "positive")


OptionalWallTime = Annotated[
    Quantity | None,
    PlainValidator(_wall_time),
    PlainSerializer(lambda interval: "never" if interval is None else str(interval)),
]
"""Time on the clock, or `never`."""


class OutputSection(ConfigSection):
    """What the run writes, how often, and where."""

    folder: Path | None = None
    thermo: Duration = Quantity(10.0, "fs")
    trajectory: OptionalInterval = Quantity(0.1, "ps")
    centres_of_mass: OptionalInterval = None
    pressure_tensor: OptionalInterval = None
    restart: OptionalInterval = Quantity(1.0, "ps")
    restart_wall: OptionalWallTime = None


class _SaysWhatIsWrong(type(ConfigSection)):  # type: ignore[misc]
    """`RunFile(…)` in Python raises what a run file raises that is read."""

    def __call__(cls, *values: Any, **keys: Any) -> Any:
        if values:
            raise ConfigError(
                "RunFile takes the keys of a run file by their names, as in RunFile(structure=…, potential=…, "
                f"stages=[…]), and got {values[0]!r}; load_run_file reads a file"
            )
        try:
            return super().__call__(**keys)
        except ValidationError as problem:
            raise ConfigError(describe(problem, "run file")) from None


class RunFile(ConfigSection, metaclass=_SaysWhatIsWrong):
    """A run: structure, potential, stages, and how it is written down.

    Raises:
        ConfigError: a key or a value is wrong; the message has a line for each problem.
    """

    structure: StructureSection
    potential: PotentialSection
    committee: CommitteeSection | None = None
    extrapolation: ExtrapolationSection | None = None
    timestep: Time = Quantity(0.5, "fs")
    seed: int = Field(default=1, ge=1, le=99_999_999)
    velocities: VelocitiesSection = VelocitiesSection()
    neighbour: NeighbourSection = NeighbourSection()
    domains: DomainsSection = DomainsSection()
    bonds: BondsSection = BondsSection()
    guard: GuardSection = GuardSection()
    stages: list[Stage] = Field(default_factory=list)
    workflow: WorkflowSection | None = None
    output: OutputSection = OutputSection()

    @model_validator(mode="after")
    def _workflow_becomes_stages(self) -> RunFile:
        """Its stages follow those of the run file; from here on there are stages, and the volume scan, alone."""
        if self.workflow is not None:
            # the model is frozen for everybody else
            object.__setattr__(self, "stages", [*self.stages, *self.workflow.stages()])
            object.__setattr__(self, "workflow", self.workflow.after_stages())
        elif not self.stages:
            raise _problem("is required: at least one stage, or a workflow", "stages")
        return self

    @model_validator(mode="after")
    def _bonds_of_atoms_are_those_of_the_file(self) -> RunFile:
        if self.structure.molecules is not None and self.structure.replicate != (1, 1, 1):
            raise _problem("lists the molecules of the file, and structure.replicate makes copies of them: build a "
                           "larger structure (lamplighter build)", "structure.molecules")  # fmt: skip
        if self.bonds.names_atoms and self.structure.replicate != (1, 1, 1):
            raise _problem("names atoms by their IDs, and structure.replicate makes copies with others: replicate the "
                           "structure first, or name elements", "bonds")  # fmt: skip
        return self

    @model_validator(mode="after")
    def _each_stage_has_a_step(self) -> RunFile:
        for index, stage in enumerate(self.stages):
            if isinstance(stage, Minimise):
                continue
            if steps_of(stage.length, stage.timestep or self.timestep) < 1:
                step = stage.timestep or self.timestep
                raise _problem(f"must be at least one timestep ({step}), got '{stage.length}'",
                               f"stages[{index}].length")  # fmt: skip
        return self

    @model_validator(mode="after")
    def _mean_volumes_are_sampled(self) -> RunFile:
        for index, stage in enumerate(self.stages):
            if isinstance(stage, Nvt) and stage.mean_volume_of is not None:
                try:
                    sampled_stage(self.stages, index)
                except ValueError as problem:
                    raise _problem(str(problem), f"stages[{index}].mean_volume_of") from None
        return self

    @model_validator(mode="after")
    def _committee_has_members(self) -> RunFile:
        models, members = self.potential.models, self.potential.members
        if self.committee is None:
            for key in self.guard.of_committee:
                raise _problem("needs a committee: name several models and give `committee:`, too", f"guard.{key}")
            if members and self.stages:
                raise _problem("is needed with `potential.members`; write e.g. `committee: 20`", "committee")
            return self
        if self.potential.classical is not None:
            raise _problem("is of `potential.models` or `potential.members`, and `potential.classical` is given",
                           "committee")  # fmt: skip
        if self.potential.lammps:
            raise _problem("is of `potential.models` or `potential.members`, and `potential.lammps` is given",
                           "committee")  # fmt: skip
        if self.potential.calculator is not None:
            raise _problem("needs several models, and `potential.calculator` is one: put each into a file of its "
                           "own (docs/reference/potentials.md), and name them in `potential.models`",
                           "committee")  # fmt: skip
        if len(models) == 1 and (models[0].suffix != COMPILED or self.potential.kind == "deepmd"):
            raise _problem("needs several files in `potential.models` (or one .lamp file of several models), and there "
                           f"is one: {models[0]}", "committee")  # fmt: skip
        if len(members) == 1:
            raise _problem("needs two members or more, and there is one", "potential.members")
        number = len(models) + len(members)
        if isinstance(self.committee.drive, int) and 1 < number < self.committee.drive:
            raise _problem(f"asks for model {self.committee.drive} of {number}", "committee.drive")
        return self

    @model_validator(mode="after")
    def _the_model_knows_its_training_set(self) -> RunFile:
        """As far as the name of its file says; what is in the file is seen when the run is prepared."""
        keys = [f"guard.{key}" for key in self.guard.of_training_set]
        if self.extrapolation is not None:
            keys.insert(0, "extrapolation")
        models = self.potential.models
        alone = len(models) == 1 and models[0].suffix == COMPILED and self.potential.kind != "deepmd"
        if keys and not alone and self.potential.training_set is None:
            raise _problem("needs a model that knows its training set: `lamplighter compile MODEL --training "
                           "TRAIN.xyz -o MODEL.lamp`, and name that file alone in `potential.models`; or, of a model "
                           "that the native engine does not cover, `-o MODEL.training`, and name that file in "
                           "`potential.training_set`", keys[0])  # fmt: skip
        if keys and self.committee is not None and isinstance(self.committee.drive, int) and self.committee.drive > 1:
            raise _problem("is of the first model of a file, and `committee.drive` names another one: compile the "
                           "file with that model first", keys[0])  # fmt: skip
        return self

    @model_validator(mode="after")
    def _first_velocities_are_known(self) -> RunFile:
        if self.velocities.from_structure and self.velocities.temperature:
            raise _problem("give either `temperature` or `from_structure: true`, not both", "velocities")
        if self.velocities.from_structure:
            return self
        fresh = True
        for index, stage in enumerate(self.stages):
            if isinstance(stage, Minimise):
                fresh = True
            elif fresh:
                if isinstance(stage, Nve) and self.velocities.temperature is None:
                    raise _problem(
                        f"is needed, because stages[{index}] is nve and has no temperature to draw the first "
                        "velocities at; write e.g. '300 K'",
                        "velocities.temperature",
                    )
                fresh = False
        return self

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user is told of the run file: words of earlier versions that it still uses."""
        return self.potential.notes

    @property
    def volume_scan(self) -> VolumeScanSection | None:
        """What is carried out after the stages."""
        return None if self.workflow is None else self.workflow.volume_scan

    def resolved(self, folder_of_run_file: Path, default_output: str) -> RunFile:
        """A copy with absolute paths and every default written out.

        `default_output` is the name of the run folder where `output.folder` is not given.
        """
        base = folder_of_run_file.resolve()
        structure = self.structure.model_copy(update={"file": absolute(self.structure.file, base)})
        if structure.molecules is not None:
            structure = structure.model_copy(update={"molecules": absolute(structure.molecules, base)})
        folder = self.output.folder if self.output.folder is not None else Path(default_output)
        output = self.output.model_copy(update={"folder": absolute(folder, base)})
        velocities = self.velocities
        if velocities.temperature is None and not velocities.from_structure:
            first = next((s for s in self.stages if not isinstance(s, Minimise)), None)
            if isinstance(first, Nvt | Npt):
                velocities = velocities.model_copy(update={"temperature": first.temperature.start})
        bonds = self.bonds
        if bonds.file is not None:
            bonds = bonds.model_copy(update={"file": absolute(bonds.file, base)})
        elif structure.molecules is not None:
            bonds = bonds.model_copy(update={"file": structure.molecules})
        guard = self.guard
        if guard.preset == "active-learning" and self.committee is not None and not guard.of_committee:
            guard = guard.model_copy(update={"variance": VARIANCE_OF_ACTIVE_LEARNING})
        extrapolation = self.extrapolation
        if guard.of_training_set and extrapolation is None:
            extrapolation = ExtrapolationSection()
        return self.model_copy(
            update={
                "structure": structure,
                "potential": self._potential_with_molecules().resolved(base),
                "bonds": bonds,
                "guard": guard,
                "extrapolation": extrapolation,
                "output": output,
                "workflow": None if self.workflow is None else self.workflow.resolved(base),
                "velocities": velocities,
                "stages": [self._resolved_stage(stage) for stage in self.stages],
            }
        )

    def _potential_with_molecules(self) -> PotentialSection:
        """A classical force field takes the list of molecules of the structure, unless it names one."""
        if self.potential.classical is None or self.potential.molecules is not None:
            return self.potential
        return self.potential.model_copy(update={"molecules": self.structure.molecules})

    def _resolved_stage(self, stage: Stage) -> Stage:
        if isinstance(stage, Minimise):
            return stage.model_copy(update={"name": stage.name or stage.type})
        timestep = stage.timestep or self.timestep
        update: dict[str, Any] = {"name": stage.name or stage.type, "timestep": timestep}
        if isinstance(stage, Nvt | Npt) and stage.thermostat.damping is None:
            damping = _multiple(timestep, THERMOSTAT_DAMPING_STEPS[stage.thermostat.type])
            update["thermostat"] = stage.thermostat.model_copy(update={"damping": damping})
        if isinstance(stage, Npt) and stage.barostat.damping is None:
            damping = _multiple(timestep, BAROSTAT_DAMPING_STEPS)
            update["barostat"] = stage.barostat.model_copy(update={"damping": damping})
        return stage.model_copy(update=update)


def _multiple(timestep: Quantity, steps: int) -> Quantity:
    return Quantity(timestep.value * steps, timestep.unit)


def _problem(text: str, key: str = "") -> PydanticCustomError:
    return PydanticCustomError("run_file", "{problem}", {"problem": text, "key": key})
