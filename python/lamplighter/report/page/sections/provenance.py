"""What a run was made with, so that it can be repeated."""

from __future__ import annotations

import json
from pathlib import Path, PurePath

from lamplighter.report.page.content import Block, Content, Facts, Missing, Notes, Table
from lamplighter.report.page.section import ReportedRun, Section
from lamplighter.report.page.sections.potential import model_name
from lamplighter.run_folder.names import RESUMED_PROVENANCE


def make(run: ReportedRun) -> Content:
    """Versions, machine, hashes, command line; of resumptions, when and on how many ranks."""
    found, status = run.provenance, run.status_file
    blocks: list[Block] = []
    if not found:
        blocks.append(Missing("Provenance", "provenance.json is missing or cannot be read"))
    machine = found.get("machine") or {}
    structure = found.get("structure") or {}
    words = [
        PurePath(str(word)).name if place == 0 else str(word)
        for place, word in enumerate(found.get("command_line") or [])
    ]
    facts = [
        ("Run folder", run.folder.resolve().name),
        ("Status", run.status),
        ("Started", str(found.get("started") or "")),
        ("Command", " ".join(words)),
        ("Seed", str(found.get("seed", ""))),
        (
            "Ranks × threads",
            f"{status.ranks} × {status.threads_per_rank or 1}" if status.ranks else "",
        ),
        ("Wall time", "" if run.wall_s is None else f"{run.wall_s:.4g} s"),
        ("Machine", ", ".join(str(machine[key]) for key in ("cpu", "system") if machine.get(key))),
        ("Logical cores", str(machine.get("logical_cores") or "")),
        ("GPUs", ", ".join(machine.get("gpus") or []) or ("none" if machine else "")),
    ]
    blocks.append(Facts([(name, value) for name, value in facts if value]))
    versions = {"lamplighter": found.get("lamplighter"), **(found.get("versions") or {})}
    named = [f"{name} {version}" for name, version in versions.items() if version]
    hashed = [
        (model_name(each), str(each["sha256"]))
        for each in [structure, *(found.get("models") or [])]
        if each.get("sha256")
    ]
    blocks.append(Facts([*([("Versions", ", ".join(named))] if named else []), *hashed]))
    resumed = [_resumption(path) for path in sorted(run.folder.glob(RESUMED_PROVENANCE.format("*")))]
    if resumed:
        blocks.append(Table("resumptions", "The run was resumed.", ("at", "started", "ranks"), resumed))
    if run.notes:
        blocks.append(Notes(run.notes))
    return Content(blocks=blocks, data=found)


def _resumption(path: Path) -> tuple[str, str, str]:
    before, after = RESUMED_PROVENANCE.split("{}")
    step = path.name.removeprefix(before).removesuffix(after)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        content = {}
    return f"step {step}", str(content.get("started", "–")), str(content.get("ranks", "–"))


SECTION = Section("provenance", "Provenance", "end", make)
