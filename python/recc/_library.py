"""The C interface of recc (recc.h) as ctypes has it."""

import ctypes
import operator
import os
import pathlib
from ctypes import POINTER, byref, c_char_p, c_double, c_int32, c_int64, c_void_p

INTERFACE_VERSION = 1
OK, BAD_CALL, PROBLEM = 0, 1, 2
INPUTS, PARAMETERS, OUTPUTS, LOSSES, STATES, GRADIENTS = range(6)
STREAM, OPTIONAL, TRAINED, COMPLEX = 1, 2, 4, 8


class Tensor(ctypes.Structure):
    _fields_ = [
        ("name", c_char_p),
        ("data", c_void_p),
        ("shape", POINTER(c_int64)),
        ("rank", c_int32),
        ("type", c_int32),
    ]


class Port(ctypes.Structure):
    _fields_ = [
        ("name", c_char_p),
        ("shape", POINTER(c_int64)),
        ("axes", POINTER(c_char_p)),
        ("rank", c_int32),
        ("type", c_int32),
        ("flags", c_int32),
    ]


class ProblemParts(ctypes.Structure):
    _fields_ = [
        ("id", c_char_p),
        ("message", c_char_p),
        ("help", c_char_p),
        ("file", c_char_p),
        ("line", c_int64),
        ("column", c_int64),
        ("text", c_char_p),
    ]


class _Threads:
    """A number of threads. Of one that is too large ctypes would take the lowest bits; the library is to refuse it."""

    @classmethod
    def from_param(cls, count):
        return c_int32(max(-1, min(operator.index(count), 2**31 - 1)))


_handle, _place = c_void_p, POINTER(c_void_p)
_texts, _tensors = POINTER(c_char_p), POINTER(Tensor)
_port, _ports = POINTER(Port), [c_void_p, c_int32, c_int64, POINTER(Port), _place]

# The arguments of each function; those that give a status raise what they report.
_FUNCTIONS = {
    "load": [c_char_p, _texts, _tensors, c_int64, _place, _place],
    "compile": [c_char_p, c_char_p, _texts, _tensors, c_int64, _place, _place],
    "model_with_parameters": [_handle, _tensors, c_int64, _place, _place],
    "model_save": [_handle, c_char_p, _place],
    "model_dim": [_handle, c_int64, POINTER(c_char_p), POINTER(c_int64), _place],
    "model_port": _ports,
    "model_parameter": [_handle, c_int64, _tensors, _place],
    "run": [_handle, _tensors, c_int64, _handle, _Threads, _place, _place],
    "results_tensor": [_handle, c_int32, c_int64, _tensors, _place],
    "results_state": [_handle, _place, _place],
    "state_load": [c_char_p, _place, _place],
    "state_save": [_handle, c_char_p, _place],
    "state_tensor": [_handle, c_int64, _tensors, _place],
    "stream_open": [_handle, _tensors, c_int64, c_int64, c_int64, _handle, _place, _place],
    "stream_port": _ports,
    "stream_input": [_handle, c_char_p, c_int64, _place, POINTER(c_int64), _place],
    "stream_output": [_handle, c_char_p, c_int64, _place, POINTER(c_int64), _place],
    "stream_step": [_handle, c_int64, _place],
    "stream_draft": [_handle, c_int64, _place],
    "stream_accept": [_handle, c_int64, _place],
    "stream_reset": [_handle, _place],
    "stream_snapshot": [_handle, _place, _place],
    "stream_restore": [_handle, _handle, _place],
    "stream_state": [_handle, _place, _place],
    "stream_resume": [_handle, _handle, _place],
    "gradient_open": [_handle, _texts, _texts, c_int64, _place, _place],
    "gradient_run": [_handle, _tensors, c_int64, _Threads, _place, _place],
    "verify": [c_char_p, c_char_p, _texts, c_double, POINTER(c_int32), _place, _place],
    "explain": [_handle, _handle, c_int64, c_int64, _Threads, c_int32, _place, _place],
}
_VALUES = {
    "interface_version": (c_int32, []),
    "version": (c_char_p, []),
    "error_text": (c_char_p, [_handle]),
    "error_count": (c_int64, [_handle]),
    "error_problem": (c_int32, [_handle, c_int64, POINTER(ProblemParts)]),
    "model_name": (c_char_p, [_handle]),
    "model_dim_count": (c_int64, [_handle]),
    "model_port_count": (c_int64, [_handle, c_int32]),
    "results_count": (c_int64, [_handle, c_int32]),
    "state_begin": (c_void_p, []),
    "state_count": (c_int64, [_handle]),
    "stream_port_count": (c_int64, [_handle, c_int32]),
    "stream_step_count": (c_int64, [_handle]),
    "text_free": (None, [c_void_p]),
    **{f"{kind}_free": (None, [_handle]) for kind in ("error", "model", "results", "state", "stream", "snapshot", "gradient")},
}


def _candidates():
    """Where the library may lie: where RECC_LIBRARY says, beside this file, or as a checkout of recc has built it."""
    if named := os.environ.get("RECC_LIBRARY"):
        return [pathlib.Path(named)]
    here = pathlib.Path(__file__).resolve().parent
    builds = here.parent.parent / ".build"
    return [here / "librecc-c.so", builds / "release" / "librecc-c.so", builds / "debug" / "librecc-c.so"]


def _open():
    places = _candidates()
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise ImportError(
            "recc's library is not there; looked for it as " + ", ".join(map(str, places)) + ".\n"
            "'make python' in a checkout of recc builds a wheel that holds it; RECC_LIBRARY names one that was built already."
        )
    try:
        library = ctypes.CDLL(str(found))
        version = library.recc_interface_version()
    except (OSError, AttributeError) as error:
        raise ImportError(f"{found} cannot be loaded: {error}") from None
    if version != INTERFACE_VERSION:
        raise ImportError(f"{found} has version {version} of recc's interface, and this package needs version {INTERFACE_VERSION}")
    return library


_library = _open()
for _name, _arguments in _FUNCTIONS.items():
    _function = getattr(_library, "recc_" + _name)
    _function.argtypes, _function.restype = _arguments, c_int32
for _name, (_result, _arguments) in _VALUES.items():
    _function = getattr(_library, "recc_" + _name)
    _function.argtypes, _function.restype = _arguments, _result


def value(name, *arguments):
    """What a function that cannot fail gives."""
    return getattr(_library, "recc_" + name)(*arguments)


def call(name, *arguments):
    """Calls a function that can fail.

    Raises recc.Error with what it reports.
    """
    error = c_void_p()
    if getattr(_library, "recc_" + name)(*arguments, byref(error)) != OK:
        from ._errors import Error

        raise Error._taken(error)


def filled(structure, name, *arguments):
    """A structure that a function fills."""
    result = structure()
    call(name, *arguments, byref(result))
    return result


class Handle:
    """A handle of the library, which is freed along with the last object that holds it."""

    __slots__ = ("pointer", "_free", "__weakref__")

    def __init__(self, kind, pointer):
        self.pointer = pointer
        self._free = getattr(_library, f"recc_{kind}_free")

    @classmethod
    def made(cls, kind, name, *arguments):
        pointer = c_void_p()
        call(name, *arguments, byref(pointer))
        return cls(kind, pointer)

    def __del__(self):
        # Where the interpreter ends, its modules may be gone first.
        if getattr(self, "_free", None) is not None:
            self._free(self.pointer)

    def __reduce__(self):
        raise TypeError("what recc has compiled cannot be pickled: load it in the process that needs it")


def text(name, *arguments):
    """A text that a function gives."""
    pointer = c_void_p()
    call(name, *arguments, byref(pointer))
    try:
        return ctypes.string_at(pointer.value).decode()
    finally:
        _library.recc_text_free(pointer)


def texts(items):
    """A list of texts with a null pointer behind the last; None for None."""
    if items is None:
        return None
    return (c_char_p * (len(items) + 1))(*(encoded(item) for item in items), None)


def encoded(item):
    if not isinstance(item, (str, os.PathLike)):
        raise TypeError(f"a text is expected, and not {item!r}")
    result = os.fspath(item).encode()
    if b"\0" in result:
        raise ValueError(f"{item!r} has a zero in it")
    return result
