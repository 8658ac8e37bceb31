"""Questions about runs, trajectories and models, answered in numbers with errors and units."""
