"""Many runs from one file: a base run and axes become named runs, whose folders are the only record of how far each is."""
