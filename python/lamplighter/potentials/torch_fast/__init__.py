"""The engine `torch-fast`: MACE from the arrays of its compiled form, in torch, on any device, in its own order."""
