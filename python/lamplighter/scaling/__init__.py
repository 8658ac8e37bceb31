"""How long a step takes: over ranks, sizes, precisions and engines, measured within a budget of time.

`bench` decides what is measured next and keeps what was measured; each measurement is a program of its own (`worker`)
that `launch` starts on so many ranks. What the times say is asked by `observables.scaling`.
"""
