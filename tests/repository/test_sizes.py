"""How large the repository may become: everybody who clones it carries every version of every file for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
MEGABYTE = 1_000_000

#: Of one file. Models and data beyond that belong to a release, as assets, with a script that fetches and checks them.
LARGEST = 1 * MEGABYTE
#: Reference data of the example that are larger: they were there before the limit.
LARGER = {
    "examples/ec_emc/data/clusters_md.xyz",
    "examples/ec_emc/data/liquid_train.xyz",
    "examples/ec_emc/data/xtb_test.xyz",
}
#: Of folders, with all that is in them: what they hold today and a little more.
FOLDERS = {"examples": 36 * MEGABYTE, "docs": 3 * MEGABYTE, "tests": 3 * MEGABYTE, "benchmarks": 1 * MEGABYTE}


@pytest.fixture(scope="module")
def sizes(files: list[Path]) -> dict[str, int]:
    """Bytes of each file."""
    return {name.as_posix(): (TOP / name).stat().st_size for name in files}


def test_no_file_is_large(sizes: dict[str, int]) -> None:
    large = {name: size for name, size in sizes.items() if size > LARGEST and name not in LARGER}
    assert not large, f"files beyond {LARGEST} bytes"
    assert all(sizes.get(name, 0) > LARGEST for name in LARGER), "this list has names that it no longer needs"


@pytest.mark.parametrize("folder", FOLDERS)
def test_folders_stay_within_their_limits(sizes: dict[str, int], folder: str) -> None:
    total = sum(size for name, size in sizes.items() if name.startswith(f"{folder}/"))
    assert 0.1 * FOLDERS[folder] < total <= FOLDERS[folder], f"{folder} holds {total} bytes"
