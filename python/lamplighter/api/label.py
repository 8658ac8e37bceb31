"""Frames of a file are labelled by a reference method: what the command `label` prints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamplighter.api.answer import Answer, in_words_of_python
from lamplighter.api.files import StrPath, file_of
from lamplighter.api.ranks import on_first_rank
from lamplighter.errors import LamplighterError

if TYPE_CHECKING:
    from lamplighter.labelling.labelling import Labelling


@in_words_of_python
def label(
    frames: StrPath,
    method: StrPath,
    output: StrPath,
    *,
    options: Mapping[str, Any] | None = None,
    charge: int | None = None,
    multiplicity: int | None = None,
    prefix: str = "",
    workers: int | None = None,
    threads: int | None = None,
    timeout: str | None = None,
    retry: bool = False,
    trust: bool = False,
    progress: bool = True,
) -> Answer[Labelling]:
    """Energies, forces and stresses of the frames of a file by a reference method: what `lamplighter label` prints.

    A call that was broken off goes on when it is repeated. Under mpirun the first rank starts the processes that
    evaluate, and all ranks get the answer; collective.

    Args:
        frames: Frames: anything that ASE reads.
        method: gfn2, gfn1, opls-aa, an ASE calculator `module:Class`, or the path of a run file, model file or command
            file.
        output: The frames with labels are written into this file, extended XYZ.
        options: What the class of `method` is called with, or further keys of opls-aa.
        charge, multiplicity: Of frames that state none.
        prefix: Before the names of labels, such as `REF_`; empty: energy, forces, stress.
        workers: Processes at once; None: one a core, and of a command one.
        threads: Of each process; None: the cores divided by the processes.
        timeout: How long a frame may take, such as `30min`; None: as long as it does.
        retry: Try frames again that failed before.
        trust: Put model files of the method on your list of trusted files.
        progress: Show the progress on a terminal.

    Returns:
        `frames`, `failures`, `provenance`, the files, `notes`.

    Raises:
        LamplighterError: frames or method cannot be used, or all of the first frames fail.
        RunFolderBusy: another process labels into the same file.
        Interrupted: a signal came; the same call goes on.

    Source: docs/how_to/label.md.
    """
    from lamplighter.cluster.wall_time import seconds_of
    from lamplighter.driver import led_ranks
    from lamplighter.labelling.electrons import OfSilentFrames
    from lamplighter.labelling.label import Wishes, label_file
    from lamplighter.labelling.named_methods import named_method
    from lamplighter.report.labelling_text import SHOWN

    for name, number in {"--workers": workers, "--threads": threads, "--multiplicity": multiplicity}.items():
        if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < 1):
            raise LamplighterError(f"{name} must be a whole number of 1 at least, got {number!r}")
    if charge is not None and (isinstance(charge, bool) or not isinstance(charge, int)):
        raise LamplighterError(f"--charge must be a whole number, got {charge!r}")
    if prefix and not prefix.isidentifier():
        raise LamplighterError(f"--prefix must be letters, digits and underscores, such as REF_, got {prefix!r}")
    timeout_s = None if timeout is None else seconds_of(timeout, "--timeout")
    if workers is None and (team := led_ranks.team()) is not None:
        workers = int(team.comm.Get_size())
    path = file_of(frames, "frames")
    wishes = Wishes(
        file_of(output, "--output"),
        OfSilentFrames(charge, multiplicity),
        prefix,
        workers,
        threads,
        timeout_s,
        retry,
        progress,
    )

    def labelled() -> Labelling:
        chosen = named_method(
            str(file_of(method, "--method")) if Path(method).exists() else str(method), options, "--method"
        )
        chosen.require_possible(trust)
        return label_file(path, chosen, wishes)

    return Answer(on_first_rank(labelled, takes_long=True), SHOWN)
