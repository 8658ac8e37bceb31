"""Parts of the comparison with other MACE evaluators are kept between runs, of one machine and its versions."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
HERE: dict[str, Any] = {"machine": {"cpu": "this one"}, "versions": {"torch": "2.13.0"}}


@pytest.fixture
def peers(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.delitem(sys.modules, "native", raising=False)  # the benchmark of that name
    return importlib.import_module("peers")


def test_parts_of_an_earlier_run_stay(peers: ModuleType, tmp_path: Path) -> None:
    assert peers.earlier_rows(tmp_path, HERE) == []
    row = {"shape": "foundation", "dtype": "float32", "peer": "ase"}
    (tmp_path / "peers.json").write_text(json.dumps({**HERE, "rows": [row]}), encoding="utf-8")
    assert peers.earlier_rows(tmp_path, HERE) == [row]
    assert peers.part_of({**row, "dtype": "float64"}) < peers.part_of(row)


@pytest.mark.parametrize("other", [{"machine": {"cpu": "another"}}, {"versions": {"torch": "2.12.0"}}])
def test_parts_of_another_machine_or_version_are_not_mixed_in(
    peers: ModuleType, tmp_path: Path, other: dict[str, Any]
) -> None:
    (tmp_path / "peers.json").write_text(json.dumps({**HERE, **other, "rows": []}), encoding="utf-8")
    with pytest.raises(SystemExit, match=rf"peers\.json is of {next(iter(other))} .*--out"):
        peers.earlier_rows(tmp_path, HERE)
