"""`lamplighter report`: the page says what the runs and the other commands say, and why something is missing."""

from __future__ import annotations

import base64
import csv
import json
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import ase.io
import matplotlib
import numpy as np
import pytest

from lamplighter.errors import LamplighterError, RunFolderError
from lamplighter.json_text import json_text
from lamplighter.observables.density import density_of_run
from lamplighter.observables.quality import StoredReference
from lamplighter.report.page import sections
from lamplighter.report.page.assemble import Report, assemble, labels
from lamplighter.report.page.content import Content, Missing, Number, Picture, View
from lamplighter.report.page.files import as_json, write_files
from lamplighter.report.page.html import page
from lamplighter.report.page.section import ReportedRun, Section, Wishes
from lamplighter.report.page.sections import SECTIONS
from lamplighter.report.page.structure_view import ShownFrame, structure_view
from lamplighter.run_folder.run import Run
from lamplighter.structures.frame_of_atoms import frame_of_atoms

from .conftest import RunMaker, stage, thermo_lines

DOCS = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def reports(real_runs: dict[str, Path]) -> dict[str, Report]:
    made = {name: assemble([folder], SECTIONS, Wishes()) for name, folder in real_runs.items()}
    made["all"] = assemble(list(real_runs.values()), SECTIONS, Wishes())
    return made


def numbers(report: Report) -> dict[str, Number]:
    """Of a single run, those of its set included."""
    together = [each for _, content in report.together for each in content.numbers]
    return {each.name: each for each in [*report.runs[0].numbers, *together]}


def view_of(report: Report, name: str) -> dict[str, Any]:
    blocks = [block for _, content in report.runs[0].sections for block in content.blocks]
    return next(block.data for block in blocks if isinstance(block, View) and block.name == name)


def positions_of(data: dict[str, Any], frame: int) -> np.ndarray:
    packed = np.frombuffer(base64.b64decode(data["frames"][frame]["positions"]), dtype="<i2")
    return packed.reshape(-1, 3) * data["scale"]


def test_a_report_reads_each_file_of_a_run_once(make_run: RunMaker) -> None:
    folder = make_run(thermo_lines(0, 0, 400, 10, 0.5), [stage(0, "npt", 3990)])
    (folder / "run.yaml").write_text("stages: [{type: npt, temperature: 500 K, pressure: 1 bar}]")
    (folder / "events.jsonl").write_text("")
    opened: list[str] = []
    listening = True

    def hook(event: str, arguments: tuple[Any, ...]) -> None:  # stays until the process ends
        if listening and event == "open" and str(arguments[0]).startswith(str(folder)):
            opened.append(Path(str(arguments[0])).name)

    sys.addaudithook(hook)
    assemble([folder], SECTIONS, Wishes())
    listening = False
    names = ("thermo.csv", "status.json", "provenance.json", "events.jsonl", "run.yaml")
    assert {name: opened.count(name) for name in names} == dict.fromkeys(names, 1)


def test_structure_says_that_molecules_hold_and_how_long_bonds_are(reports: dict[str, Report]) -> None:
    found = next(iter(reports.values()))
    made = numbers(found)
    assert made["frames with other molecules than the first"].value == 0.0
    assert made["length of C–H bonds"].value == pytest.approx(1.1, abs=0.03)
    content = next(content for section, content in found.runs[0].sections if section.key == "structure")
    pictures = {block.name for block in content.blocks if isinstance(block, Picture)}
    assert {"rdf", "neighbours", "bond_lengths"} <= pictures
    other = next(content for section, content in found.runs[0].sections if section.key == "equation_of_state")
    assert not other.blocks  # no series of pressures or temperatures


def test_a_run_that_held_says_so_with_its_numbers(reports: dict[str, Report], real_runs: dict[str, Path]) -> None:
    report = reports["held"]
    verdict = report.runs[0].verdict
    assert (verdict.state, report.faults) == ("held", [])
    assert verdict.sentence == "Held for 0.2 ps of 0.2 ps: no bond broke and the density stayed within its bounds."
    found = numbers(report)
    assert (found["t_stab"].value, found["t_stab"].bound, found["t_stab"].text) == (0.2, "≥", "≥ 0.2 ps")
    density = density_of_run(Run(real_runs["held"]))
    assert found["density"].value == density.mean.value
    summary = json.loads((real_runs["held"] / "summary.json").read_text())
    mean = summary["stages"][-1]["means"]["temperature"]
    assert found["temperature"].value == mean["value"]
    system = json.loads(json_text(as_json(report)))["runs"][0]["sections"]["system"]
    assert system == {"formula": "C44H80O36", "molecules": {"C3H4O3": 4, "C4H8O3": 8}}


def test_what_cannot_be_had_is_there_with_its_reason(reports: dict[str, Report]) -> None:
    found = numbers(reports["held"])
    assert found["diffusivity"].value is None
    assert "of 0.1 ps, 0.05 ps were discarded; 0.05 ps are too short" in found["diffusivity"].note
    assert found["largest force variance"].note == "the run had no committee (committee: in its run file)"
    assert found["Q"].note.startswith("no reference was given")
    text = page(reports["held"], "held")
    for name in ("diffusivity", "largest force variance", "Q"):
        assert re.search(rf'class="absent">\s*<th scope="row"><a href="#def-\w+">{name}</a>', text)


def test_a_failure_is_told_with_step_bond_and_committee(reports: dict[str, Report], real_runs: dict[str, Path]) -> None:
    event = json.loads((real_runs["failed"] / "events.jsonl").read_text().splitlines()[0])
    report = reports["failed"]
    verdict = report.runs[0].verdict
    assert verdict.state == "failed"
    assert f"Failed at step {event['step']}, {event['step'] * 5e-4:.5g} ps of 0.2 ps: the bond " in verdict.sentence
    for atom, element in zip(event["atoms"][:2], event["elements"], strict=False):
        assert f"{element} {atom}" in verdict.sentence
    found = numbers(report)
    assert (found["t_stab"].bound, found["t_stab"].value) == ("", pytest.approx(event["step"] * 5e-4))
    with (real_runs["failed"] / "committee.csv").open() as file:
        variances = [float(row["variance_max_eV2_A2"]) for row in csv.DictReader(file)]
    assert found["largest force variance"].value == pytest.approx(max(variances))
    assert found["median of the largest force variance"].value == pytest.approx(np.median(variances))


def test_the_view_shows_the_failing_frames_as_they_are(reports: dict[str, Report], real_runs: dict[str, Path]) -> None:
    """Distances within molecules are those that ASE finds through the periodic box; marked atoms are the event's."""
    event = json.loads((real_runs["failed"] / "events.jsonl").read_text().splitlines()[0])
    frames = ase.io.read(real_runs["failed"] / "failure.xyz", ":")
    data = view_of(reports["failed"], "failure")
    failing = [k for k, frame in enumerate(data["frames"]) if frame["failure"]]
    assert failing == [data["first"]] == [len(data["frames"]) - 1]
    assert len(data["frames"]) == len(frames)
    assert [data["ids"][place] for place in data["marked"]] == sorted(event["atoms"])
    bonds = np.array(data["bonds"]).reshape(-1, 2)
    assert len(bonds) == 4 * 10 + 8 * 14  # EC has a ring
    for k, atoms in enumerate(frames):
        order = np.argsort(atoms.arrays["id"])
        positions = positions_of(data, k)
        seen = np.linalg.norm(positions[bonds[:, 0]] - positions[bonds[:, 1]], axis=1)
        true = [atoms.get_distance(order[i], order[j], mic=True) for i, j in bonds]
        np.testing.assert_allclose(seen, true, atol=0.01)
    deviations = [np.sqrt(a.arrays["committee_variance"][np.argsort(a.arrays["id"])]) for a in frames]
    (tinted,) = data["tinted"]
    assert tinted == {"words": "the committee's deviation, eV/Å", "most": f"{np.max(deviations):.3g}"}
    for of_frame, deviation in zip(data["frames"], deviations, strict=True):
        tints = np.frombuffer(base64.b64decode(of_frame["tint"][0]), dtype=np.uint8)
        shares = deviation / np.max(deviations) * len(data["tints"])
        np.testing.assert_array_equal(tints, np.minimum(shares, len(data["tints"]) - 1).astype(int))
    (i, j), *_ = data["long"]
    last = positions_of(data, data["first"])
    stretch = np.linalg.norm(last[i] - last[j]) - event["reference_length"]
    assert stretch == pytest.approx(event["value"], abs=0.01)


def test_molecules_that_cross_the_boundary_are_shown_whole() -> None:
    atoms = ase.Atoms("OH2", positions=[[0.1, 5, 5], [9.9, 5.9, 5], [0.3, 4.1, 5]], cell=[10, 10, 10], pbc=True)
    moved = atoms.copy()
    moved.positions += [9.5, 0.0, 0.0]
    moved.wrap()
    pairs = np.array([[0, 1], [0, 2]])
    shown = [ShownFrame(frame_of_atoms(each, 0), "") for each in (atoms, moved)]
    data = structure_view(shown, pairs, marked=[0])
    for k in (0, 1):
        water = positions_of(data, k)
        assert np.linalg.norm(water[1:] - water[0], axis=1) == pytest.approx([np.hypot(0.2, 0.9)] * 2, abs=1e-3)
    np.testing.assert_allclose(positions_of(data, 0)[0], 0.0, atol=1e-3)  # the marked atom is in the middle


def test_several_runs_have_mean_and_spread(reports: dict[str, Report], real_runs: dict[str, Path]) -> None:
    comparison = reports["all"].comparison
    assert comparison is not None
    assert comparison.refused == ""
    assert [name for name, _ in comparison.differences] == ["models", "seed"]
    values = [each["temperature"].value for each in comparison.numbers]
    spread = comparison.spreads["temperature"]
    assert spread.mean.value == pytest.approx(np.mean(values))
    assert spread.spread == pytest.approx(np.std(values, ddof=1))
    assert spread.mean.standard_error == pytest.approx(np.std(values, ddof=1) / np.sqrt(3))
    assert "t_stab" not in comparison.spreads  # one alone is no bound
    together = numbers(replace(reports["all"], runs=reports["failed"].runs))
    assert together["mean t_stab"].bound == "≥"
    chance = together["probability of being stable at 1000 ps"]
    assert (chance.bound, "no run is known to 1000 ps" in chance.caution) == ("≤", True)
    assert together["mean t_stab"].value == pytest.approx((0.4 + numbers(reports["failed"])["t_stab"].value) / 3)


def test_runs_of_different_systems_are_reported_without_means(
    reports: dict[str, Report], real_runs: dict[str, Path], make_run: RunMaker
) -> None:
    other = make_run(thermo_lines(0, 0, 50, 10, 0.5), [stage(0, "npt", 500)], guard=held(0.25))
    report = assemble([real_runs["held"], other], SECTIONS, Wishes())
    assert report.comparison is not None
    assert "different systems" in report.comparison.refused
    assert "held: C44H80O36; run: 640 atoms" in report.comparison.refused
    assert (report.comparison.spreads, report.together) == ({}, [])
    assert [part.verdict.state for part in report.runs] == ["held", "held"]
    assert "No means over the runs" in page(report, "two")


def held(time_ps: float) -> dict[str, Any]:
    return {"criteria": ["bond stretch 0.5", "density 0.2 2"], "criterion": None, "step": 0, "time_ps": time_ps}


def test_runs_at_different_temperatures_have_no_mean(make_run: RunMaker) -> None:
    made = [
        make_run(
            thermo_lines(0, 0, 50, 10, 0.5, temperature=t), [stage(0, "npt", 500)], name=f"at_{t}", guard=held(0.25)
        )
        for t in (300.0, 500.0)
    ]
    report = assemble(made, SECTIONS, Wishes())
    assert report.comparison is not None
    assert "different temperatures" in report.comparison.refused


@pytest.mark.parametrize(
    ("status", "state", "words"),
    [
        ({"status": "running"}, "running", "Still running, or killed: 0.25 ps of 0.25 ps so far"),
        ({"status": "failed", "error": "SIGTERM ended it\nx", "failed_stage": 0}, "broken off", "SIGTERM ended it"),
        ({"status": "failed", "error": "LAMMPS: Lost atoms: 3"}, "failed", "lost (LAMMPS: Lost atoms: 3)"),
        ({"status": "stopped", "guard": {**held(0.2), "criterion": "variance"}}, "ended", "models disagreed"),
        ({"status": "stopped", "guard": {**held(0.2), "criterion": "density"}}, "failed", "density"),
        ({"guard": None}, "not known", "its stability is not known (run with guard: stability)"),
    ],
)  # fmt: skip
def test_verdicts(make_run: RunMaker, status: dict[str, Any], state: str, words: str) -> None:
    status = {"guard": held(0.25), **status}
    folder = make_run(thermo_lines(0, 0, 51, 10, 0.5), [stage(0, "npt", 500)], **status)
    report = assemble([folder], SECTIONS, Wishes())
    verdict = report.runs[0].verdict
    assert verdict.state == state
    assert words in verdict.sentence
    assert report.faults == []
    assert "density" in numbers(report)  # what there is, is there
    assert words.replace("'", "&#39;") in page(report, "x")


def test_a_run_that_never_started_is_reported_with_its_cause(make_run: RunMaker) -> None:
    folder = make_run([], [stage(0, "npt", 500)], status="failed", error="no such model: a.model", guard=held(0.0))
    (folder / "thermo.csv").unlink()
    (folder / "provenance.json").unlink()
    report = assemble([folder], SECTIONS, Wishes())
    assert "no such model: a.model" in report.runs[0].verdict.sentence
    found = numbers(report)
    assert all(found[name].value is None and found[name].note for name in ("density", "temperature", "diffusivity"))
    assert "no such model: a.model" in page(report, "x")


def test_every_section_says_what_it_lacks(make_run: RunMaker) -> None:
    """A folder with nothing but a status: each promised number is there with a reason.

    Viscosity and a model's own uncertainty are wishes of the run file, and conductivity one of runs with ions: else
    they have no section.
    """
    folder = make_run([], [], guard=None)
    (folder / "thermo.csv").unlink()
    report = assemble([folder], SECTIONS, Wishes())
    found = numbers(report)
    promised = [name for section in SECTIONS for name, _ in section.promises]
    assert {name for name in promised if name not in found} == {"viscosity", "conductivity", "largest γ"}
    promised = [name for name in promised if name in found]
    assert [name for name in promised if found[name].value is not None or not found[name].note] == []
    assert report.faults == []


def test_folders_without_a_run_are_refused(tmp_path: Path, make_run: RunMaker) -> None:
    with pytest.raises(RunFolderError, match=r"run folder .*none does not exist"):
        assemble([tmp_path / "none"], SECTIONS, Wishes())
    with pytest.raises(RunFolderError, match="holds no run"):
        assemble([tmp_path], SECTIONS, Wishes())
    folder = make_run([], [stage(0, "npt", 500)])
    with pytest.raises(LamplighterError, match="given twice"):
        assemble([folder, folder.parent / "." / folder.name], SECTIONS, Wishes())


def test_a_fault_in_a_section_leaves_the_rest_and_its_traceback(
    make_run: RunMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(run: ReportedRun) -> Content:
        raise ZeroDivisionError("a bug")

    wrong = Section("wrong", "Wrong", "results", broken, promises=[("wrongness", "density")])
    folder = make_run(thermo_lines(0, 0, 50, 10, 0.5), [stage(0, "npt", 500)], guard=held(0.25))
    report = assemble([folder], (wrong, *SECTIONS), Wishes())
    assert report.faults == ["Wrong of run: ZeroDivisionError: a bug"]
    error = capsys.readouterr().err
    assert "Traceback" in error
    assert 'raise ZeroDivisionError("a bug")' in error
    found = numbers(report)
    assert "a fault in Lamplighter (ZeroDivisionError: a bug)" in found["wrongness"].note
    assert found["temperature"].value is not None
    assert "missing by a fault in Lamplighter" in page(report, "x")


def test_runs_of_one_name_are_told_apart(tmp_path: Path) -> None:
    folders = [tmp_path / "a" / "run", tmp_path / "b" / "run"]
    assert labels(folders) == ["a/run", "b/run"]
    assert labels(folders[:1]) == ["run"]


class _References(HTMLParser):
    """Everything in a page that a browser would fetch, the targets of links, and scripts in attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.handlers: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            elif name.startswith("on"):
                self.handlers.append(name)
            elif tag == "a" and name == "href":
                self.links.append(value or "")
            elif name in ("src", "href", "srcset", "data", "action", "poster", "xlink:href"):
                self.fetched.append(value or "")


@pytest.mark.parametrize("name", ["held", "failed", "all"])
def test_the_page_fetches_nothing_and_its_links_lead_somewhere(reports: dict[str, Report], name: str) -> None:
    text = page(reports[name], name)
    assert len(text) < 2_000_000
    found = _References()
    found.feed(text)
    assert {each for each in found.fetched if not each.startswith("#")} == {"data:,"}
    assert found.handlers == []
    assert len(found.ids) == len(set(found.ids))
    assert [link for link in found.links if link.removeprefix("#") not in found.ids] == []
    references = re.findall(r"url\(([^)]*)\)", text)
    assert all(each.startswith("#") for each in references)
    assert "default-src 'none'" in text


def test_figures_do_not_look_as_others_set_matplotlib(make_run: RunMaker) -> None:
    """Importing MACE sets the font size of the whole process to 8."""
    folder = make_run(thermo_lines(0, 0, 50, 10, 0.5), [stage(0, "npt", 500)], guard=held(0.25))
    plain = page(assemble([folder], SECTIONS, Wishes()), "x")
    with matplotlib.rc_context({"font.size": 4.0, "axes.titlesize": 30.0}):
        assert page(assemble([folder], SECTIONS, Wishes()), "x") == plain
        assert matplotlib.rcParams["font.size"] == 4.0  # and theirs are left alone


def test_every_number_has_a_definition_and_its_page_exists(reports: dict[str, Report]) -> None:
    defined = {each.key: each for section in SECTIONS for each in section.definitions}
    for report in reports.values():
        used = {each.definition for part in report.runs for each in part.numbers}
        used |= {each.definition for _, content in report.together for each in content.numbers}
        assert used <= set(defined)
    for each in defined.values():
        assert (DOCS / each.page).is_file(), each.page
        assert each.formula
        assert each.source


def test_names_cannot_put_anything_into_the_page(make_run: RunMaker) -> None:
    evil = "<img src=x onerror=alert(1)>"
    folder = make_run(
        thermo_lines(0, 0, 50, 10, 0.5),
        [stage(0, "npt", 500) | {"name": evil}],
        name="$a_{1}$ & " + evil,
        status="failed",
        error="</script><script>alert(2)</script>",
        guard=held(0.25),
    )
    found = _References()
    text = page(assemble([folder], SECTIONS, Wishes()), evil)
    found.feed(text)
    assert found.handlers == []
    assert {each for each in found.fetched if not each.startswith("#")} == {"data:,"}
    assert "<script>alert" not in text


def test_files_hold_the_same_numbers(reports: dict[str, Report], tmp_path: Path) -> None:
    report = reports["failed"]
    written = write_files(report, tmp_path / "files")
    assert {path.name for path in written} == {path.name for path in (tmp_path / "files").iterdir()}
    with (tmp_path / "files" / "numbers.csv").open(encoding="utf-8") as file:
        rows = {row["quantity"]: row for row in csv.DictReader(file)}
    for name, each in numbers(report).items():
        assert rows[name]["value"] == ("" if each.value is None else str(each.value))
        assert rows[name]["note"] == each.note
    for suffix, magic in ((".png", b"\x89PNG"), (".pdf", b"%PDF")):
        drawn = [path for path in written if path.suffix == suffix]
        assert {path.stem for path in drawn} >= {"thermo_temperature_K", "committee_variance"}
        assert all(path.read_bytes().startswith(magic) for path in drawn)
    with pytest.raises(LamplighterError, match=r"--files .*cannot be written"):
        write_files(report, tmp_path / "files" / "numbers.csv")


def test_q_is_that_of_the_command_and_needs_a_reference(make_run: RunMaker) -> None:
    lines = thermo_lines(0, 0, 2001, 10, 0.5)
    lines = [line.replace(",9000,", f",{9000 * 0.92 / float(line.split(',')[5]):.3f},") for line in lines]
    made = make_run(lines, [stage(0, "npt", 20000)], guard=held(10.0))
    stored = StoredReference((0.92, 0.01), None, 0.0)
    wishes = Wishes(stored=stored)
    wishes = replace(wishes, observables=replace(wishes.observables, horizon_ps=10.0))
    found = numbers(assemble([made], SECTIONS, wishes))
    from lamplighter.observables.quality import quality_of_runs

    q = quality_of_runs([Run(made)], [], stored, wishes.observables)
    assert found["Q"].value == q.quality.value
    assert found["Q: density"].value == q.quality.density.value > 0.9


@pytest.mark.thorough
def test_the_command_writes_page_files_and_json(
    lamplighter: Callable[..., Any], real_runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "mine"
    shutil.copytree(real_runs["held"], run)
    code, out, err = lamplighter("report", "mine")
    assert (code, err) == (0, "")
    assert "mine: Held for 0.2 ps of 0.2 ps" in out
    assert "Report: mine/report.html" in out
    assert (run / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    words = ["report", "mine", real_runs["failed"], "--title", "Two liquids", "--files", "files", "--json"]
    code, out, err = lamplighter(*words)
    assert (code, err) == (0, "")
    assert [run["state"] for run in json.loads(out)["runs"]] == ["held", "failed"]
    assert "<h1>Two liquids</h1>" in (tmp_path / "report.html").read_text(encoding="utf-8")
    written = {path.name for path in (tmp_path / "files").iterdir()}
    assert {"numbers.csv", "mine_stages.csv", "failed_events.csv", "survival.png", "causes.pdf"} <= written


def test_the_command_refuses_what_it_cannot_use(
    lamplighter: Callable[..., Any], real_runs: dict[str, Path], tmp_path: Path
) -> None:
    held_run = real_runs["held"]
    for words, message in [
        ([tmp_path / "none"], "none does not exist"),
        ([held_run, "-o", tmp_path / "none" / "r.html"], "cannot be written"),
        ([held_run, "--noise", "-1"], "--noise must not be negative, got -1"),
        ([held_run, "--reference", "none*"], "--reference none*: there is no such run folder"),
        ([held_run, "--discard", "5 K", "-o", tmp_path / "r.html"], "--discard"),
    ]:
        code, out, err = lamplighter("report", *words)
        assert (code, out) == (1, "")
        assert message in err
        assert "Traceback" not in err


def test_a_fault_makes_the_command_fail_but_not_the_page(
    lamplighter: Callable[..., Any], real_runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(run: ReportedRun) -> Content:
        raise KeyError("lost")

    monkeypatch.setattr(sections, "SECTIONS", (Section("wrong", "Wrong", "results", broken), *SECTIONS))
    code, out, err = lamplighter("report", real_runs["held"], "-o", tmp_path / "r.html")
    assert code == 1
    assert "Traceback" in err
    assert "parts of the report are missing: Wrong of held: KeyError" in err
    assert "Held for 0.2 ps" in out
    assert "Held for 0.2 ps" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_frames_that_are_missing_have_a_reason(real_runs: dict[str, Path], tmp_path: Path) -> None:
    run = tmp_path / "failed"
    shutil.copytree(real_runs["failed"], run)
    (run / "failure.xyz").unlink()
    report = assemble([run], SECTIONS, Wishes())
    blocks = [block for _, content in report.runs[0].sections for block in content.blocks]
    assert Missing("The failing frames", "failure.xyz is missing") in blocks
