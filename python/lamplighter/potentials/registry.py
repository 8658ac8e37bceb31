"""Which potentials are installed: the entry points of the group `lamplighter.potentials`."""

from __future__ import annotations

import warnings
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from lamplighter.errors import ModelError
from lamplighter.frameworks import FRAMEWORKS
from lamplighter.model_files import recognition, tested_versions

if TYPE_CHECKING:
    from lamplighter.potentials.interface import Potential

GROUP = "lamplighter.potentials"


def installed() -> dict[str, EntryPoint]:
    """Entry points of all potentials by their kind. Nothing is imported."""
    return {point.name: point for point in entry_points(group=GROUP)}


def load_kind(kind: str) -> type[Potential]:
    """The potential class of one kind.

    Raises:
        ModelError: no such kind is installed, or its framework cannot be imported, or is newer than what was tested.
    """
    points = installed()
    if kind not in points:
        known = ", ".join(sorted(points)) or "none"
        raise ModelError(f"potential kind {kind!r} is not known; installed kinds: {known}")
    tested_versions.require_tested(kind)
    try:
        loaded: type[Potential] = points[kind].load()
        _accept_former_name(loaded, kind)
    except ImportError as missing:
        remedy = recognition.how_to_install(kind) if kind in FRAMEWORKS else f"install what {kind!r} needs"
        raise ModelError(
            f"potential kind {kind!r} needs a package that is not installed ({missing}): {remedy}"
        ) from missing
    return loaded


def kind_of(path: Path) -> str:
    """The kind of `recognise`, without importing a framework whose files are known by their bytes. Raises the same."""
    framework = recognition.framework_of(path)
    if framework is not None and framework.kind in installed():
        return framework.kind
    return recognise(path).kind


def recognise(path: Path) -> type[Potential]:
    """The potential class whose models look like `path`.

    Raises:
        ModelError: none recognises it, and the message lists what was tried; or one would, and its framework is not
            installed.
    """
    framework = recognition.framework_of(path)
    if framework is not None and framework.kind in installed():
        return load_kind(framework.kind)
    tried: list[str] = []
    for kind in installed():
        try:
            candidate = load_kind(kind)
        except ModelError as missing:
            tried.append(str(missing))
            continue
        if candidate.recognises(path):
            return candidate
        tried.append(f"it does not look like a {kind} model")
    raise ModelError(
        f"model file {path} is not of a known kind: {'; '.join(tried)}. "
        "If it is a model, name its kind: pair_style lamplighter kind KIND"
    )


def _accept_former_name(loaded: type[Potential], kind: str) -> None:
    """Take a class of another package, derived from `interface.Potential` when that was the name of `PairPotential`."""
    from lamplighter.potentials.interface import ClusterPotential, PairPotential, SystemPotential

    if issubclass(loaded, (PairPotential, ClusterPotential, SystemPotential)) or not hasattr(loaded, "element_index"):
        return
    PairPotential.register(loaded)
    warnings.warn(
        f"{loaded.__module__}.{loaded.__qualname__} (potential kind {kind!r}) is derived from interface.Potential, "
        "which is now the base of all potentials: derive it from interface.PairPotential",
        FutureWarning,
        stacklevel=3,
    )
