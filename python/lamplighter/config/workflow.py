"""Workflows: what stands for a series of stages, so that a protocol is one section of the run file.

A workflow is written out as stages when the run file is read; nothing after that knows of it. The volume scan alone is
no dynamics: it stays, and is carried out after the stages. Sources of the protocols: Goodwin et al., Transferability
and accuracy of ionic liquid simulations with equivariant machine learning interatomic potentials (staged equilibration,
isothermal compression, thermal expansion).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator
from pydantic_core import PydanticCustomError

from lamplighter.config.quantity import Duration, Quantity, QuantityField, Temperature, Time
from lamplighter.config.section import ConfigSection
from lamplighter.config.stages import Barostat, Minimise, Npt, Ramp, Stage, Thermostat
from lamplighter.config.volume_scan import VolumeScanSection

FEWEST_PRESSURES = 4
"""The Tait equation has three parameters; with fewer pressures nothing is left to judge it by."""

FEWEST_TEMPERATURES = 2

Pressure = Annotated[Quantity, QuantityField("pressure")]

_PRESSURES = [Quantity(1.0 + 1000.0 * step, "bar") for step in range(19)]


class _Series(ConfigSection):
    """Pairs of NPT stages, equilibration and production, at one condition after the other."""

    equilibration: Duration
    production: Duration
    timestep: Time | None = None
    thermostat: Thermostat = Thermostat()
    barostat: Barostat = Barostat()

    def _pair(self, name: str, temperature: Quantity, pressure: Quantity) -> list[Stage]:
        parts = ((f"{name}, equilibration", self.equilibration), (name, self.production))
        return [self._npt(part, length, temperature, pressure) for part, length in parts]

    def _npt(self, name: str, length: Quantity, temperature: Quantity, pressure: Quantity) -> Npt:
        return Npt(
            name=name,
            length=length,
            timestep=self.timestep,
            temperature=Ramp(temperature, temperature),
            pressure=Ramp(pressure, pressure),
            thermostat=self.thermostat,
            barostat=self.barostat,
        )


class CompressionSection(_Series):
    """Isothermal compression: one pressure after the other at one temperature (`docs/how_to/equation_of_state.md`)."""

    temperature: Temperature
    pressures: list[Pressure] = Field(default=_PRESSURES)
    equilibration: Duration = Quantity(50.0, "ps")
    production: Duration = Quantity(50.0, "ps")

    @model_validator(mode="after")
    def _enough_pressures(self) -> CompressionSection:
        _require_different(self.pressures, FEWEST_PRESSURES, "pressures", "the Tait equation has three parameters")
        return self

    def stages(self) -> list[Stage]:
        """The stages that it stands for."""
        return [
            stage
            for pressure in self.pressures
            for stage in self._pair(f"compression {pressure}", self.temperature, pressure)
        ]


class ThermalExpansionSection(_Series):
    """One temperature after the other at a constant pressure (`docs/how_to/equation_of_state.md`)."""

    temperatures: list[Temperature]
    pressure: Pressure = Quantity(1.0, "bar")
    equilibration: Duration = Quantity(500.0, "ps")
    production: Duration = Quantity(500.0, "ps")

    @model_validator(mode="after")
    def _enough_temperatures(self) -> ThermalExpansionSection:
        _require_different(self.temperatures, FEWEST_TEMPERATURES, "temperatures", "a slope needs two points")
        return self

    def stages(self) -> list[Stage]:
        """The stages that it stands for."""
        return [
            stage
            for temperature in self.temperatures
            for stage in self._pair(f"expansion {temperature}", temperature, self.pressure)
        ]


class StagedEquilibrationSection(ConfigSection):
    """From a low-density grid of molecules to a liquid, in ten stages (Goodwin et al., table S1)."""

    temperature: Temperature = Quantity(300.0, "K")
    hot: Temperature = Quantity(400.0, "K")
    scale: Annotated[float, Field(gt=0.0)] = 1.0
    timestep: Time | None = None
    thermostat: Thermostat = Thermostat()
    barostat: Barostat = Barostat()

    def stages(self) -> list[Stage]:
        """The stages that it stands for; `scale` multiplies the length of each."""
        cold, final, hot = Quantity(1.0, "K"), self.temperature, self.hot

        def npt(name: str, ns: float, heat: tuple[Quantity, Quantity], mpa: tuple[float, float]) -> Stage:
            return Npt(
                name=f"staged equilibration, {name}",
                length=Quantity(ns * self.scale, "ns"),
                timestep=self.timestep,
                temperature=Ramp(*heat),
                pressure=Ramp(Quantity(mpa[0], "MPa"), Quantity(mpa[1], "MPa")),
                thermostat=self.thermostat,
                barostat=self.barostat,
            )

        return [
            Minimise(name="staged equilibration, minimise"),
            npt("compress", 0.5, (cold, cold), (0.01, 0.2)),
            Minimise(name="staged equilibration, minimise again"),
            npt("compress and heat", 0.5, (cold, final), (0.2, 10.0)),
            npt("decompress", 0.4, (final, final), (10.0, 0.1)),
            npt("heat", 0.8, (final, hot), (0.1, 1.0)),
            npt("cool", 0.8, (hot, final), (1.0, 0.1)),
            npt("compress again", 1.0, (final, final), (0.1, 100.0)),
            npt("decompress again", 1.0, (final, final), (100.0, 0.1)),
            npt("relax", 1.0, (final, final), (0.1, 0.1)),
        ]


class WorkflowSection(ConfigSection):
    """The staged equilibration, if any, and then the compression, the thermal expansion, or the volume scan."""

    staged_equilibration: StagedEquilibrationSection | None = None
    compression: CompressionSection | None = None
    thermal_expansion: ThermalExpansionSection | None = None
    volume_scan: VolumeScanSection | None = None

    @model_validator(mode="before")
    @classmethod
    def _names_alone(cls, given: Any) -> Any:
        """`staged_equilibration` alone, or without a value, has its defaults."""
        if isinstance(given, str):
            return {given: {}}
        if isinstance(given, dict):
            return {key: {} if value is None else value for key, value in given.items()}
        return given

    @model_validator(mode="after")
    def _one_series(self) -> WorkflowSection:
        series = [key for key in ("compression", "thermal_expansion", "volume_scan") if getattr(self, key) is not None]
        if len(series) > 1:
            raise _problem(f"{' and '.join(series)} are series of their own: give each a run file of its own")
        if not series and self.staged_equilibration is None:
            raise _problem(f"is empty; the keys known here are {', '.join(type(self).model_fields)}")
        return self

    @model_serializer(mode="wrap")
    def _without_what_is_not_given(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A name without a value would stand for its defaults."""
        return {key: value for key, value in write(self).items() if value is not None}

    def stages(self) -> list[Stage]:
        """The stages that it stands for, in order."""
        parts = (self.staged_equilibration, self.compression, self.thermal_expansion)
        return [stage for part in parts if part is not None for stage in part.stages()]

    def resolved(self, base: Path) -> WorkflowSection:
        """A copy with absolute paths; relative ones are those of `base`, the folder of the run file."""
        if self.volume_scan is None:
            return self
        return self.model_copy(update={"volume_scan": self.volume_scan.resolved(base)})

    def after_stages(self) -> WorkflowSection | None:
        """What is left of it when its stages are written out."""
        return None if self.volume_scan is None else WorkflowSection(volume_scan=self.volume_scan)


def _require_different(values: Sequence[Quantity], fewest: int, key: str, why: str) -> None:
    different = {each.metal for each in values}
    if len(different) < len(values):
        twice = next(each for place, each in enumerate(values) if each.metal in {v.metal for v in values[:place]})
        raise _problem(f"names {twice} twice", key)
    if len(values) < fewest:
        raise _problem(f"needs at least {fewest} values, got {len(values)}: {why}", key)


def _problem(text: str, key: str = "") -> PydanticCustomError:
    return PydanticCustomError("run_file", "{problem}", {"problem": text, "key": key})
