"""The summary of a run: right numbers with errors, from whole runs and from broken ones."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from lamplighter.errors import RunFolderError
from lamplighter.report import format_summary, run_report

from .conftest import NATOMS, RunMaker, stage, thermo_lines


def test_means_have_the_right_values_units_and_errors(make_run: RunMaker) -> None:
    n = 400
    ramp = np.where(np.arange(n) < n // 2, 300.0, 500.0)
    folder = make_run(thermo_lines(0, 0, n, 10, 0.5, temperature=ramp), [stage(0, "npt", 3990)])
    (summary,) = run_report(folder)["stages"]
    means = summary["means"]
    for name, truth, noise, unit in [
        ("temperature", 500.0, 10.0, "K"),
        ("pressure", 1.0, 500.0, "bar"),
        ("density", 0.92, 0.01, "g/cm³"),
        ("potential_energy", -6400.0 / NATOMS, 0.5 / NATOMS, "eV/atom"),
    ]:
        expected_error = noise / math.sqrt(200)
        assert means[name]["unit"] == unit
        assert means[name]["standard_error"] == pytest.approx(expected_error, rel=0.4)
        assert abs(means[name]["value"] - truth) < 4 * expected_error
        assert 195 <= means[name]["n_samples"] <= 205
    assert summary["averaged_over"] == "first half (0.9975 ps of 1.995 ps) discarded"


def test_of_a_run_longer_than_100_ps_the_first_100_ps_are_discarded(make_run: RunMaker) -> None:
    n = 500  # 1 ps between rows
    temperature = np.where(np.arange(n) < 100, 300.0, 500.0)
    folder = make_run(thermo_lines(0, 0, n, 2000, 0.5, temperature=temperature), [stage(0, "nvt", 998000)])
    (summary,) = run_report(folder)["stages"]
    assert summary["averaged_over"] == "first 100 ps of 499 ps discarded"
    assert summary["means"]["temperature"]["value"] == pytest.approx(500.0, abs=4)
    assert summary["means"]["temperature"]["n_samples"] == 400


def test_speeds_follow_from_steps_timestep_and_wall_time(make_run: RunMaker) -> None:
    folder = make_run(thermo_lines(0, 5000, 101, 10, 0.5), [stage(0, "nvt", 1000, wall_s=50.0)])
    summary = run_report(folder)
    (first,) = summary["stages"]
    assert first["steps_per_s"] == pytest.approx(20.0)
    assert first["ns_per_day"] == pytest.approx(20.0 * 0.5e-6 * 86400)
    assert first["length_ps"] == pytest.approx(0.5)
    assert summary["wall_s"] == 50.0


def test_the_drift_of_an_nve_stage_is_found_in_mev_per_atom_and_ns(make_run: RunMaker) -> None:
    n = 1000
    time_ns = np.arange(n) * 10 * 0.5e-6
    total = -6360.0 + 30.0 * NATOMS * 1e-3 * time_ns  # 30 meV/atom/ns
    lines = thermo_lines(0, 0, n, 10, 0.5, total=total) + thermo_lines(1, 9990, n, 10, 0.5)
    nve, nvt = run_report(make_run(lines, [stage(0, "nve", 9990), stage(1, "nvt", 9990)]))["stages"]
    drift = nve["drift"]
    assert drift["unit"] == "meV/atom/ns"
    white_error = 0.05 * 1000 / NATOMS / math.sqrt(n) / np.std(time_ns)
    assert drift["standard_error"] == pytest.approx(white_error, rel=0.4)
    assert abs(drift["value"] - 30.0) < 4 * white_error
    assert nvt["drift"] is None


def test_a_minimisation_has_energies_before_and_after_and_no_means(make_run: RunMaker) -> None:
    lines = thermo_lines(0, 0, 20, 5, 0.0, potential=np.linspace(-6300, -6400, 20))
    folder = make_run(lines, [stage(0, "minimise", 0, timestep_fs=None)])
    (summary,) = run_report(folder)["stages"]
    assert summary["energy_before_eV_per_atom"] == pytest.approx(-6300 / NATOMS, abs=0.01)
    assert summary["energy_after_eV_per_atom"] == pytest.approx(-6400 / NATOMS, abs=0.01)
    assert "means" not in summary
    assert "eV/atom" in format_summary(run_report(folder))


def test_an_exploded_run_is_summarised_with_what_was_left_out(make_run: RunMaker) -> None:
    lines = [*thermo_lines(0, 0, 200, 10, 0.5), "0,2000,1.0," + ",".join(["nan"] * 19), "0,2010,1.005,inf,nan"]
    folder = make_run(lines, [stage(0, "npt", 4000)], status="failed", error="lost atoms", failed_stage=0)
    summary = run_report(folder)
    (first,) = summary["stages"]
    assert (summary["status"], summary["error"], summary["failed_stage"]) == ("failed", "lost atoms", 0)
    assert first["means"]["temperature"]["value"] == pytest.approx(500.0, abs=5)
    assert "temperature: 1 rows that are not finite were left out of the mean" in first["notes"]
    assert any("failed in this stage" in note for note in first["notes"])
    assert any("no rows of numbers: 1" in note for note in summary["notes"])
    assert "Failed in stage 0: lost atoms" in format_summary(summary)
    assert json.loads((folder / "summary.json").read_text()) == summary


def test_a_stage_without_rows_and_a_short_one_say_so(make_run: RunMaker) -> None:
    folder = make_run(thermo_lines(0, 0, 4, 10, 0.5), [stage(0, "nvt", 30), stage(1, "npt", 100, wall_s=None)])
    summary = run_report(folder)
    short, absent = summary["stages"]
    assert short["means"]["temperature"]["standard_error"] is None
    assert "only 2 samples" in short["means"]["temperature"]["note"]
    assert absent["notes"] == ["no rows in thermo.csv"]
    assert absent["means"]["density"]["value"] is None
    text = format_summary(summary)
    assert "no error bar" in text
    assert "density           not available (no samples)" in text


def test_the_density_of_a_fixed_volume_is_called_constant(make_run: RunMaker) -> None:
    lines = [",".join(["0.92" if i == 5 else field for i, field in enumerate(line.split(","))])
             for line in thermo_lines(0, 0, 100, 10, 0.5)]  # fmt: skip
    text = format_summary(run_report(make_run(lines, [stage(0, "nvt", 990)])))
    assert "density           0.92 g/cm³ (constant)" in text


def test_without_status_the_thermo_table_alone_is_summarised(make_run: RunMaker) -> None:
    folder = make_run(thermo_lines(0, 0, 100, 10, 0.5) + thermo_lines(2, 990, 100, 10, 0.5), [])
    (folder / "status.json").write_text("{broken")
    (folder / "provenance.json").unlink()
    summary = run_report(folder)
    assert summary["status"] == "unknown"
    assert [s["index"] for s in summary["stages"]] == [0, 2]
    assert summary["stages"][1]["length_ps"] == pytest.approx(99 * 10 * 0.5e-3)
    assert summary["stages"][0]["ns_per_day"] is None
    assert "potential_energy" not in summary["stages"][0]["means"]
    assert any(note.startswith("status.json cannot be read") for note in summary["notes"])
    assert "provenance.json is missing" in summary["notes"]


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="holds no run"):
        run_report(tmp_path)
    with pytest.raises(RunFolderError, match="does not exist"):
        run_report(tmp_path / "nowhere")


def test_a_run_that_failed_before_its_first_step_is_summarised(make_run: RunMaker) -> None:
    folder = make_run([], [stage(0, "nvt", 10, wall_s=None)], status="failed", error="no model", failed_stage=0)
    summary = run_report(folder)
    assert summary["figure"] is None
    assert not (folder / "thermo.png").exists()
    assert "Failed in stage 0: no model" in format_summary(summary)


def test_numbers_are_rounded_to_two_digits_of_their_error(make_run: RunMaker) -> None:
    from lamplighter.report.text import format_with_error

    assert format_with_error(0.923147, 0.00418, "g/cm³") == "0.9231 ± 0.0042 g/cm³"
    assert format_with_error(-38214.0, 1234.0, "bar") == "-38200 ± 1200 bar"
    assert format_with_error(500.123, 9.6, "K") == "500.1 ± 9.6 K"
    assert format_with_error(500.123, None, "K") == "500.12 K (no error bar)"
    assert format_with_error(None, None, "K") == "not available"
