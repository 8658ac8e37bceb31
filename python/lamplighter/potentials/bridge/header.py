"""`pair_styles/bridge.h` in ctypes: the structs that cross the C interface.

Field for field the same as the header, which documents them; `VERSION` guards against a mismatch.
"""

from __future__ import annotations

from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_double, c_int, c_int32, c_int64, c_void_p

VERSION = 9
USE_BRIDGE = 2
LIST, PAIRS, SYSTEM = 0, 1, 2


class Request(Structure):
    _fields_ = [
        ("pair", c_void_p),
        ("dtype", c_char_p),
        ("device", c_char_p),
        ("kind", c_char_p),
        ("engine", c_char_p),
        ("head", c_char_p),
        ("training_set", c_char_p),
        ("committee", c_int32),
        ("nmodels", c_int32),
        ("models", POINTER(c_char_p)),
        ("wanted", c_int32),
        ("ntypes", c_int32),
        ("elements", POINTER(c_char_p)),
        ("rank", c_int32),
        ("nranks", c_int32),
        ("tf32", c_int32),
    ]


class Model(Structure):
    _fields_ = [("handle", c_int64), ("cutoff", c_double), ("takes", c_int32), ("lacks_virial", c_int32)]


class Step(Structure):
    _fields_ = [
        ("nlocal", c_int64),
        ("ntotal", c_int64),
        ("rebuilt", c_int32),
        ("peratom", c_int32),
        ("virial_wanted", c_int32),
        ("type", c_void_p),
        ("absent", c_void_p),
        ("npairs", c_int64),
        ("pair_capacity", c_int64),
        ("pair_i", c_void_p),
        ("pair_j", c_void_p),
        ("rij", c_void_p),
        ("fij", c_void_p),
        ("nlist", c_int64),
        ("list_capacity", c_int64),
        ("list_i", c_void_p),
        ("list_j", c_void_p),
        ("list_j_x", c_void_p),
        ("tag", c_void_p),
        ("cell", c_double * 9),
        ("periodic", c_int32 * 3),
        ("nx", c_int64),
        ("x", c_void_p),
        ("f", c_void_p),
        ("virial", c_void_p),
        ("vatom", c_void_p),
        ("atom_capacity", c_int64),
        ("eatoms", c_void_p),
        ("energy", c_double),
        ("extrapolation", c_void_p),
    ]


OPEN = CFUNCTYPE(c_int, POINTER(Request), POINTER(Model))
COMPUTE = CFUNCTYPE(c_int, c_int64, POINTER(Step))
CLOSE = CFUNCTYPE(None, c_int64)
MESSAGE = CFUNCTYPE(c_void_p)
COMPILE = CFUNCTYPE(c_int, POINTER(Request), c_void_p, c_int32)


class ExchangeTotals(Structure):
    _fields_ = [("seconds", c_double), ("waiting", c_double), ("rounds", c_int64), ("bytes", c_int64)]


class Bridge(Structure):
    _fields_ = [
        ("version", c_int32),
        ("open", OPEN),
        ("compute", COMPUTE),
        ("close", CLOSE),
        ("message", MESSAGE),
        ("compile", COMPILE),
    ]
