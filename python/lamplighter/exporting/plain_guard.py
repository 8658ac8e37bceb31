"""What of a guard plain LAMMPS can say: `fix halt` on the density, the temperature and the largest force.

Source: LAMMPS documentation, `fix halt`, `compute reduce`.
"""

from __future__ import annotations

from dataclasses import dataclass

from lamplighter.config.guard import GuardSection

_WITHOUT = {
    "bond_stretch": "no style of plain LAMMPS watches bonds of a model that has none",
    "bond_ratio": "no style of plain LAMMPS watches bonds of a model that has none",
    "energy": "its reference is taken anew at each stage",
    "variance": "it is of a committee",
    "deviation": "it is of a committee",
    "extrapolation": "it is of a model that knows its training set",
}


@dataclass(frozen=True)
class PlainGuard:
    """A guard in commands of plain LAMMPS.

    Attributes:
        lines: Of the script, before the first dynamics.
        left_out: A sentence for each criterion that is not there.
    """

    lines: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def plain_guard(guard: GuardSection, density_at_start: float) -> PlainGuard:
    """Translate a guard.

    Args:
        guard: The section of the run file.
        density_at_start: g/cm³, for bounds that are a share of it.
    """
    if not guard.watched:
        return PlainGuard()
    lines: list[str] = []
    left_out: list[str] = []
    end = f"error {'hard' if guard.action == 'stop' else 'continue'} message yes"
    for criterion in guard.watched:
        limit = guard.limit(criterion.key)
        assert limit is not None
        if criterion.key in _WITHOUT:
            left_out.append(f"guard.{criterion.key}: {_WITHOUT[criterion.key]}.")
        elif criterion.key == "density":
            low, high = limit if isinstance(limit, tuple) else _around(density_at_start, limit)
            lines.append("variable guard_density equal density")
            for name, sign, bound in (("low", "<", low), ("high", ">", high)):
                lines.append(
                    f"fix guard_density_{name} all halt {guard.every} v_guard_density {sign} {bound:.12g} {end}"
                )
        elif criterion.key == "temperature":
            lines.append("variable guard_temperature equal temp")
            lines.append(f"fix guard_temperature all halt {guard.every} v_guard_temperature > {limit:.12g} {end}")
        elif criterion.key == "force":
            lines += [
                "variable guard_force_of_atom atom sqrt(fx*fx+fy*fy+fz*fz)",
                "compute guard_force all reduce max v_guard_force_of_atom",
                "variable guard_force equal c_guard_force",
                f"fix guard_force all halt {guard.every} v_guard_force > {limit:.12g} {end}",
            ]
        else:
            left_out.append(f"guard.{criterion.key}: it has no translation.")
    left_out.append("The guard's events (events.jsonl), and the frames before a failure (failure.xyz).")
    return PlainGuard(tuple(lines), tuple(left_out))


def _around(density: float, share: float) -> tuple[float, float]:
    return density * (1.0 - share), density * (1.0 + share)
