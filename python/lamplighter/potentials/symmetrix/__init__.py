"""The engine `symmetrix`: MACE by the kernels of another package, Symmetrix-XL, on one rank and on several."""
