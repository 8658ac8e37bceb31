"""Observables of a trajectory or a thermo table: one file an observable, pure functions of arrays."""
