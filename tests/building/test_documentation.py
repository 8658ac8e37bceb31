"""docs/reference/recipe.md names every key, docs/how_to/build.md every molecule."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from pydantic import BaseModel

from lamplighter.building import library
from lamplighter.building.recipe import Recipe
from lamplighter.config.potential import PotentialSection

DOCS = Path(__file__).parents[2] / "docs"


def keys_of(section: type[BaseModel], path: str = "") -> set[str]:
    found: set[str] = set()
    for name, field in section.model_fields.items():
        found.add(f"{path}{name}")
        for kind in get_args(field.annotation) or (field.annotation,):
            if isinstance(kind, type) and issubclass(kind, BaseModel) and kind is not PotentialSection:
                of_list = "[]" if "list" in str(field.annotation) else ""
                found |= keys_of(kind, f"{path}{name}{of_list}.")
    return found


def test_the_table_has_every_key_and_no_other() -> None:
    page = (DOCS / "reference" / "recipe.md").read_text(encoding="utf-8")
    keys = keys_of(Recipe)
    assert {"components[].molality", "box.vacuum", "equilibration.scale"} <= keys
    assert set(re.findall(r"^\| `([a-z_.\[\]]+)` \|", page, re.M)) == keys


def test_the_page_has_every_molecule_with_its_number_and_source() -> None:
    page = (DOCS / "how_to" / "build.md").read_text(encoding="utf-8")
    for entry in library.molecules().values():
        row = next(line for line in page.splitlines() if line.startswith(f"| `{entry.name}` |"))
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert cells[1] == entry.title
        assert cells[2] == (f"{entry.cas} ({entry.of})" if entry.of else entry.cas)
        assert cells[3] == ("" if entry.density is None else f"{entry.density:g}")
        assert cells[4] == ("" if entry.temperature is None else f"{entry.temperature:g} °C")
        assert (entry.source or "") in cells[5]
        assert (entry.checked or "") in cells[5]
    for salt in library.salts():
        assert f"`{salt}`" in page
