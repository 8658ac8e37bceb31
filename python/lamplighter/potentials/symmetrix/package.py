"""Symmetrix-XL: whether it is here, and its kernels for a device. A process loads one set of kernels, for good.

Its frontend and the kernels for CPUs are the package `symmetrix-xl` (MIT licence); kernels for GPUs are packages of
their own, one for each CUDA and architecture, which have the same classes.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import os
from collections.abc import Iterator
from typing import Any

import torch

from lamplighter.errors import EnvironmentProblem
from lamplighter.model_files import tested_versions

NAME = "symmetrix"


def kernels(device: torch.device) -> Any:
    """The module with the evaluators for a device, ready to be used.

    Raises:
        EnvironmentProblem: the package is not installed, or has no kernels for the device.
        ModelError: it is newer than what is tested.
    """
    package = _package()
    tested_versions.require_tested(NAME)
    selector = _selector(package, device)
    try:
        loaded = package.load_backend(selector)
    except ImportError as problem:
        raise EnvironmentProblem(f"the kernels {selector} of Symmetrix-XL cannot be loaded: {problem}") from problem
    if not loaded._kokkos_is_initialized():
        settings = {"KOKKOS_NUM_THREADS": str(torch.get_num_threads()), "KOKKOS_DISABLE_WARNINGS": "1"}
        if device.type == "cuda":
            settings["KOKKOS_DEVICE_ID"] = str(device.index or 0)
        with _environment(settings):
            loaded._init_kokkos()
    return loaded


def version() -> str:
    """Of the installed package."""
    return importlib.metadata.version("symmetrix-xl")


def _package() -> Any:
    try:
        package = importlib.import_module("symmetrix")
        package.available_backends  # noqa: B018 (another package has this name, and no such function)
    except (ImportError, AttributeError) as problem:
        [tested] = tested_versions.TESTED[NAME]
        raise EnvironmentProblem(
            f"engine symmetrix needs the package symmetrix-xl, which is not installed here ({problem}): "
            f"pip install '{tested.requirement}'"
        ) from problem
    return package


def _selector(package: Any, device: torch.device) -> str:
    """Which kernels: those that SYMMETRIX_BACKEND names if they are for the device, or the first that are."""
    installed = package.available_backends()
    if device.type == "cpu":
        fitting = [each["selector"] for each in installed if each["backend"] == "cpu"]
        wanted = "CPUs: pip install --force-reinstall symmetrix-xl"
    else:
        major, minor = torch.cuda.get_device_capability(device)
        architecture = f"sm{major}{minor}"
        fitting = [
            each["selector"] for each in installed if each["backend"] == "cuda" and each["architecture"] == architecture
        ]
        if torch.version.cuda is None:
            raise EnvironmentProblem(
                f"Symmetrix-XL has kernels for NVIDIA's GPUs alone, and {device} is none: use device cpu"
            )
        # all that there are are for CUDA 12, and bring its libraries
        wanted = (
            f"the GPU {device}, which is of {architecture}: pip install symmetrix-xl-cuda12-{architecture}, or use "
            "device cpu"
        )
    if not fitting:
        here = ", ".join(each["selector"] for each in installed) or "none"
        raise EnvironmentProblem(f"Symmetrix-XL has kernels here for {here}, and none for {wanted}")
    named = os.environ.get("SYMMETRIX_BACKEND")
    return str(named if named in fitting else fitting[0])


@contextlib.contextmanager
def _environment(settings: dict[str, str]) -> Iterator[None]:
    """Variables that Kokkos reads when it starts; whoever has set one means it."""
    added = {name: value for name, value in settings.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]
