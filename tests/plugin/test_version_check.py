"""The plugin itself refuses a LAMMPS that it was not compiled for, before it touches LAMMPS' classes."""

import pytest

USE = "pair_style lamplighter\n"


@pytest.mark.mpi
def test_another_lammps_is_refused_and_nothing_registered(run, mpirun, lmp, other_lammps, compiler, tmp_path):
    other_lammps.replace("cmake/LAMMPS/LAMMPSConfigVersion.cmake", '"2025.7.22.2"', '"2024.8.29.2"')
    env = {**other_lammps.env, "CXX": str(compiler())}
    words = "compiled for LAMMPS version 20240829 (29 Aug 2024), and this is version 20250722"
    (tmp_path / "in.use").write_text(USE)
    result = run([lmp, "-in", "in.use", "-log", "none"], env=env)
    (build,) = other_lammps.builds
    assert words in result.stderr
    assert "Unrecognized pair style 'lamplighter'" in result.stdout + result.stderr
    assert result.returncode != 0

    (tmp_path / "in.load").write_text(f"plugin load {build}\nplugin list\n")
    result = run([lmp, "-in", "in.load", "-log", "none"], env=env)
    assert result.stderr.count(words) == 2  # when LAMMPS looked for plugins, and by name
    assert "style plugin lamplighter" not in result.stdout
    assert result.returncode == 0

    # of several ranks the first says so
    (tmp_path / "in.nothing").write_text("plugin list\n")
    result = mpirun(3, [lmp, "-in", "in.nothing", "-log", "none"], env=env)
    assert result.stderr.count("the plugin is not loaded") == 1
    assert result.returncode == 0


def test_a_lammps_with_other_integers_is_refused(run, lmp, other_lammps, compiler, tmp_path):
    """Functions that take atom IDs have other names in it: the loader finds that out before the plugin can."""
    other_lammps.replace("cmake/LAMMPS/LAMMPS_Targets.cmake", "LAMMPS_SMALLBIG", "LAMMPS_BIGBIG")
    (tmp_path / "in.use").write_text(USE)
    env = {**other_lammps.env, "CXX": str(compiler())}
    result = run([lmp, "-in", "in.use", "-log", "none"], env=env)
    output = result.stdout + result.stderr
    assert "undefined symbol" in output or "compiled for a tagint of 64 bits, and this LAMMPS has 32" in output
    assert "Unrecognized pair style 'lamplighter'" in output
    assert result.returncode != 0


def test_open_mpi_is_refused(run, lmp, tmp_path):
    """Its communicators are pointers, where those that the plugin is compiled for are integers."""
    (tmp_path / "open_mpi.c").write_text("char ompi_mpi_comm_world[8];\n")
    run(["gcc", "-shared", "-fPIC", "open_mpi.c", "-o", "open_mpi.so"])
    (tmp_path / "in.use").write_text(USE)
    result = run([lmp, "-in", "in.use", "-log", "none"], env={"LD_PRELOAD": str(tmp_path / "open_mpi.so")})
    assert "this LAMMPS runs on Open MPI" in result.stderr
    assert "Unrecognized pair style 'lamplighter'" in result.stdout + result.stderr
