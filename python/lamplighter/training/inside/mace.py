"""What MACE's own parser knows: `mace.py ANSWER.json` writes versions and settings."""

import json
import sys
from importlib.metadata import version
from pathlib import Path

sys.path.pop(0)  # this folder, whose mace.py is not the package

if __name__ == "__main__":
    from mace.tools import build_default_arg_parser

    known = sorted({each.dest for each in build_default_arg_parser()._actions} - {"help", "config"})
    versions = {name: version(name) for name in ("mace-torch", "torch", "e3nn")}
    Path(sys.argv[1]).write_text(json.dumps({"settings": known, "versions": versions}), encoding="utf-8")
