"""The versions of the frameworks that Lamplighter is tested with; what is newer is refused by name, with the remedy.

`pyproject.toml` bounds the extras alike; but an environment may hold what pip was told to install later.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
from typing import NamedTuple

from lamplighter.errors import ModelError

VARIABLE = "LAMPLIGHTER_UNTESTED_VERSIONS"
"""Set to 1, newer versions are tried."""


class Tested(NamedTuple):
    """Versions of one package.

    Attributes:
        package: As pip knows it.
        first: The oldest.
        before: What is not tested any more.
        why: What is known of that; empty: nothing.
    """

    package: str
    first: str
    before: str
    why: str = ""

    @property
    def requirement(self) -> str:
        return f"{self.package}>={self.first},<{self.before}"


_OF_MACE = "0.3.17 needs Python 3.11, and the next major version changes what model files hold"

TESTED = {
    "mace": (Tested("mace-torch", "0.3.14", "0.3.17", _OF_MACE),),
    "nequip": (Tested("nequip", "0.19", "0.20"), Tested("nequip-allegro", "0.8.3", "0.9")),
    "sevennet": (Tested("sevenn", "0.12", "0.14"),),
    "deepmd": (Tested("deepmd-kit", "3.2", "3.3"),),
    "gap": (Tested("quippy-ase", "0.10", "0.11"),),
    "symmetrix": (Tested("symmetrix-xl", "0.1.1", "0.2"),),
}
"""By the kind of potential, or the name of an engine."""


def all_of_them() -> list[Tested]:
    """Every package whose versions are bounded."""
    return [each for packages in TESTED.values() for each in packages]


def require_tested(kind: str) -> None:
    """Refuse an installed framework that is newer than what was tested.

    Raises:
        ModelError: naming the version that is installed, those that are tested, and the command.
    """
    for each in untested(kind):
        raise ModelError(each)


def untested(kind: str) -> list[str]:
    """What speaks against the installed versions of a kind's packages; nothing where the user wants to try them."""
    if os.environ.get(VARIABLE) == "1":
        return []
    found = []
    for tested in TESTED.get(kind, ()):
        try:
            installed = importlib.metadata.version(tested.package)
        except importlib.metadata.PackageNotFoundError:
            continue  # a source tree on the path, or nothing at all
        if _numbers(installed) >= _numbers(tested.before):
            why = f" ({tested.why})" if tested.why else ""
            found.append(
                f"{tested.package} {installed} is installed, and Lamplighter is tested with {tested.requirement}{why}: "
                f"pip install '{tested.requirement}'; to try it all the same: {VARIABLE}=1"
            )
    return found


def _numbers(version: str) -> list[int]:
    """Of the release, so that 0.3.17rc1 is 0.3.17: what is on its way there is new, too."""
    release = re.match(r"\d+(\.\d+)*", version)
    return [int(part) for part in release[0].split(".")] if release else []
