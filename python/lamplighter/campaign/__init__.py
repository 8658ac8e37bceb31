"""Many runs from one file: a base run and axes become named runs, whose folders say how far each is."""
