"""The former place of `ClusterPotential` and `SystemPotential`, for packages of others: now `interface` has them."""

import warnings

from lamplighter.potentials.interface import (
    Cluster,
    ClusterPotential,
    ClusterResult,
    System,
    SystemPotential,
    SystemResult,
)

__all__ = ["Cluster", "ClusterPotential", "ClusterResult", "System", "SystemPotential", "SystemResult"]

warnings.warn(
    "lamplighter.potentials.positions is now part of lamplighter.potentials.interface: import its names from there",
    FutureWarning,
    stacklevel=2,
)
