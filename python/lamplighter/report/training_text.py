"""What came of a training, as text, as its learning curves, and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from lamplighter.report import table_text
from lamplighter.report.drawing import PALETTE, new_figure
from lamplighter.report.shown import Shown
from lamplighter.report.table_text import Table

if TYPE_CHECKING:
    from lamplighter.training.train import Training

_HEAD = ("seed", "set", "frames", "energy RMSE, meV/atom", "its mean error", "forces RMSE, eV/Å", "stress RMSE, meV/Å³")
_CURVE_HEADER = ("seed", "epoch", "train_loss", "validation_loss", "energy_rmse_meV_atom", "forces_rmse_eV_A")


def format_training(result: Training) -> str:
    """Errors of each model over each set, what was looked at, and where the files are."""
    n = len(result.members)
    lines = [f"{result.trainer}: {n} model{'' if n == 1 else 's'} in {result.folder / 'models'}", ""]
    body = [
        (
            str(member.seed),
            name,
            str(found.frames),
            f"{found.energy:.2f}",
            "–" if found.energy_shift is None else f"{found.energy_shift:.2f}",
            f"{found.forces:.4f}",
            "–" if found.stress is None else f"{found.stress:.2f}",
        )
        for member in result.members
        for name, found in member.errors.items()
    ]
    lines += table_text.rows(_HEAD, body, right=True)
    if result.members:
        first = result.members[0]
        lines += ["", f"looked at in each (shown: seed {first.seed}):"]
        lines += [f"  {each.what}: {each.found}" for each in first.checks]
    return "\n".join(lines + [f"Note: {note}" for note in result.notes])


def training_as_json(result: Training) -> Any:
    """What `--json` prints: all of it."""
    return result


def curve_table(result: Training) -> Table:
    """A row each epoch of each member; epoch −1 is before the first."""
    rows = [
        [member.seed, each.epoch, each.train_loss, each.loss, each.energy, each.forces]
        for member in result.members
        for each in member.curve
    ]
    return Table(_CURVE_HEADER, rows)


def curve_figure(result: Training) -> Figure:
    """The RMSE of forces over the validation frames against the epoch; the loss, where the package says no RMSE."""
    figure, (axes,) = new_figure()
    forces = any(each.forces is not None for member in result.members for each in member.curve)
    for place, member in enumerate(result.members):
        points = [(each.epoch, each.forces if forces else each.loss) for each in member.curve]
        shown = [(epoch, value) for epoch, value in points if value is not None and value > 0.0]
        if shown:
            colour = PALETTE[place % len(PALETTE)]
            axes.plot(*zip(*shown, strict=True), ".-", color=colour, label=f"seed {member.seed}")
    axes.set_xlabel("epoch")
    axes.set_ylabel("RMSE of forces, validation (eV/Å)" if forces else "loss, validation")
    axes.set_yscale("log")
    if axes.has_data() and len(result.members) > 1:
        axes.legend(frameon=False)
    return figure


SHOWN = Shown(format_training, training_as_json, figures={"curve": curve_figure}, tables={"curve": curve_table})
