"""What MACE's own parser knows: `mace.py ANSWER.json` writes versions, and what each name of a setting means."""

import json
import sys
from importlib.metadata import version
from pathlib import Path

sys.path.pop(0)  # this folder, whose mace.py is not the package

if __name__ == "__main__":
    from mace.tools import build_default_arg_parser

    actions = [each for each in build_default_arg_parser()._actions if each.dest not in ("help", "config")]
    known = {name.lstrip("-"): each.dest for each in actions for name in each.option_strings}
    versions = {name: version(name) for name in ("mace-torch", "torch", "e3nn")}
    Path(sys.argv[1]).write_text(json.dumps({"settings": known, "versions": versions}), encoding="utf-8")
