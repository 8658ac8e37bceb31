"""Where another LAMMPS is installed, the plugin is compiled for it: once, by one process, and kept."""

import fcntl
import subprocess

import pytest

from lamplighter import plugin
from lamplighter.errors import PluginError
from lamplighter.plugin import rebuild as rebuild_module

REQUIRE = """
import sys, pathlib
from lamplighter.plugin import require, selection
selection._sources_folder = lambda: pathlib.Path(sys.argv[1])
print(require())
"""
NO_MODEL_CONNECTED = "evaluates this model in a Python process, and none is connected"


@pytest.fixture
def script(tmp_path):
    """Reaches the code of the pair style itself, which then asks for the process that evaluates models."""
    file = tmp_path / "in.styles"
    file.write_text(
        "units metal\n"
        "region box block 0 9 0 9 0 9\n"
        "create_box 1 box\n"
        "create_atoms 1 single 1 1 1\n"
        "mass 1 1.0\n"
        "pair_style lamplighter\n"
        "pair_coeff * * h.model H\n"
        "run 0\n"
    )
    return file


def test_the_second_start_takes_the_build_that_is_there(in_this_process, compiler, links, monkeypatch):
    monkeypatch.setenv("CXX", str(compiler()))
    in_this_process.change_headers()
    before = plugin.status()
    assert (before.path, before.fits) == (None, False)
    assert "on first use" in before.remedy
    path = plugin.require()
    assert plugin.require() == path
    assert links() == 1
    after = plugin.status()
    assert (after.path, after.fits, after.rebuilt) == (path, True, True)
    assert "does not fit what is installed" in after.reason


def test_of_four_processes_one_compiles_and_the_others_wait(
    python, other_lammps, small_sources, compiler, links, monkeypatch
):
    other_lammps.change_headers()
    for name, value in {**other_lammps.env, "CXX": str(compiler("sleep 0.3"))}.items():
        monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
    processes = [
        subprocess.Popen(
            [python, "-c", REQUIRE, small_sources], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    results = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, results
    assert {out.strip() for out, _ in results} == {str(path) for path in other_lammps.builds}
    assert links() == 1
    assert sum("compiling" in err for _, err in results) == 1


@pytest.mark.mpi
def test_of_three_ranks_one_compiles_and_the_rebuilt_plugin_loads_and_runs(
    mpirun, run, lmp, script, other_lammps, compiler, links
):
    other_lammps.change_headers()
    env = {**other_lammps.env, "CXX": str(compiler())}
    together = mpirun(3, [lmp, "-in", script, "-log", "none"], env=env, timeout=280)
    assert links() == 1
    (build,) = other_lammps.builds
    assert "compiling its plugin for LAMMPS 22 Jul 2025" in together.stderr
    alone = run([lmp, "-in", script, "-log", "none"], env=env)
    assert links() == 1
    assert "compiling" not in alone.stderr
    for result in (together, alone):
        assert f"from {build.parent}" in result.stdout
        assert NO_MODEL_CONNECTED in " ".join((result.stdout + result.stderr).split())


def test_without_a_compiler_the_remedy_is_named(in_this_process, empty_folder, monkeypatch):
    in_this_process.change_headers()
    monkeypatch.setenv("PATH", str(empty_folder))
    with pytest.raises(PluginError, match=r"does not fit.*no C\+\+ compiler was found.*apt-get install g\+\+"):
        plugin.require()


def test_without_a_compiler_an_earlier_build_is_still_used(in_this_process, empty_folder, monkeypatch):
    in_this_process.change_headers()
    path = plugin.require()
    monkeypatch.setenv("PATH", str(empty_folder))
    assert plugin.require() == path


def test_a_compiler_that_is_named_but_missing_is_named_back(in_this_process, monkeypatch):
    in_this_process.change_headers()
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(PluginError, match="CXX names, no-such-compiler, was not found"):
        plugin.require()


def test_sources_that_do_not_compile_are_tried_once(in_this_process, compiler, tmp_path, monkeypatch):
    refuse = 'case "$*" in *-c*) echo "plugin.cpp:1: error: no member named atom" >&2; exit 1;; esac'
    monkeypatch.setenv("CXX", str(compiler(refuse)))
    in_this_process.change_headers()
    with pytest.raises(PluginError, match=r"no member named atom.*install a LAMMPS that Lamplighter supports"):
        plugin.require()

    def compilations():
        return sum(" -c " in f" {line} " for line in (tmp_path / "calls").read_text().splitlines())

    first = compilations()
    assert first > 0
    with pytest.raises(PluginError, match="no member named atom"):
        plugin.require()
    assert compilations() == first
    assert in_this_process.builds == []


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("kill -TERM $$", "SIGTERM"),
        ('echo "g++: fatal error: Killed signal terminated program cc1plus" >&2; exit 1', "SIGKILL"),
    ],
)
def test_a_compiler_that_a_signal_ended_is_started_again(in_this_process, compiler, monkeypatch, command, name):
    monkeypatch.setenv("CXX", str(compiler(f'case "$*" in *-c*) {command};; esac')))
    in_this_process.change_headers()
    for _ in range(2):
        with pytest.raises(
            PluginError, match=rf"not compiled to its end: the compiler was ended by {name}.*start again"
        ):
            plugin.require()
    monkeypatch.setenv("CXX", str(compiler("")))
    assert plugin.require().exists()


def test_what_a_killed_process_left_behind_does_no_harm(in_this_process):
    in_this_process.change_headers()
    path = plugin.require()
    build, folder = path.parent, path.parents[1]
    leftover = folder / f"{build.name}.abc.tmp"
    leftover.mkdir()
    path.unlink()
    (build / "lamplighterplugin.json").unlink()
    build.rmdir()
    assert (folder / f"{build.name}.lock").exists()
    assert plugin.require() == path
    assert path.exists()
    assert not leftover.exists()


def test_the_wait_for_another_process_ends(in_this_process, monkeypatch):
    in_this_process.change_headers()
    path = plugin.require()
    lock = path.parents[1] / f"{path.parent.name}.lock"
    path.unlink()
    monkeypatch.setattr(rebuild_module, "_WAIT_LIMIT_S", 0.2)
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(PluginError, match="another process has been compiling"):
            plugin.require()


def test_a_home_that_cannot_be_written_is_no_obstacle(in_this_process, tmp_path, monkeypatch):
    in_this_process.change_headers()
    no_folder = tmp_path / "file"
    no_folder.write_text("")
    (tmp_path / "scratch").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(no_folder))
    monkeypatch.setenv("HOME", str(no_folder))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    assert plugin.require().is_relative_to(tmp_path / "scratch")


def test_a_temporary_folder_that_others_can_write_is_not_trusted(in_this_process, tmp_path, monkeypatch):
    in_this_process.change_headers()
    no_folder = tmp_path / "file"
    no_folder.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(no_folder))
    monkeypatch.setenv("HOME", str(no_folder))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    plugin.require()
    (ours,) = scratch.iterdir()
    ours.chmod(0o777)
    with pytest.raises(PluginError, match="set XDG_CACHE_HOME"):
        plugin.require()


def test_an_edited_source_is_compiled_anew(in_this_process, small_sources):
    """In an editable installation nobody has to think of the compiled plugin."""
    assert plugin.status().reason.endswith("other sources of the plugin")
    path = plugin.require()
    with (small_sources / "plugin.cpp").open("a") as file:
        file.write("// edited\n")
    assert plugin.status().path is None
    assert plugin.require() != path
