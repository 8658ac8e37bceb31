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


def matching_runs(option: str, patterns: Sequence[str]) -> list[Run]:
    """The runs in the folders of `matching_folders`.

    Raises:
        LamplighterError: a pattern matches nothing, or what holds no run.
    """
    return [Run(folder) for folder in matching_folders(option, patterns)]


def references(patterns: Sequence[str] | None) -> list[Run] | list[Path] | None:
    """What `--reference` names: runs, or a campaign as its path, which the functions of the Python API take; or None.

    Raises:
        LamplighterError: a pattern matches nothing, or what holds no run.
    """
    from lamplighter.campaign.campaign_file import is_campaign

    if any(is_campaign(Path(each)) for each in patterns or []):
        return [Path(each) for each in patterns or []]
    return matching_runs("--reference", patterns or []) or None


def _matching(pattern: Path) -> list[Path]:
    if not pattern.name:
        return []
    anchor = Path(pattern.anchor or ".")
    return sorted(path for path in anchor.glob(str(pattern.relative_to(pattern.anchor))) if path.is_dir())
