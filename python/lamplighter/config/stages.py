"""The stages of a run: minimise, NVE, NVT, NPT, with their thermostats and barostats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, GetCoreSchemaHandler, model_validator
from pydantic_core import PydanticCustomError, core_schema

from lamplighter.config.quantity import Duration, Force, Quantity, Time, parse_quantity
from lamplighter.config.section import ConfigSection

# Damping where the run file gives none, in time steps: the common LAMMPS choice (`fix nvt`, `fix npt`).
# Langevin friction acts on every atom and slows diffusion, hence the weaker coupling.
THERMOSTAT_DAMPING_STEPS = {"nose-hoover": 100, "svr": 100, "langevin": 1000}
BAROSTAT_DAMPING_STEPS = 1000


@dataclass(frozen=True)
class Ramp:
    """A constant (`start == stop`) or a linear change over a stage."""

    start: Quantity
    stop: Quantity

    def written(self) -> str | list[str]:
        """As the run file writes it: one quantity, or a list of two."""
        return str(self.start) if self.start == self.stop else [str(self.start), str(self.stop)]


@dataclass(frozen=True)
class RampField:
    """Marks a pydantic field as a quantity or a list of two: `500 K` or `[300 K, 500 K]`."""

    kind: str
    minimum: str = "none"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self._read,
            serialization=core_schema.plain_serializer_function_ser_schema(lambda ramp: ramp.written()),
        )

    def _read(self, given: Any) -> Ramp:
        if isinstance(given, Ramp):
            given = [given.start, given.stop]
        ends = list(given) if isinstance(given, list | tuple) else [given, given]
        if len(ends) != 2:
            raise PydanticCustomError(
                "ramp", "{problem}", {"problem": f"a ramp has a start and an end, got {len(ends)} values"}
            )
        start, stop = (parse_quantity(end, self.kind, self.minimum) for end in ends)
        return Ramp(start, stop)


TemperatureRamp = Annotated[Ramp, RampField("temperature", "positive")]
PressureRamp = Annotated[Ramp, RampField("pressure")]


class _Coupling(ConfigSection):
    """A thermostat or barostat; a bare name stands for its type."""

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, given: Any) -> Any:
        return {"type": given} if isinstance(given, str) else given


class Thermostat(_Coupling):
    """`nose-hoover` (a chain of three), `langevin`, or `svr` (stochastic velocity rescaling, Bussi 2007)."""

    type: Literal["nose-hoover", "langevin", "svr"] = "nose-hoover"
    damping: Time | None = None


class Barostat(_Coupling):
    """`isotropic` scales all edges together, `anisotropic` each by itself, `triclinic` the angles too."""

    type: Literal["isotropic", "anisotropic", "triclinic"] = "isotropic"
    damping: Time | None = None


class Minimise(ConfigSection):
    """Move the atoms downhill (conjugate gradients) until no force component exceeds `force_tolerance`."""

    type: Literal["minimise"] = "minimise"
    name: str | None = None
    force_tolerance: Force = Quantity(0.05, "eV/A")
    max_steps: int = Field(default=1000, ge=1)


class _Dynamics(ConfigSection):
    name: str | None = None
    length: Duration
    timestep: Time | None = None


class Nve(_Dynamics):
    """Constant number, volume and energy."""

    type: Literal["nve"] = "nve"


class Nvt(_Dynamics):
    """Constant number, volume and temperature."""

    type: Literal["nvt"] = "nvt"
    temperature: TemperatureRamp
    thermostat: Thermostat = Thermostat()
    mean_volume_of: str | None = None


class Npt(_Dynamics):
    """Constant number, pressure and temperature."""

    type: Literal["npt"] = "npt"
    temperature: TemperatureRamp
    pressure: PressureRamp
    thermostat: Thermostat = Thermostat()
    barostat: Barostat = Barostat()


DynamicsStage = Nve | Nvt | Npt
Stage = Annotated[Minimise | Nve | Nvt | Npt, Field(discriminator="type")]
STAGE_TYPES = ("minimise", "nve", "nvt", "npt")


def steps_of(duration: Quantity, timestep: Quantity) -> int:
    """The number of steps in a duration: its count of steps, or its time over the timestep, rounded."""
    if duration.kind == "steps":
        return int(duration.value)
    return round(duration.metal / timestep.metal)
