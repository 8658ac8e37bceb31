"""The sum over the neighbours of an atom as products of matrices."""

import torch
from torch.nn.functional import embedding


class Convolution:
    """What an interaction's tensor product and the sum over neighbours do together.

    Args:
        product: e3nn's tensor product of features and harmonics, weighted by the radial functions.

    Raises:
        NotImplementedError: it is of another kind than MACE's.
    """

    def __init__(self, product):
        irreps, harmonics, out = product.irreps_in1, product.irreps_in2, product.irreps_out
        channels = {mul for mul, _ in irreps}
        if len(channels) != 1 or any(mul != 1 for mul, _ in harmonics):
            raise NotImplementedError("other numbers of channels in different degrees")
        self.channels = channels.pop()
        self.components = [ir.dim for _, ir in irreps]
        self.paths, matrices = [], []
        for number, each in enumerate(product.instructions):
            if each.connection_mode != "uvu" or not each.has_weight:
                raise NotImplementedError(f"a tensor product of the kind {each.connection_mode}")
            coupling = self._coupling(product, number)
            columns = torch.zeros(harmonics.dim, coupling.shape[0] * coupling.shape[2], dtype=coupling.dtype)
            columns[harmonics.slices()[each.i_in2]] = coupling.transpose(0, 1).flatten(1)
            matrices.append(columns)
            self.paths.append((each.i_in1, out[each.i_out].ir.dim))
        self.couplings = torch.cat(matrices, dim=1)
        self.columns = [each.shape[1] for each in matrices]
        self.order = sorted(range(len(self.paths)), key=lambda p: out.slices()[product.instructions[p].i_out].start)

    def _coupling(self, product, number):
        """The coefficients of a path, (2 l1 + 1, 2 l2 + 1, 2 l3 + 1), read off the product itself."""
        path = product.instructions[number]
        first, second = product.irreps_in1.slices()[path.i_in1], product.irreps_in2.slices()[path.i_in2]
        n1, n2 = product.irreps_in1[path.i_in1].ir.dim, product.irreps_in2[path.i_in2].ir.dim
        features = torch.zeros(n1, n2, product.irreps_in1.dim)
        harmonics = torch.zeros(n1, n2, product.irreps_in2.dim)
        features[range(n1), :, range(first.start, first.start + n1)] = 1.0
        harmonics[:, range(n2), range(second.start, second.stop)] = 1.0
        weights = torch.zeros(n1 * n2, product.weight_numel)
        weights[:, number * self.channels] = 1.0
        found = product(features.flatten(0, 1), harmonics.flatten(0, 1), weights)
        begin = product.irreps_out.slices()[path.i_out].start
        return found[:, begin : begin + product.irreps_out[path.i_out].ir.dim].view(n1, n2, -1)

    def __call__(self, features, harmonics, radial, pairs):
        """Sums of all atoms, as e3nn lays them out.

        Args:
            features: Of atoms, as e3nn lays them out, (n_atoms, width).
            harmonics, radial: Of the rows of `pairs`, (rows, width).
            pairs: Which rows are whose.
        """
        n_atoms, channels = len(features), self.channels
        widths = [channels * each for each in self.components]
        parts = features.split(widths, dim=1)
        # components before channels: what is done for each pair then goes along whole rows
        rows = [part.view(n_atoms, channels, -1).transpose(1, 2).flatten(1) for part in parts]
        sent = torch.cat(rows, dim=1)
        found = []
        for (atoms, slots), senders, coupled, functions in zip(
            pairs.blocks,
            pairs.index[0].split(pairs.rows),
            (harmonics @ self.couplings).split(pairs.rows),
            radial.split(pairs.rows),
            strict=True,
        ):
            of_senders = embedding(senders, sent).split(widths, dim=1)
            sums = []
            for (part, dim), function, coefficients in zip(
                self.paths, functions.split(channels, dim=1), coupled.split(self.columns, dim=1), strict=True
            ):
                components = self.components[part]
                mine = of_senders[part].view(-1, components, channels)
                weighted = (function.unsqueeze(1) * mine).view(atoms, slots * components, channels)
                matrix = coefficients.reshape(atoms, slots * components, dim)
                sums.append(torch.bmm(matrix.transpose(1, 2), weighted))
            found.append(torch.cat([sums[path] for path in self.order], dim=1))
        by_atom = torch.cat(found).index_select(0, pairs.place)
        dims = [self.paths[path][1] for path in self.order]
        return torch.cat([each.transpose(1, 2).flatten(1) for each in by_atom.split(dims, dim=1)], dim=1)
