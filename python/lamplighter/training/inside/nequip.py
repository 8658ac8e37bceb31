"""What NequIP's and Allegro's model builders take: `nequip.py ANSWER.json` writes versions and settings."""

import inspect
import json
import sys
from importlib.metadata import version
from pathlib import Path

sys.path.pop(0)  # this folder, whose nequip.py is not the package

BUILDER = {"seed", "model_dtype", "type_names", "compile_mode"}  # of nequip.model.utils.model_builder itself


def names_of(*builders: object) -> list[str]:
    """Arguments of builders, of which each hands on to the next what it does not know."""
    found = set(BUILDER)
    for each in builders:
        taken = inspect.signature(each).parameters.values()  # type: ignore[arg-type]
        found |= {one.name for one in taken if one.kind is not inspect.Parameter.VAR_KEYWORD}
    return sorted(found)


if __name__ == "__main__":
    import lightning
    from nequip.model.nequip_models import FullNequIPGNNModel, NequIPGNNModel, PresetNequIPGNNModel

    known = {
        "nequip": names_of(PresetNequIPGNNModel, NequIPGNNModel, FullNequIPGNNModel),
        "trainer": names_of(lightning.Trainer),
    }
    versions = {name: version(name) for name in ("nequip", "torch", "e3nn", "lightning")}
    try:
        from allegro.model.allegro_models import AllegroModel, FullAllegroModel
    except ModuleNotFoundError:
        pass
    else:
        known["allegro"] = names_of(AllegroModel, FullAllegroModel)
        versions["nequip-allegro"] = version("nequip-allegro")
    Path(sys.argv[1]).write_text(json.dumps({"settings": known, "versions": versions}), encoding="utf-8")
