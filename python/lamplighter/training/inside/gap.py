"""What `gap_fit` takes: `gap.py ANSWER.json` writes versions and settings, from its own help."""

import json
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

if __name__ == "__main__":
    versions = {"quippy-ase": version("quippy-ase")}
    words = [sys.executable, "-c", "from quippy.cli import gap_fit; gap_fit()", "--help"]
    said = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    known = sorted(set(re.findall(r"^(\w+) type=", said, re.MULTILINE)))
    if "default_sigma" not in known:
        sys.exit(f"gap_fit --help does not say what it takes: {said[-200:]!r}")
    Path(sys.argv[1]).write_text(json.dumps({"settings": known, "versions": versions}), encoding="utf-8")
