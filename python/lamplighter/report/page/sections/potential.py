"""Which potential: its kind, settings, model files with their hashes, the committee."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from lamplighter.frameworks import FRAMEWORKS
from lamplighter.report.page.content import Block, Content, Facts, Missing, Table
from lamplighter.report.page.section import ReportedRun, Section
from lamplighter.report.page.sections.conditions import describe

_FILES = ("models", "file", "files")


def make(run: ReportedRun) -> Content:
    """The `potential` and `committee` sections of the run file, and hashes from `provenance.json`."""
    asked = run.asked("potential")
    kind = str(asked.get("kind") or "not recorded")
    package = next(iter(FRAMEWORKS[kind].packages.values()), "") if kind in FRAMEWORKS else ""
    version = (run.provenance.get("versions") or {}).get(package)
    facts = [("Framework", f"{kind} ({package} {version})" if version else kind)]
    for name, value in asked.items():
        if name not in ("kind", *_FILES) and value not in (None, [], {}, False):
            facts.append((name.replace("_", " ").capitalize(), describe(_named(value))))
    committee = run.asked("committee")
    if committee:
        facts.append(("Committee", describe({name: each for name, each in committee.items() if each is not None})))
    models = run.provenance.get("models") or []
    blocks: list[Block] = [Facts(facts)]
    if models:
        rows = [
            (
                model_name(each),
                _size(each.get("bytes")),
                each.get("precision") or "–",
                str(each.get("sha256") or "–")[:12],
            )
            for each in models
        ]
        caption = "Model files. Whole hashes are in the provenance."
        blocks.append(Table("models", caption, ("file", "size", "ran in", "SHA-256 begins"), rows))
    else:
        blocks.append(Missing("Hashes of model files", "provenance.json names none"))
    return Content(blocks=blocks, data={"kind": kind, "models": [_without_folder(each) for each in models]})


def model_name(model: dict[str, Any]) -> str:
    """A model file without its folder."""
    return PurePath(str(model.get("path") or "?")).name


def _without_folder(model: dict[str, Any]) -> dict[str, Any]:
    return {"file": model_name(model), "bytes": model.get("bytes"), "sha256": model.get("sha256")}


def _named(value: Any) -> Any:
    """Paths by their names."""
    if isinstance(value, list):
        return [_named(each) for each in value]
    return PurePath(value).name if isinstance(value, str) and value.startswith("/") else value


def _size(n_bytes: Any) -> str:
    return f"{n_bytes / 1e3:.0f} kB" if isinstance(n_bytes, int | float) else "–"


SECTION = Section("potential", "Potential", "about", make)
