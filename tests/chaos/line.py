"""The line between gateway and exchange: it can be cut, and be silent, like a real one."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Final, Self

_CHUNK: Final = 65_536


class Line:
    """Forwards TCP connections from one loopback port to another; use as a context manager.

    ``cut`` resets every connection and refuses new ones until ``mend``.
    """

    def __init__(self, port: int, target: int) -> None:
        self._port = port
        self._target = target
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._whole = True

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self._port)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        self._reset()
        await asyncio.sleep(0)

    def cut(self) -> None:
        """Reset what is connected; from now on nothing gets through."""
        self._whole = False
        self._reset()

    def mend(self) -> None:
        """Let connections through again."""
        self._whole = True

    def _reset(self) -> None:
        for writer in tuple(self._open):
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._whole:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, far_writer}
        self._open |= ends
        try:
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        except OSError:
            for end in ends:
                end.transport.abort()
        finally:
            self._open -= ends
            for end in ends:
                end.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
    with contextlib.suppress(OSError, RuntimeError):
        writer.write_eof()
