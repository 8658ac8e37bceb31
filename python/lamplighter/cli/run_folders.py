"""Run folders that an option names, one by one, by a pattern, or as a campaign."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lamplighter.errors import LamplighterError
from lamplighter.run_folder.run import Run


def matching_folders(option: str, patterns: Sequence[str]) -> list[Path]:
    """Folders by name or shell pattern (`runs/ref_*`), in order and each once.

    Raises:
        LamplighterError: a pattern matches nothing.
    """
    found: list[Path] = []
    for pattern in patterns:
        path = Path(pattern)
        paths = [path] if path.exists() else _matching(path)
        if not paths:
            raise LamplighterError(f"{option} {pattern}: there is no such run folder")
        found += [path for path in paths if path not in found]
    return found


def references(patterns: Sequence[str] | None, files: bool = False) -> list[Run | Path] | None:
    """What `--reference` names, as the functions of the Python API take it: runs, or a campaign as its path; or None.

    Args:
        patterns: What was given.
        files: JSON files of answers may be among them, which are returned as paths.

    Raises:
        LamplighterError: a pattern matches nothing, or what holds no run.
    """
    from lamplighter.campaign.campaign_file import is_campaign

    if any(is_campaign(Path(each)) for each in patterns or []):
        return [Path(each) for each in patterns or []]
    found = matching_folders("--reference", patterns or [])
    return [each if files and each.suffix == ".json" and not each.is_dir() else Run(each) for each in found] or None


def _matching(pattern: Path) -> list[Path]:
    if not pattern.name:
        return []
    anchor = Path(pattern.anchor or ".")
    return sorted(path for path in anchor.glob(str(pattern.relative_to(pattern.anchor))) if path.is_dir())
