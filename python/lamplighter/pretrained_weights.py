"""Weights that come with SevenNet's package, by the names that SevenNet gives them: `7net-0` is a file in its wheel.

Names and places are those of sevenn 0.12 and 0.13 (`sevenn.util.pretrained_name_to_path`), which downloads those that
its wheel does not hold; nothing is downloaded here. The package is not imported.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from lamplighter.errors import ModelError
from lamplighter.frameworks import FRAMEWORKS

_PLACES = {
    "7net-0": "SevenNet_0__11Jul2024/checkpoint_sevennet_0.pth",
    "7net-0_11jul2024": "SevenNet_0__11Jul2024/checkpoint_sevennet_0.pth",
    "7net-0_22may2024": "SevenNet_0__22May2024/checkpoint_sevennet_0.pth",
    "7net-l3i5": "SevenNet_l3i5/checkpoint_l3i5.pth",
    "7net-mf-0": "SevenNet_MF_0/checkpoint_sevennet_mf_0.pth",
    "7net-mf-ompa": "SevenNet_MF_ompa/checkpoint_sevennet_mf_ompa.pth",
    "7net-omat": "SevenNet_omat/checkpoint_sevennet_omat.pth",
    "7net-omni": "SevenNet_omni/checkpoint_sevennet_omni.pth",
    "7net-omni-i8": "SevenNet_omni_i8/checkpoint_sevennet_omni_i8.pth",
    "7net-omni-i12": "SevenNet_omni_i12/checkpoint_sevennet_omni_i12.pth",
}
_FOLDER = "pretrained_potentials"
_NAME = re.compile(r"(7net|sevennet)-[\w-]+", re.IGNORECASE)


def is_name(model: Path, base: Path | None = None) -> bool:
    """Whether this is the name of weights, and no file in `base` (None: the current folder)."""
    return bool(_NAME.fullmatch(str(model))) and not ((base or Path()) / model).exists()


def weights(name: Path, python: Path | None = None) -> Path:
    """The file that a name means, absolute.

    Args:
        name: As `is_name`.
        python: Of another environment, which is looked into as well.

    Raises:
        ModelError: there are no weights of this name, or they are not on this machine; those that are, are named.
    """
    folders = _folders(python)
    there = [known for known, place in _PLACES.items() if any((each / place).is_file() for each in folders)]
    place = _PLACES.get(re.sub("^sevennet-", "7net-", str(name).lower()))
    for folder in folders if place else []:
        if (folder / str(place)).is_file():
            return (folder / str(place)).resolve()
    if not folders:
        raise ModelError(
            f"{name} names weights that come with SevenNet, and there is neither such a file nor the package sevenn: "
            f"pip install 'lamplighter[{FRAMEWORKS['sevennet'].extra}]', or name the Python of its environment, "
            "`python: ENV/bin/python` (in a run file under `potential`)"
        )
    listed = ", ".join(there) or "none"
    if place is None:
        raise ModelError(
            f"{name} is neither a file nor the name of weights of SevenNet; those on this machine are {listed}"
        )
    raise ModelError(
        f"the weights {name} are not on this machine, where there are {listed}: SevenNet downloads them when it is "
        f"asked, `python -c \"from sevenn.util import pretrained_name_to_path as p; p('{str(name).lower()}')\"`"
    )


def file_of(model: Path, base: Path | None = None, python: Path | None = None) -> Path:
    """A model as somebody writes it: the file of a name, and everything else as it is. Raises as `weights`."""
    return weights(model, python) if is_name(model, base) else model


def _folders(python: Path | None) -> list[Path]:
    """Where weights may lie: the package here, that of another environment, and what SevenNet downloads."""
    found = importlib.util.find_spec("sevenn")
    packages = [Path(each) for each in (found.submodule_search_locations or [])] if found is not None else []
    if python is not None:
        packages += sorted(python.parent.parent.glob("lib/python*/site-packages/sevenn"))
    return [*(each / _FOLDER for each in packages), *([Path.home() / ".cache" / "sevennet"] if packages else [])]
