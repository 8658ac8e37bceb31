"""E(V) of models as a liquid is expanded or compressed: what the command `scan` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamplighter.api.answer import Answer, in_words_of_python
from lamplighter.api.bond_rule import rule_of_frames
from lamplighter.api.chosen_models import ModelFiles, words_of_models
from lamplighter.api.files import StrPath, file_of
from lamplighter.api.methods import opened_method
from lamplighter.api.ranks import on_first_rank
from lamplighter.errors import LamplighterError
from lamplighter.run_folder.run import Run

if TYPE_CHECKING:
    from lamplighter.analysis.bonding import BondRule
    from lamplighter.observables.scan_frames import ScanFrames
    from lamplighter.observables.volume_scan import Energies, VolumeScanOfModels


@in_words_of_python
def volume_scan(
    frame: StrPath | Run | None = None,
    models: ModelFiles | None = None,
    *,
    density: str | Sequence[float] | None = None,
    reference: StrPath | None = None,
    options: Mapping[str, Any] | None = None,
    energy: str | None = None,
    select: str | None = None,
    index: int = -1,
    bonds: str | None = None,
    tolerance: str | float | None = None,
    ions: str | None = None,
    bonded: str | None = None,
    unbonded: str | None = None,
    atomic: bool = False,
    kind: str | None = None,
    dtype: str | None = None,
    device: str | None = None,
    engine: str | None = None,
    threads: int | None = None,
    trust: bool = False,
    write: StrPath | None = None,
) -> Answer[VolumeScanOfModels] | None:
    """E(V) of models and of a reference, as a liquid is expanded or compressed: what `lamplighter scan` prints.

    Args:
        frame: Structure of the liquid; of a run folder or an open run, the volume scan of the run is read.
        models: Model files and run files, one or several.
        density: g/cm³, ascending, or `LOW:HIGH:NUMBER`; None: 0.1:2.5:25.
        reference: A method as `label` takes it, or a file of labelled frames, which are the scan then.
        options: What the class of `reference` is called with.
        energy, select: Of labelled frames: the key of the energy, and `KEY=VALUE` of those that are taken.
        index: Of a file with several frames; -1 is the last.
        bonds, tolerance, ions, bonded, unbonded: Which atoms are bonded (docs/theory/bonds.md).
        atomic: Every atom is a molecule of its own.
        kind, dtype, device, engine: Of model files; None: `auto`.
        threads: Of a model on each rank; None: the cores divided by the ranks.
        trust: Put the model files on your list of trusted files.
        write: Frames and isolated molecules are written into this file, as extended XYZ.

    Returns:
        Curves, wells and walls of the models, and errors against the reference; None, where `write` alone was asked.

    Raises:
        LamplighterError: the frame or a model cannot be used; of several models all is told at once.

    Source: docs/how_to/equation_of_state.md.
    """
    from lamplighter.api.scan_models import energies_of, members_of
    from lamplighter.labelling.named_methods import is_method_file
    from lamplighter.observables.stored_scan import read_scan
    from lamplighter.observables.volume_scan import volume_scan as put_together
    from lamplighter.report.volume_scan_text import SHOWN

    evaluating = {"--density": density, "--model": models, "--reference": reference, "--write": write}
    run = frame.folder if isinstance(frame, Run) else None if frame is None else file_of(frame, "frame")
    if run is not None and run.is_dir():
        if given := [name for name, value in evaluating.items() if value]:
            raise LamplighterError(f"{run} is a run folder, whose volume scan is shown: leave out {given[0]}")
        return Answer(read_scan(run), SHOWN)
    if not (models or reference or write):
        raise LamplighterError("nothing is to be done: give --model FILE, --reference METHOD or --write FILE")
    labels = None
    if reference is not None and Path(reference).is_file() and not is_method_file(Path(reference)):
        labels = file_of(reference, "--reference")

    rule = rule_of_frames(bonds, tolerance, ions, bonded, unbonded)
    files = [Path(each) for each in words_of_models(models)]
    chosen = members_of(files, trust, kind=kind, dtype=dtype, device=device, engine=engine)
    found = _frames(run, density, labels, energy, select, index, rule, atomic)
    told: tuple[str, Energies] | None = None
    if labels is not None:
        told = (labels.stem, found.labels)
    elif reference is not None:
        # before LAMMPS is loaded, whose plain linear algebra other libraries could take for their own
        with opened_method(str(reference), options, "--reference", found.elements, trust) as told_by:
            told = found.evaluated(told_by.evaluate, Path(reference).name)
    if write is not None:
        written = file_of(write, "--write")
        on_first_rank(lambda: found.write(written, told is not None))
    energies = {name: energies_of(found, member, name, threads, trust) for name, member in chosen.items()}
    if not (energies or told):
        return None
    return Answer(put_together(found.source, found.frames, found.molecules, energies, told, found.notes), SHOWN)


def _frames(
    frame: Path | None,
    density: str | Sequence[float] | None,
    labels: Path | None,
    energy: str | None,
    select: str | None,
    index: int,
    rule: BondRule,
    atomic: bool,
) -> ScanFrames:
    from lamplighter.observables.scan_frames import generated, labelled

    if labels is None:
        if select or energy:
            raise LamplighterError("--select and --energy are for --reference FILE of labelled frames")
        return generated(frame, index, _densities(density), rule, atomic)
    if frame is not None or density is not None:
        raise LamplighterError(
            f"--reference {labels} is a file of labelled frames, which are the scan: leave out FRAME and --density"
        )
    return labelled(labels, energy, select, rule, atomic)


def _densities(given: str | Sequence[float] | None) -> list[float]:
    """`0.1:2.5:25`, `0.5,0.8,1.1` or numbers: ascending densities, g/cm³.

    Raises:
        LamplighterError: as `parse_densities`.
    """
    from lamplighter.config.volume_scan import DENSITIES, parse_densities

    if given is None:
        given = DENSITIES
    if not isinstance(given, str):
        if not isinstance(given, Sequence):
            raise LamplighterError(f"--density: expected LOW:HIGH:NUMBER or numbers; got {given!r}")
        given = ",".join(str(each) for each in given)
    try:
        return parse_densities(given)
    except ValueError as problem:
        raise LamplighterError(f"--density {problem}") from None
