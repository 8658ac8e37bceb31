"""Settings of a MACE of some hundred numbers, which `mace_run_train` trains in seconds."""

TINY = {
    "num_interactions": 1,
    "hidden_irreps": "4x0e",
    "max_ell": 1,
    "correlation": 1,
    "r_max": 3.0,
    "num_radial_basis": 4,
    "radial_MLP": "[8]",
    "batch_size": 4,
    "default_dtype": "float32",
    "lr": 0.01,
}
