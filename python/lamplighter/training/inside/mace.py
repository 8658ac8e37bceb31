"""What MACE's own parser knows: `mace.py ANSWER.json` writes versions, and what each name of a setting means."""

import json
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

sys.path.pop(0)  # this folder, whose mace.py is not the package


def parser() -> Any:
    """MACE's parser, without what else its packages import: that is torch, and takes seconds."""
    found = find_spec("mace")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("No module named 'mace'")
    places = {"mace": Path(found.submodule_search_locations[0])}
    places["mace.tools"] = places["mace"] / "tools"
    for name, place in places.items():
        sys.modules[name] = package = ModuleType(name)
        package.__path__ = [str(place)]
    try:
        from mace.tools.arg_parser import build_default_arg_parser
    except ImportError:  # it needs them
        for name in [each for each in sys.modules if each.partition(".")[0] == "mace"]:
            del sys.modules[name]
        from mace.tools import build_default_arg_parser
    return build_default_arg_parser()


if __name__ == "__main__":
    actions = [each for each in parser()._actions if each.dest not in ("help", "config")]
    known = {name.lstrip("-"): each.dest for each in actions for name in each.option_strings}
    versions = {name: version(name) for name in ("mace-torch", "torch", "e3nn")}
    Path(sys.argv[1]).write_text(json.dumps({"settings": known, "versions": versions}), encoding="utf-8")
