"""What a release consists of: the source distribution has what a build needs, the wheel what a run needs, and no more.

`make dist` builds both and has them looked at here; without it, the source distribution is built by the test, and what
is installed stands for the wheel.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

import lamplighter

TOP = Path(__file__).parents[2]
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def sdist(files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    if "LAMPLIGHTER_DIST" in os.environ:
        (made,) = (TOP / os.environ["LAMPLIGHTER_DIST"]).glob("*.tar.gz")
        return made
    # a clone, so that no environment in the working tree is walked through
    folder, clone = tmp_path_factory.mktemp("sdist"), tmp_path_factory.mktemp("clone")
    for name in files:
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(TOP / name, clone / name)
    code = "import sys; from scikit_build_core.build import build_sdist; build_sdist(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, folder], cwd=clone, check=True, capture_output=True, timeout=120)
    (made,) = folder.glob("*.tar.gz")
    return made


@pytest.fixture(scope="module")
def in_wheel() -> set[str]:
    """Names of the files in the wheel."""
    if "LAMPLIGHTER_DIST" in os.environ:
        (made,) = (TOP / os.environ["LAMPLIGHTER_DIST"]).glob("*.whl")
        return set(zipfile.ZipFile(made).namelist())
    installed = {str(each) for each in metadata.files("lamplighter") or ()}
    if any("editable" in name for name in installed):
        pytest.skip("Lamplighter is installed in place, so that there is no wheel to look into: make dist")
    return installed


def sources(folder: str, *endings: str) -> set[str]:
    """Files below a folder of the repository, relative to it."""
    top = TOP / folder
    return {str(path.relative_to(top)) for path in top.rglob("*") if path.name.endswith(endings) and path.is_file()}


PARTS = {
    "lamplighter/pair_styles/": ("pair_styles", (".h", ".cpp")),
    "lamplighter/lammps_inputs/": ("lammps_inputs", (".lmp",)),
    "lamplighter/": ("python/lamplighter", (".py", ".js", ".css", ".j2", "py.typed")),
}


@pytest.mark.parametrize("place", PARTS)
def test_the_wheel_holds_what_a_run_needs(in_wheel: set[str], place: str) -> None:
    folder, endings = PARTS[place]
    expected = {place + name for name in sources(folder, *endings)}
    assert len(expected) > 10
    assert expected <= in_wheel


def test_the_wheel_holds_the_compiled_plugin_and_nothing_that_a_run_does_not_need(in_wheel: set[str]) -> None:
    compiled = "lamplighter/plugin/compiled/lamplighterplugin"
    assert {f"{compiled}.so", f"{compiled}.json"} <= in_wheel
    known = re.compile(r"lamplighter/|lamplighter-[^/]*\.dist-info/|(\.\./)*bin/lamplighter$")
    assert [name for name in in_wheel if not known.match(name)] == []
    assert [name for name in in_wheel if re.match(r"lamplighter/(tests|examples|benchmarks|docs)/", name)] == []


def test_the_source_distribution_can_be_built_from_and_holds_no_examples(sdist: Path) -> None:
    assert sdist.name == f"lamplighter-{lamplighter.__version__}.tar.gz"
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    for folder in ("pair_styles", "lammps_inputs", "python/lamplighter"):
        needed = {f"{folder}/{name}" for name in sources(folder, ".h", ".cpp", ".lmp", ".py", ".js", ".css", ".j2")}
        assert needed <= inside
    assert {"CMakeLists.txt", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff"} <= inside
    assert {name.partition("/")[0] for name in inside} & {"tests", "examples", "benchmarks", "build", "runs"} == set()
    assert sdist.stat().st_size < 3 * MEGABYTE


def test_a_version_has_its_heading_in_the_changelog() -> None:
    headings = re.findall(r"^## \[?([0-9][^\]\s]*)", (TOP / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert headings[0] == lamplighter.__version__


def test_the_citation_has_the_licence_of_the_package_and_no_version_of_its_own() -> None:
    import yaml

    citation = yaml.safe_load((TOP / "CITATION.cff").read_text("utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert f'license = "{citation["license"]}"' in (TOP / "pyproject.toml").read_text("utf-8")
    assert "version" not in citation, "python/lamplighter/__init__.py has it"
