"""Cutting WebSocket frames out of a stream and putting text into one (RFC 6455, section 5).

Only what the common case needs is here: a server's whole text frames in, masked text frames out. Everything
else is cut here too, but read by websockets' own I/O-free parser, made by `control_parser` when it is needed.
"""

import os
from itertools import chain, repeat
from logging import CRITICAL, DEBUG, ERROR, Logger
from struct import Struct as Packing
from typing import Final

from websockets.frames import Opcode
from websockets.protocol import CLIENT, Protocol, State
from websockets.speedups import apply_mask

WHOLE_TEXT: Final = 0x81  # FIN and opcode 1: the frame that needs nobody's help

_OPCODES: Final = frozenset(Opcode)
_LENGTH_16: Final = Packing("!BBH")
_LENGTH_64: Final = Packing("!BBQ")

# The loop's thread never logs. The two answers are asked for here so that they are cached: the first
# question takes logging's lock, which under Locust belongs to gevent.
SILENT: Final = Logger("engine.link", level=CRITICAL + 1)  # noqa: LOG001 — must stay outside logging's tree
SILENT.isEnabledFor(DEBUG)
SILENT.isEnabledFor(ERROR)


def control_parser(max_message_bytes: int) -> Protocol:
    """Websockets' reader of an open connection, at a message boundary."""
    return Protocol(CLIENT, state=State.OPEN, max_size=max_message_bytes, logger=SILENT)


def _page_of_masks(size: int) -> list[bytes]:
    page = os.urandom(size)
    return [page[start : start + 4] for start in range(0, size, 4)]


# Masking keys from the kernel's generator (RFC 6455, 5.3), a page at a time: one syscall per 1,024.
_next_mask: Final = chain.from_iterable(map(_page_of_masks, repeat(4096))).__next__


def text_frame(data: bytes) -> bytes:
    """A masked, unfragmented text frame."""
    length = len(data)
    mask = _next_mask()
    if length < 126:
        return b"".join((bytes((WHOLE_TEXT, 0x80 | length)), mask, apply_mask(data, mask)))
    if length < 1 << 16:
        return b"".join((_LENGTH_16.pack(WHOLE_TEXT, 0xFE, length), mask, apply_mask(data, mask)))
    return b"".join((_LENGTH_64.pack(WHOLE_TEXT, 0xFF, length), mask, apply_mask(data, mask)))


def hopeless(data: bytes, start: int, size: int) -> bool:
    """Whether the first two bytes already break the rules: masked by a server, or an unknown opcode."""
    return size - start > 1 and bool(data[start + 1] & 0x80 or data[start] & 0x0F not in _OPCODES)


def extent(data: bytes, start: int, size: int) -> tuple[int, int]:
    """Where the frame's payload begins and where the frame ends; past `size` means: that much is needed."""
    if size - start < 2:
        return start, start + 2
    length = data[start + 1] & 0x7F
    if length < 126:
        return start + 2, start + 2 + length
    body = start + (4 if length == 126 else 10)
    if size < body:
        return body, body
    return body, body + int.from_bytes(data[start + 2 : body], "big")
