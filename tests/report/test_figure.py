"""The figure shows what the thermo table says, for whole runs, exploded runs and single rows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from lamplighter.observables.lifetime import RunLifetime
from lamplighter.observables.stability import stability_of_lifetimes
from lamplighter.report import figure as figure_module
from lamplighter.report import run_report
from lamplighter.report.figure import running_mean
from lamplighter.report.stability_text import stability_figure

from .conftest import RunMaker, stage, thermo_lines


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list:
    """The axes of each figure as it was when it was written."""
    figures: list = []
    save = figure_module.Figure.savefig

    def keep(self, *args, **options) -> None:
        figures.append(self.axes)
        save(self, *args, **options)

    monkeypatch.setattr(figure_module.Figure, "savefig", keep)
    return figures


def test_four_panels_with_units_and_the_stage_boundary_at_its_time(make_run: RunMaker, drawn: list) -> None:
    lines = thermo_lines(0, 0, 10, 5, 0.0) + thermo_lines(1, 0, 101, 10, 0.5) + thermo_lines(2, 1000, 201, 10, 0.5)
    stages = [stage(0, "minimise", 0, timestep_fs=None), stage(1, "nvt", 1000), stage(2, "npt", 2000)]
    folder = make_run(lines, stages)
    run_report(folder)
    (axes,) = drawn
    assert [axis.get_ylabel() for axis in axes] == [
        "T / K",
        "p / bar",
        "ρ / (g/cm³)",
        "E$_\\mathrm{pot}$ / (eV/atom)",
    ]
    assert axes[-1].get_xlabel() == "time / ps"
    time = np.concatenate([line.get_xdata() for line in axes[0].lines if len(line.get_xdata()) > 2])
    assert time.min() == 0.0
    assert time.max() == pytest.approx(1.5)
    for axis in axes:
        boundaries = [line for line in axis.lines if len(line.get_xdata()) == 2]
        assert [line.get_xdata()[0] for line in boundaries] == [pytest.approx(0.5)]
    assert [text.get_text() for text in axes[0].texts] == ["nvt 1", "npt 2"]
    energies = axes[3].lines[0].get_ydata()
    assert energies.mean() == pytest.approx(-10.0, abs=0.01)
    picture = matplotlib.image.imread(folder / "thermo.png")
    assert picture.shape[0] > 800
    assert picture.shape[1] > 800
    assert picture.std() > 0.05
    assert not list(folder.glob("*.new"))


def test_the_pressure_has_a_running_mean_over_its_noise(make_run: RunMaker, drawn: list) -> None:
    run_report(make_run(thermo_lines(0, 0, 400, 10, 0.5), [stage(0, "nvt", 3990)]))
    noise, mean = (line.get_ydata() for line in drawn[0][1].lines[:2])
    assert mean.std() < 0.4 * noise.std()
    assert [text.get_text() for text in drawn[0][1].get_legend().get_texts()] == ["instantaneous", "mean over 0.1 ps"]


def test_an_explosion_leaves_the_rest_of_the_panel_readable(make_run: RunMaker, drawn: list) -> None:
    pressure = np.full(400, 1.0)
    pressure[-3:] = [1e5, 1e9, np.nan]
    temperature = np.full(400, 500.0)
    temperature[-1] = np.inf
    lines = thermo_lines(0, 0, 400, 10, 0.5, pressure=pressure, temperature=temperature)
    folder = make_run(lines, [stage(0, "nvt", 4000)], status="failed")
    run_report(folder)
    low, high = drawn[0][1].get_ylim()
    assert -1e5 < low < high < 1e5
    assert (folder / "thermo.png").stat().st_size > 10000


@pytest.mark.parametrize("n", [1, 2, 3])
def test_very_short_runs_can_be_drawn(make_run: RunMaker, n: int) -> None:
    folder = make_run(thermo_lines(0, 0, n, 10, 0.5), [stage(0, "nvt", 10)])
    assert run_report(folder)["figure"] == "thermo.png"


def test_a_table_of_nan_alone_can_be_drawn(make_run: RunMaker) -> None:
    folder = make_run(["0,0,0.0," + ",".join(["nan"] * 19)] * 5, [stage(0, "nvt", 10)])
    assert run_report(folder)["figure"] == "thermo.png"


def test_no_display_is_needed_and_pyplot_is_left_alone(make_run: RunMaker) -> None:
    folder = make_run(thermo_lines(0, 0, 20, 10, 0.5), [stage(0, "nvt", 190)])
    program = (
        "import sys, pathlib; from lamplighter.report import run_report; "
        f"run_report(pathlib.Path({str(folder)!r})); assert 'matplotlib.pyplot' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], env=_without_display(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (folder / "thermo.png").exists()


def _without_display() -> dict[str, str]:
    import os

    return {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "MPLBACKEND", "WAYLAND_DISPLAY")}


def test_the_running_mean_counts_finite_values_only() -> None:
    values = np.array([1.0, np.nan, 3.0, 5.0, np.inf, 7.0])
    np.testing.assert_allclose(running_mean(values, 3), [1.0, 2.0, 4.0, 4.0, 6.0, 7.0])
    assert np.isnan(running_mean(np.full(3, np.nan), 3)).all()


def test_paths_of_any_folder_work(make_run: RunMaker) -> None:
    folder = make_run(thermo_lines(0, 0, 20, 10, 0.5), [stage(0, "nvt", 190)], name="500 K $x$_100%")
    run_report(Path(folder))
    assert (folder / "thermo.png").exists()


@pytest.mark.filterwarnings("error")
def test_runs_that_end_where_they_begin_have_an_axis_of_time() -> None:
    """Stopped for the models at their first step, as runs of young committees are."""
    runs = [RunLifetime(Path(name), 0.0, False, None, "guard", ["variance > 0.2"], {}, []) for name in "ab"]
    survival = stability_figure(stability_of_lifetimes(runs)).axes[0]
    assert survival.get_xlim() == (0.0, 1.0)
