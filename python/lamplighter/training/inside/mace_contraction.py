"""MACE's symmetric contraction as polynomials: of all products of up to three numbers few have a coefficient."""

import torch


class Contraction:
    """One degree of a symmetric contraction.

    Args:
        contraction: MACE's module; its weights stay in it.

    Raises:
        NotImplementedError: it has products of more than three numbers.
    """

    def __init__(self, contraction):
        if contraction.correlation > 3:
            raise NotImplementedError(f"correlation {contraction.correlation}")
        tensors = [contraction.U_tensors(order + 1) for order in range(contraction.correlation)]
        # scalars have no axis of components
        tensors = [each if each.ndim == order + 3 else each[None] for order, each in enumerate(tensors)]
        self.components = len(tensors[0])
        terms = [(each.abs() > 1e-12).nonzero() for each in tensors]
        monomials = [sorted({tuple(sorted(row[1:-1])) for row in each.tolist()}) for each in terms]
        singles, pairs, triples = (*monomials, [], [])[:3]
        pairs = sorted({*pairs, *(each[:2] for each in triples)})
        starts = (0, len(singles), len(singles) + len(pairs))
        place = {
            each: start + number
            for start, products in zip(starts, (singles, pairs, triples), strict=True)
            for number, each in enumerate(products)
        }
        self.weights = [each.shape[-1] for each in tensors]
        matrix = tensors[0].new_zeros(self.components, sum(self.weights), len(place))
        for order, (tensor, found) in enumerate(zip(tensors, terms, strict=True)):
            before = sum(self.weights[:order])
            for row in found.tolist():
                matrix[row[0], before + row[-1], place[tuple(sorted(row[1:-1]))]] += tensor[tuple(row)]
        self.matrix = matrix.flatten(0, 1)
        self.singles = torch.tensor([each[0] for each in singles], dtype=torch.long)
        self.pairs = torch.tensor(pairs, dtype=torch.long).reshape(-1, 2).T
        number = {each: k for k, each in enumerate(pairs)}
        factors = [(number[each[:2]], each[2]) for each in triples]
        self.triples = torch.tensor(factors, dtype=torch.long).reshape(-1, 2).T

    def __call__(self, contraction, sums, elements):
        """What the module itself gives.

        Args:
            contraction: The module.
            sums: (n_atoms, channels, components).
            elements: Of the atoms, one-hot, (n_atoms, elements).
        """
        n_atoms, channels, _ = sums.shape
        a = sums.permute(2, 0, 1).contiguous()
        pairs = a.index_select(0, self.pairs[0]) * a.index_select(0, self.pairs[1])
        triples = pairs.index_select(0, self.triples[0]) * a.index_select(0, self.triples[1])
        products = torch.cat((a.index_select(0, self.singles), pairs, triples)).flatten(1)
        of_paths = (self.matrix @ products).view(self.components, -1, n_atoms, channels)
        by_order = (contraction.weights_max, *contraction.weights)  # the highest first
        weights = torch.einsum("be,ekc->kbc", elements, torch.cat(by_order[::-1], dim=1))
        return (of_paths * weights).sum(dim=1).permute(1, 2, 0).flatten(1)
