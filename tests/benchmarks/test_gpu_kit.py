"""The kit for GPU machines: wheels are stripped so that pip still takes them, divided, and checked."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks" / "gpu"))

import kit  # noqa: E402

WHEEL = "thing-1.0-py3-none-any.whl"
METADATA = """Metadata-Version: 2.1
Name: thing
Version: 1.0
Requires-Dist: numpy>=2
Requires-Dist: tomli; python_version < "3.11"
Requires-Dist: rich; extra == "pretty"
"""


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A wheel of a package with examples, with the RECORD of its files."""
    folder = tmp_path / "tree"
    info = folder / "thing-1.0.dist-info"
    examples = folder / "thing" / "share" / "lammps" / "examples"
    for each in (info, examples):
        each.mkdir(parents=True)
    (folder / "thing" / "__init__.py").write_text("here = True\n")
    (examples / "in.melt").write_text("run 0\n" * 100)
    (info / "METADATA").write_text(METADATA)
    (info / "WHEEL").write_text("Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    rows = [
        (path.relative_to(folder).as_posix(), hashlib.sha256(path.read_bytes()).digest())
        for path in sorted(each for each in folder.rglob("*") if each.is_file())
    ]
    record = "".join(f"{name},sha256={base64.urlsafe_b64encode(each).rstrip(b'=').decode()},1\n" for name, each in rows)
    made = tmp_path / WHEEL
    with zipfile.ZipFile(made, "w") as archive:
        for name, _ in rows:
            archive.write(folder / name, name)
        archive.writestr("thing-1.0.dist-info/RECORD", record + "thing-1.0.dist-info/RECORD,,\n")
    return made


def test_a_stripped_wheel_is_smaller_whole_and_taken_by_pip(wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    made = kit.stripped(wheel, tmp_path / "out")
    kit.require_whole(made)
    names = zipfile.ZipFile(made).namelist()
    assert "thing/__init__.py" in names
    assert not any("examples" in each for each in names)
    words = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-index",
        "--no-deps",
        "--target",
        tmp_path / "site",
        made,
    ]
    subprocess.run(words, check=True)
    assert (tmp_path / "site" / "thing" / "__init__.py").is_file()


def test_a_wheel_that_was_changed_is_refused(wheel: Path, tmp_path: Path) -> None:
    changed = tmp_path / "changed" / WHEEL
    changed.parent.mkdir()
    with zipfile.ZipFile(wheel) as given, zipfile.ZipFile(changed, "w") as new:
        for each in given.infolist():
            content = given.read(each)
            new.writestr(each, content.replace(b"True", b"None"))
    with pytest.raises(kit.KitError, match=r"thing/__init__.py is not what its RECORD says"):
        kit.require_whole(changed)


def test_requirements_are_those_of_the_machine_and_not_of_this_one(wheel: Path) -> None:
    assert [str(each) for each in kit.requirements_of(wheel, [], (3, 12))] == ["numpy>=2"]
    assert [each.name for each in kit.requirements_of(wheel, ["pretty"], (3, 10))] == ["numpy", "tomli", "rich"]


@pytest.mark.parametrize(
    "name",
    ["thing-1.0-cp311-cp311-manylinux_2_17_x86_64.whl", "thing-1.0-py3-none-manylinux_2_28_aarch64.whl",
     "thing-1.0-py2-none-any.whl"],
)  # fmt: skip
def test_wheels_of_another_python_or_processor_are_refused(name: str) -> None:
    with pytest.raises(kit.KitError, match=r"is not for Python 3.12 on x86-64"):
        kit.require_fitting(Path(name), (3, 12))


def test_wheels_of_the_machine_are_taken() -> None:
    for tags in ("cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64", "cp310-abi3-manylinux_2_28_x86_64",
                 "py3-none-any", "py3-none-linux_x86_64"):  # fmt: skip
        kit.require_fitting(Path(f"thing-1.0-{tags}.whl"), (3, 12))


def test_parts_hold_everything_once_and_no_more_than_their_size() -> None:
    sizes = {"a": 40, "b": 30, "c": 25, "d": 20, "e": 5}
    parts = kit.in_parts(sizes, 60)
    assert sorted(name for part in parts for name in part) == list(sizes)
    assert all(sum(sizes[name] for name in part) <= 60 for part in parts)
    assert len(parts) == 2
    with pytest.raises(kit.KitError, match="a has 40 bytes, and a part takes 39"):
        kit.in_parts(sizes, 39)


def test_libraries_of_cuda_are_not_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They come with the machine's torch, and are larger than a part."""
    needed = [
        Requirement(each) for each in ("nvidia-cublas-cu12>=12", "nvidia-cuda-nvrtc-cu12", "nvidia-ml-py", "numpy")
    ]
    monkeypatch.setattr(kit, "requirements_of", lambda wheel, *_: needed if "kernels" in wheel.name else [])
    monkeypatch.setattr(kit, "_downloaded", lambda wanted, folder, _: folder / f"{wanted.name}-1.0-py3-none-any.whl")
    own = tmp_path / "lamplighter-1.0-py3-none-any.whl"
    found = kit.gather(own, tmp_path, {"numpy": ""}, (3, 12), ("lamplighter[mace]", "kernels"))
    assert set(found) == {"lamplighter", "kernels", "nvidia-ml-py"}


def test_names_are_read_from_what_pip_prints() -> None:
    found = kit.present_in("# seen\nTyping_Extensions==4.1\ntorch==2.11.0+cu130\nnumpy\n\n")
    assert found == {"typing-extensions": "4.1", "torch": "2.11.0+cu130", "numpy": ""}
