"""The arrows of ARCHITECTURE.md: which room may import which, no circles, and no room that holds too much of the house.

Imports inside functions count; those for type checkers alone do not, nor those of names (`lamplighter.__init__` looks
its names up when they are asked for).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "python" / "lamplighter"
PAIR_STYLES = ROOT / "pair_styles"

GROUND = "ground"
"""The files beside the rooms: errors, words, places. They know no room, and every room may know them."""

DOOR = "door"
"""`lamplighter/__init__.py`, what `import lamplighter` offers: its version is known everywhere, and nothing else."""

ARROWS: dict[str, set[str]] = {
    GROUND: set(),
    DOOR: {"api"},
    "api": {"driver", "report", "observables", "run_folder", "model_files", "analysis", "structures", "config"}
    | {"campaign", "exporting", "building", "labelling", "learning", "training", "cluster"},
    "plugin": set(),
    "cluster": {DOOR},
    "config": set(),
    "structures": {"config"},
    "model_files": set(),
    "potentials": {"model_files", "plugin"},
    "analysis": {"structures"},
    "run_folder": {"analysis", "structures", "config"},
    "observables": {"run_folder", "analysis", "structures", "config"},
    "report": {"observables", "run_folder", "analysis", "structures", "config"},
    "driver": {"run_folder", "observables", "potentials", "model_files", "analysis", "structures", "config", "plugin"}
    | {"cluster"},
    "campaign": {"driver", "run_folder", "cluster", "config"},
    "building": {"potentials", "model_files", "analysis", "structures", "config", DOOR},
    "exporting": {"driver", "run_folder", "model_files", "analysis", "structures", "config"},
    "labelling": {"driver", "run_folder", "model_files", "structures", "config", "cluster", DOOR},
    "training": {"model_files", "structures", "config", DOOR},
    "learning": {"training", "labelling", "campaign", "building", "driver", "observables", "run_folder", "model_files"}
    | {"analysis", "structures", "config", "cluster"},
    "conformance": {"potentials", "driver", "config"},
    "scaling": {"driver", "cluster", "observables", "run_folder", "model_files", "analysis", "structures", "config"}
    | {DOOR},
    "cli": {
        "api",
        "building",
        "campaign",
        "scaling",
        "exporting",
        "report",
        "observables",
        "driver",
        "run_folder",
        "potentials",
    }
    | {"model_files", "plugin", "analysis", "structures", "config", "cluster", DOOR},
}
"""Which rooms each room may import, besides the ground and the version."""

LARGEST_SHARE = 0.17
"""Of the lines of the package, in one room."""


@cache
def modules() -> dict[str, Path]:
    """Files by the name of their module, without `lamplighter.`; the package itself is the empty name."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports() -> dict[str, set[str]]:
    """What each file imports of the package."""
    return {name: set(imported(path)) - {name} for name, path in modules().items()}


def imported(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    unseen = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if id(node) in unseen:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = ("lamplighter", *path.relative_to(PACKAGE).parts)[: -node.level] if node.level else ()
            module = ".".join([*package, *([node.module] if node.module else [])])
            names = [f"{module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.partition(".")[0] == "lamplighter":
                yield nearest(name.partition(".")[2])


def nearest(name: str) -> str:
    """The module that a name is, or is in."""
    while name not in modules():
        name = name.rpartition(".")[0]
    return name


def room(module: str) -> str:
    if not module:
        return DOOR
    first = module.partition(".")[0]
    return first if (PACKAGE / first).is_dir() else GROUND


def circles(graph: Mapping[str, set[str]]) -> set[frozenset[str]]:
    """The groups of nodes of which each reaches each (Tarjan's strongly connected components)."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    path: list[str] = []
    found = set()

    def visit(node: str) -> None:
        order[node] = lowest[node] = len(order)
        path.append(node)
        for other in graph[node]:
            if other not in order:
                visit(other)
            if other in path:
                lowest[node] = min(lowest[node], lowest[other])
        if lowest[node] == order[node]:
            group = frozenset(path[path.index(node) :])
            del path[path.index(node) :]
            if len(group) > 1:
                found.add(group)

    for node in graph:
        if node not in order:
            visit(node)
    return found


def test_a_circle_is_found_and_what_lies_beside_it_is_not() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set(), "e": {"d"}}
    assert circles(graph) == {frozenset("abc")}
    assert circles({"a": {"b"}, "b": set()}) == set()


def test_every_room_has_its_arrows_stated() -> None:
    assert {room(name) for name in modules()} == set(ARROWS)


def test_rooms_import_only_what_lies_below_them() -> None:
    against: dict[tuple[str, str], list[str]] = {}
    for name, others in imports().items():
        for other in others:
            arrow = room(name), room(other)
            if arrow[0] != arrow[1] and arrow[1] not in {GROUND, DOOR} | ARROWS[arrow[0]]:
                against.setdefault(arrow, []).append(f"{name} imports {other}")
    assert against == {}


def test_the_stated_arrows_have_no_circle() -> None:
    assert circles({name: others - {DOOR} for name, others in ARROWS.items()}) == set()
    for never, others in {
        "report": {"driver"},
        "analysis": {"run_folder", "observables", "driver"},
        "observables": {"driver", "report"},
        "run_folder": {"observables", "report", "driver"},
        "model_files": {"potentials"},
        **{name: {"cli"} for name in ARROWS if name != "cli"},
    }.items():
        assert not ARROWS[never] & others


def test_no_files_import_each_other_in_a_circle() -> None:
    """But for `__init__` files, which hold the names of their rooms and import the files that they name."""
    files = {name for name, path in modules().items() if path.name != "__init__.py"}
    assert circles({name: imports()[name] & files for name in files}) == set()


def test_no_room_is_a_sixth_of_the_house() -> None:
    lines: dict[str, int] = {}
    for name, path in modules().items():
        lines[room(name)] = lines.get(room(name), 0) + len(path.read_text().splitlines())
    shares = {name: n / sum(lines.values()) for name, n in lines.items()}
    assert {name: f"{share:.1%}" for name, share in shares.items() if share > LARGEST_SHARE} == {}


def test_no_cpp_files_include_each_other_in_a_circle() -> None:
    """A `.cpp` and its `.h` are one file here."""
    graph: dict[str, set[str]] = {}
    for path in [*PAIR_STYLES.rglob("*.cpp"), *PAIR_STYLES.rglob("*.h")]:
        others = re.findall(r'^\s*#include\s+"([^"]+)"', path.read_text(), re.MULTILINE)
        graph.setdefault(path.stem, set()).update(Path(other).stem for other in others)
    stems = set(graph)
    assert circles({name: others & stems - {name} for name, others in graph.items()}) == set()
