"""How the density depends on pressure and temperature: what the commands of the same names print."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lamplighter.api.answer import Answer, in_words_of_python
from lamplighter.api.campaign_groups import over_campaigns
from lamplighter.api.runs import Runs, runs_of
from lamplighter.api.trajectory_source import Time, discard_option

if TYPE_CHECKING:
    from lamplighter.observables.compression import CompressionOfRuns
    from lamplighter.observables.thermal_expansion import ThermalExpansionOfRuns

StrPath = str | os.PathLike[str]


@in_words_of_python
@over_campaigns(joined="pressure")
def compression(
    runs: Runs, *, discard: Time = "auto", stage: str | int | Sequence[str] | None = None
) -> Answer[CompressionOfRuns]:
    """Isothermal compression: density at each pressure, Tait fit, compressibility with error.

    Args:
        runs: Run folders of one system, with npt stages at constant temperature and pressure.
        discard: What is left out from the beginning of each stage: a time, or `auto`.
        stage: Names or indices of the stages; None: all; of several in a row at one pressure the last is production.

    Returns:
        The points, the fit and κ_T.

    Raises:
        LamplighterError: a run cannot be used, or the stages are at several temperatures or too few pressures.

    Source: docs/how_to/equation_of_state.md.
    """
    from lamplighter.observables.compression import compression_of_runs
    from lamplighter.report.compression_text import SHOWN

    return Answer(compression_of_runs(runs_of(runs), discard_option(discard), _names(stage)), SHOWN)


@in_words_of_python
@over_campaigns(joined="temperature")
def expansion(
    runs: Runs, *, discard: Time = "auto", stage: str | int | Sequence[str] | None = None
) -> Answer[ThermalExpansionOfRuns]:
    """Thermal expansion: density at each temperature, slope of the line, α_V with error.

    Args:
        runs: Run folders of one system, with npt stages at constant temperature and pressure.
        discard: What is left out from the beginning of each stage: a time, or `auto`.
        stage: Names or indices of the stages; None: all; of several in a row at one temperature the last is production.

    Returns:
        The points, the line and α_V.

    Raises:
        LamplighterError: a run cannot be used, or the stages are at several pressures or too few temperatures.

    Source: docs/how_to/equation_of_state.md.
    """
    from lamplighter.observables.thermal_expansion import thermal_expansion_of_runs
    from lamplighter.report.thermal_expansion_text import SHOWN

    return Answer(thermal_expansion_of_runs(runs_of(runs), discard_option(discard), _names(stage)), SHOWN)


def _names(stage: str | int | Sequence[str] | None) -> Sequence[str]:
    if stage is None:
        return ()
    return [str(stage)] if isinstance(stage, str | int) else [str(each) for each in stage]
