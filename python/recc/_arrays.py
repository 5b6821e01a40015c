"""Arrays of NumPy and others as recc's tensors, and back."""

import ctypes

import numpy

from . import _library
from ._errors import Error

# In the order of recc.h.
_TYPES = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "uint8", "bool"]
_NUMBERS = {name: number for number, name in enumerate(_TYPES)}


def dtype(number):
    """The dtype of a type of recc; bfloat16 as its bits, where NumPy does not know it."""
    name = _TYPES[number]
    return numpy.dtype("uint16" if name == "bfloat16" else name)


def array(name, given):
    """What was given as a dense array that recc can read: as it lies where it can be, else a copy."""
    # Tensors of torch may say of their numbers that they are to be conjugated, or negated, when they are read.
    for resolve in ("resolve_conj", "resolve_neg"):
        if hasattr(given, resolve):
            given = getattr(given, resolve)()
    if isinstance(given, numpy.ndarray):
        result = given
    elif hasattr(given, "__dlpack__"):
        try:
            result = numpy.from_dlpack(given)
        except (BufferError, RuntimeError, TypeError) as error:
            # What cannot be lent can perhaps be copied.
            try:
                result = numpy.asarray(given)
            except Exception:
                result = _widened(given)
                if result is None:
                    raise Error(f"'{name}' cannot be read: {error}") from error
    else:
        try:
            result = numpy.asarray(given)
        except ValueError as error:
            raise Error(f"'{name}' is no array of numbers: {error}") from None
        if result.dtype == object or result.dtype.kind in "USVmM":
            raise Error(f"'{name}' is no array of numbers: {type(given).__name__} {str(given)[:60]}")
        # Plain numbers of Python have the type that their values need.
    if result.dtype.kind == "c":
        # The real and the imaginary part in a last axis.
        part = numpy.float32 if result.dtype == numpy.complex64 else numpy.float64
        result = numpy.stack([result.real, result.imag], axis=-1).astype(part, copy=False)
    if not result.dtype.isnative:
        result = result.astype(result.dtype.newbyteorder("="))
    if result.dtype.name not in _NUMBERS:
        kind = result.dtype.kind
        likely = "int64" if kind in "iu" else "float32" if kind == "f" else None
        raise Error(
            f"'{name}' has numbers of {result.dtype}, which recc does not read (it reads {', '.join(_TYPES)})"
            + (f"\n  help: convert them: {name}.astype({likely!r})" if likely else "")
        )
    return result if result.flags["C_CONTIGUOUS"] else numpy.array(result, order="C")


class _Lent(ctypes.Structure):
    """What `__dlpack__` lends: the DLTensor of dlpack.h, which stands first in what its capsule holds."""

    _fields_ = [
        ("data", ctypes.c_void_p), ("device", ctypes.c_int32), ("device_number", ctypes.c_int32), ("rank", ctypes.c_int32),
        ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16), ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)), ("offset", ctypes.c_uint64),
    ]


def _widened(given):
    """A copy in float32 of a lent array of bfloat16 in the memory of the CPU, as NumPy has no such numbers; None of any other."""
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    try:
        capsule = given.__dlpack__()
        lent = ctypes.cast(pointer(capsule, b"dltensor"), ctypes.POINTER(_Lent)).contents
    except Exception:
        return None
    if (lent.device, lent.code, lent.bits, lent.lanes) != (1, 4, 16, 1):
        return None
    shape = tuple(lent.shape[: lent.rank])
    if 0 in shape:
        return numpy.zeros(shape, numpy.float32)
    strides = tuple(2 * step for step in lent.strides[: lent.rank]) if lent.strides else None
    bits = numpy.asarray(_Memory(lent.data + lent.offset, shape, _NUMBERS["bfloat16"], capsule, strides, False))
    # Its bits are the upper half of those of the same number in float32.
    return (bits.astype(numpy.uint32) << 16).view(numpy.float32)


def tensors(arrays):
    """Tensors over arrays by name, and what must stay while they are used."""
    held = []
    result = (_library.Tensor * len(arrays))()
    for tensor, (name, given) in zip(result, arrays.items()):
        numbers = array(name, given)
        shape = (ctypes.c_int64 * max(1, numbers.ndim))(*numbers.shape)
        word = _library.encoded(name)
        tensor.name, tensor.data, tensor.shape = word, numbers.ctypes.data, shape
        tensor.rank, tensor.type = numbers.ndim, _NUMBERS[numbers.dtype.name]
        held.append((word, numbers, shape))
    return result, held


class _Memory:
    """Memory of the library that arrays lie over; `owner` stays as long as they do."""

    __slots__ = ("__array_interface__", "owner")

    def __init__(self, address, shape, type, owner, strides=None, writable=True):
        self.__array_interface__ = {
            "version": 3, "shape": shape, "typestr": dtype(type).str, "data": (address, not writable), "strides": strides,
        }
        self.owner = owner


def over(address, shape, type, owner, strides=None, writable=True):
    """An array over memory of the library."""
    if address is None or 0 in shape:
        return numpy.empty(shape, dtype(type))
    return numpy.asarray(_Memory(address, tuple(shape), type, owner, strides, writable))


def named(tensor, owner, writable=True):
    """The name of a tensor of the library, and its numbers where they lie."""
    shape = tuple(tensor.shape[: tensor.rank])
    return tensor.name.decode(), over(tensor.data, shape, tensor.type, owner, writable=writable)
