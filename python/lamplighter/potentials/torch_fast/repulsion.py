"""The ZBL repulsion that MACE adds between atoms closer than the sum of their covalent radii."""

from __future__ import annotations

import numpy as np
import torch

from lamplighter.potentials.torch_fast.radial import Arrays, envelope

_EXPONENTS = (3.2, 0.9423, 0.4028, 0.2016)
_SCREENING_LENGTH = 0.529  # Å, as mace-torch has it
_COULOMB = 14.3996  # eV Å


class ScreenedRepulsion(torch.nn.Module):
    """Half of each pair's energy for its receiver. Source: Ziegler, Biersack, Littmark (1985), as in mace-torch."""

    lengths: torch.Tensor
    charges: torch.Tensor
    cutoffs: torch.Tensor
    weights: torch.Tensor
    exponents: torch.Tensor

    def __init__(self, arrays: Arrays) -> None:
        super().__init__()
        constants, radii = arrays["repulsion"], arrays["covalent_radii"]
        z = arrays["atomic_numbers"].astype(np.float64)
        self.power = round(float(constants[6]))
        powers = z ** constants[4]
        for name, values in (
            ("lengths", constants[5] * _SCREENING_LENGTH / (powers[:, None] + powers)),
            ("charges", 0.5 * _COULOMB * z[:, None] * z),
            ("cutoffs", radii[:, None] + radii),
            ("weights", constants[:4]),
            ("exponents", np.array(_EXPONENTS)),
        ):
            self.register_buffer(name, torch.from_numpy(np.array(values)))

    def forward(
        self, species: torch.Tensor, receivers: torch.Tensor, senders: torch.Tensor, r: torch.Tensor
    ) -> torch.Tensor:
        """Of the receivers, (npairs,) eV, by pairs at distances r (npairs,) Å."""
        i, j = species[receivers], species[senders]
        scaled = (r / self.lengths[i, j]).unsqueeze(1)
        screening = torch.exp(-self.exponents * scaled) @ self.weights
        energies: torch.Tensor = self.charges[i, j] / r * screening * envelope(r, self.cutoffs[i, j], self.power)
        return energies
