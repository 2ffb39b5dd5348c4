"""Arrow arrays from plain values without `pyarrow.array`, which would import pandas into a load worker."""

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from results.schema import NAME, Table

Array: TypeAlias = "pa.Array[Any]"

_NUMPY_OF: Final[dict[pa.DataType, str]] = {
    pa.uint8(): "u1",
    pa.uint16(): "<u2",
    pa.uint32(): "<u4",
    pa.int64(): "<i8",
    pa.float64(): "<f8",
    pa.timestamp("us", "UTC"): "<i8",
}


def numbers(kind: pa.DataType, values: npt.NDArray[Any]) -> Array:
    """A fixed-width column without nulls; copied only when its layout differs."""
    data = np.ascontiguousarray(values, dtype=_NUMPY_OF[kind])
    return pa.Array.from_buffers(kind, len(data), [None, _buffer(data)])


def booleans(values: npt.NDArray[Any]) -> Array:
    """A bit-packed column without nulls."""
    bits = np.packbits(values.astype(bool), bitorder="little")
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, _buffer(bits)])


def texts(values: Sequence[str | None]) -> Array:
    """A string column; None becomes null."""
    encoded = [b"" if v is None else v.encode("utf-8", "replace") for v in values]
    offsets = np.zeros(len(encoded) + 1, dtype="<i4")
    np.cumsum([len(e) for e in encoded], out=offsets[1:])
    buffers = [_validity(values), _buffer(offsets), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(encoded), buffers)


def coded(kind: pa.DataType, codes: npt.NDArray[Any], names: Sequence[str]) -> Array:
    """A dictionary column from codes into `names`."""
    width = "<i2" if kind == NAME else "i1"
    data = np.ascontiguousarray(codes, dtype=width)
    buffers = [None, _buffer(data)]
    return pa.DictionaryArray.from_buffers(kind, len(data), buffers, texts(names))


def batch_of(table: Table, rows: Sequence[tuple[Any, ...]]) -> pa.RecordBatch:
    """A record batch of row tuples in the table's column order."""
    arrays = [
        _column(column.type, values)
        for column, values in zip(table.columns, zip(*rows, strict=True), strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=table.schema())


def _column(kind: pa.DataType, values: tuple[Any, ...]) -> Array:
    if pa.types.is_dictionary(kind):
        codes: dict[str, int] = {}
        indexes = np.array([codes.setdefault(value, len(codes)) for value in values])
        return coded(kind, indexes, list(codes))
    if kind == pa.string():
        return texts(values)
    if kind == pa.bool_():
        return booleans(np.array(values))
    data = np.array([0 if v is None else v for v in values], dtype=_NUMPY_OF[kind])
    return pa.Array.from_buffers(kind, len(data), [_validity(values), _buffer(data)])


def _validity(values: Sequence[Any]) -> pa.Buffer | None:
    known = np.array([v is not None for v in values], dtype=bool)
    return None if known.all() else _buffer(np.packbits(known, bitorder="little"))


def _buffer(data: npt.NDArray[Any]) -> pa.Buffer:
    return pa.py_buffer(data.data)
