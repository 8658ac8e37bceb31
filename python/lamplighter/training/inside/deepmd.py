"""What the sections of DeePMD-kit's input take: `deepmd.py ANSWER.json` writes versions and settings."""

import json
import sys
from importlib.metadata import version
from pathlib import Path

sys.path.pop(0)  # this folder, whose deepmd.py is not the package


def names_of(section: object) -> list[str]:
    """Keys of a section, those of all its variants among them."""
    found = set(section.sub_fields)  # type: ignore[attr-defined]
    for variant in section.sub_variants.values():  # type: ignore[attr-defined]
        found.add(variant.flag_name)
        for choice in variant.choice_dict.values():
            found |= set(choice.sub_fields)
    return sorted(found)


if __name__ == "__main__":
    import deepmd.tf  # noqa: F401  (whose program trains)
    from deepmd.utils.argcheck import gen_args

    known = {section.name: names_of(section) for section in gen_args()}
    versions = {name: version(name) for name in ("deepmd-kit", "tensorflow-cpu")}
    Path(sys.argv[1]).write_text(json.dumps({"settings": known, "versions": versions}), encoding="utf-8")
