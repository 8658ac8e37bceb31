"""The list of trusted files: by content, readable, safe under concurrent writers; and what is asked or refused."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pty
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from lamplighter.cli.trust import trust as trust_command
from lamplighter.errors import LamplighterError, ModelError, UntrustedModelError
from lamplighter.model_files import trust


def file_with(folder: Path, content: str, name: str = "a.model") -> Path:
    path = folder / name
    path.write_text(content)
    return path


def test_a_file_is_trusted_by_its_content(tmp_path: Path, config_folder: Path) -> None:
    path = file_with(tmp_path, "weights")
    (entry,) = trust.add([path])
    assert entry.sha256 == hashlib.sha256(b"weights").hexdigest() == trust.sha256(path)
    assert trust.is_trusted(trust.sha256(path.rename(tmp_path / "renamed.model")))
    changed = file_with(tmp_path, "other weights")
    assert not trust.is_trusted(trust.sha256(changed))
    listed = json.loads((config_folder / "lamplighter" / "trusted.json").read_text())["trusted"]
    assert listed == [{"sha256": entry.sha256, "name": str(tmp_path / "a.model"), "added": entry.added}]


def test_adding_twice_keeps_the_first_date_and_removing_takes_it_off(tmp_path: Path) -> None:
    path = file_with(tmp_path, "weights")
    (first,) = trust.add([path])
    assert trust.add([path]) == [first]
    other = file_with(tmp_path, "others", "b.model")
    trust.add([other])
    assert trust.remove([first.sha256[:8]]) == [first]
    assert list(trust.trusted_files()) == [trust.sha256(other)]
    trust.remove([str(other)])
    assert trust.trusted_files() == {}
    with pytest.raises(LamplighterError, match="no entry"):
        trust.remove([str(other)])


def test_a_file_that_is_gone_can_be_taken_off_by_its_name(tmp_path: Path) -> None:
    path = file_with(tmp_path, "weights")
    trust.add([path])
    path.unlink()
    trust.remove([str(path)])
    assert trust.trusted_files() == {}


def test_many_processes_may_write_at_once(tmp_path: Path, config_folder: Path) -> None:
    files = [file_with(tmp_path, f"weights {i}", f"{i}.model") for i in range(6)]
    program = "import sys; from lamplighter.model_files import trust; trust.add([sys.argv[1]])"
    writers = [subprocess.Popen([sys.executable, "-c", program, str(path)]) for path in files]
    assert [writer.wait(60) for writer in writers] == [0] * 6
    assert set(trust.trusted_files()) == {trust.sha256(path) for path in files}
    left = {path.name for path in (config_folder / "lamplighter").iterdir()}
    assert left == {"trusted.json", "trusted.lock"}


def test_a_writer_waits_for_another(tmp_path: Path, config_folder: Path) -> None:
    path = file_with(tmp_path, "weights")
    (config_folder / "lamplighter").mkdir(parents=True)
    writer = threading.Thread(target=trust.add, args=([path],))
    with (config_folder / "lamplighter" / "trusted.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        writer.start()
        writer.join(0.3)
        assert writer.is_alive()
        assert trust.trusted_files() == {}
    writer.join(10)
    assert list(trust.trusted_files()) == [trust.sha256(path)]


def program(path: Path, reason: str = "it asks for posix.system") -> trust.Program:
    return trust.Program(str(path), trust.sha256(path), reason)


def test_what_is_not_listed_is_refused_with_reason_hash_and_remedy(tmp_path: Path) -> None:
    known, first, second = (file_with(tmp_path, name, f"{name} 1.pt") for name in ("known", "first", "second"))
    trust.add([known])
    with pytest.raises(UntrustedModelError) as refusal:
        trust.require([program(known), program(first), program(second, "a TorchScript file is a program")])
    message = str(refusal.value)
    for part in ("posix.system", "TorchScript", trust.sha256(first), f"lamplighter trust '{first}' '{second}'"):
        assert part in message
    assert trust.sha256(known) not in message
    assert trust.require([program(known)]) == [trust.sha256(known)]
    assert trust.require([]) == []


def test_a_flag_puts_files_on_the_list(tmp_path: Path) -> None:
    path = file_with(tmp_path, "weights")
    trust.require([program(path)], trust=True)
    assert trust.is_trusted(trust.sha256(path))


def test_what_another_rank_found_allowed_is_allowed_for_this_process_alone(tmp_path: Path) -> None:
    path = file_with(tmp_path, "weights")
    trust.allow([trust.sha256(path)])
    trust.require([program(path)])
    assert trust.trusted_files() == {}


@pytest.mark.parametrize(("answer", "trusted"), [("y\n", True), ("\n", False), ("no\n", False), ("", False)])
def test_a_person_at_the_terminal_is_asked_and_yes_trusts(tmp_path: Path, answer: str, trusted: bool) -> None:
    """On a terminal of its own, as a person has it."""
    path = file_with(tmp_path, "weights")
    code = (
        "import sys\nfrom lamplighter.model_files import trust\n"
        f"each = trust.Program({str(path)!r}, trust.sha256({str(path)!r}), 'it asks for posix.system')\n"
        "try:\n    trust.require([each], ask=True); print('went on')\n"
        "except Exception as problem:\n    print(type(problem).__name__)\n"
    )
    ours, theirs = pty.openpty()
    child = subprocess.Popen([sys.executable, "-c", code], stdin=theirs, stderr=theirs, stdout=subprocess.PIPE)
    os.write(ours, (answer or "\x04").encode())
    said = child.communicate(timeout=60)[0].decode().strip()
    asked = os.read(ours, 4000).decode()
    os.close(ours)
    os.close(theirs)
    assert "it asks for posix.system" in asked
    assert asked.count("[y/N]") == 1
    assert said == ("went on" if trusted else "UntrustedModelError")
    assert trust.is_trusted(trust.sha256(path)) == trusted


def test_a_missing_model_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"missing\.pt cannot be read: No such file"):
        trust.sha256(tmp_path / "missing.pt")
    with pytest.raises(ModelError, match="missing"):
        trust.add([file_with(tmp_path, "weights"), tmp_path / "missing.pt"])
    assert trust.trusted_files() == {}


def test_a_spoiled_list_is_named(config_folder: Path) -> None:
    (config_folder / "lamplighter").mkdir(parents=True)
    (config_folder / "lamplighter" / "trusted.json").write_text("{")
    with pytest.raises(LamplighterError, match=r"trusted\.json is not valid"):
        trust.is_trusted("0" * 64)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, config_folder: Path) -> None:
    config_folder.write_text("a file where the folder should be")
    with pytest.raises(LamplighterError, match="set XDG_CONFIG_HOME"):
        trust.add([file_with(tmp_path, "weights")])


def test_the_list_lies_under_home_where_xdg_says_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME")
    assert trust.list_path() == tmp_path / ".config" / "lamplighter" / "trusted.json"
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative/is/ignored")
    assert trust.list_path() == tmp_path / ".config" / "lamplighter" / "trusted.json"


def test_the_command_adds_lists_and_removes(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(trust_command)
    first, second = file_with(tmp_path, "1", "1.pt"), file_with(tmp_path, "2", "2.pt")
    runner = CliRunner()
    added = runner.invoke(app, [str(first), str(second)])
    assert added.exit_code == 0
    assert f"trusted: {first}  sha256 {trust.sha256(first)}" in added.output
    assert f"Note: {first} looks like no model of a framework that is known here" in added.output
    model = Path(__file__).parents[2] / "examples" / "ec_emc" / "models" / "ec_emc_0.model"
    known = runner.invoke(app, [str(model)])
    assert (known.exit_code, "Note" in known.output) == (0, False)
    assert runner.invoke(app, ["--remove", str(model)]).exit_code == 0
    listed = runner.invoke(app, ["--list"]).output
    assert str(first) in listed
    assert trust.sha256(second) in listed
    assert runner.invoke(app, ["--remove", str(first), "--remove", trust.sha256(second)[:10]]).exit_code == 0
    assert "no file is trusted yet" in runner.invoke(app, ["--list"]).output
    assert runner.invoke(app, []).exit_code == 2
