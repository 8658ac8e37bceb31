"""Which stage at constant pressure a stage at constant volume takes its mean cell from: `mean_volume_of`."""

from __future__ import annotations

from collections.abc import Sequence

from lamplighter.config.stages import Npt, Nvt, Stage


def sampled_stage(stages: Sequence[Stage], index: int) -> int:
    """Index of the NPT stage that `mean_volume_of` of a stage names.

    Args:
        stages: Of a run file.
        index: Of an NVT stage that has the key.

    Raises:
        ValueError: no stage before it has the name or several have, the one that has is not npt, or its temperature or
            pressure changes, so that there is no mean of one state.
    """
    stage = stages[index]
    assert isinstance(stage, Nvt)
    assert stage.mean_volume_of is not None, "it names a stage"
    wanted = stage.mean_volume_of
    named = [at for at, each in enumerate(stages[:index]) if (each.name or each.type) == wanted]
    if not named:
        before = ", ".join(repr(each.name or each.type) for each in stages[:index]) or "none"
        raise ValueError(f"names a stage before it, and none is named {wanted!r}; there are {before}")
    if len(named) > 1:
        places = " and ".join(f"stages[{at}]" for at in named)
        raise ValueError(f"{places} are named {wanted!r}: give them a `name` each")
    sampled = stages[named[0]]
    where = f"stages[{named[0]}] {wanted!r}"
    if not isinstance(sampled, Npt):
        raise ValueError(f"{where} is {sampled.type}, and has no volume that fluctuates: name one that is npt")
    for key, ramp in (("temperature", sampled.temperature), ("pressure", sampled.pressure)):
        if ramp.start != ramp.stop:
            raise ValueError(
                f"the {key} of {where} goes from {ramp.start} to {ramp.stop}, so its mean volume is that of no state: "
                "let an npt stage at one value follow, and name that"
            )
    return named[0]
