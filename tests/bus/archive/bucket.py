"""A bucket over HTTP: as much of S3's protocol as copying needs, conditional writes included."""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType
from typing import Self
from xml.sax.saxutils import escape

from aiohttp import web


class Bucket:
    """An S3 endpoint in a thread of its own; ``objects`` maps keys to bytes."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.puts: list[str] = []
        self.refuse_after: int | None = None
        self.spoil: str | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self.url = ""

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _start(self) -> None:
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}"

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if "AWS4-HMAC-SHA256" not in request.headers.get("Authorization", ""):
            return web.Response(status=403)
        bucket, _, key = request.match_info["path"].partition("/")
        assert bucket == "days"
        if request.method == "PUT":
            return await self._put(request, key)
        if not key:
            return self._list(request.query.get("prefix", ""))
        if key not in self.objects:
            return web.Response(status=404)
        content = self.objects[key]
        headers = {"ETag": '"x"', "Last-Modified": "Mon, 15 Sep 2025 00:00:00 GMT"}
        if request.method == "HEAD":
            return web.Response(headers={**headers, "Content-Length": str(len(content))})
        return web.Response(body=content, headers=headers)

    async def _put(self, request: web.Request, key: str) -> web.Response:
        if self.refuse_after is not None and len(self.puts) >= self.refuse_after:
            return web.Response(status=403)
        if request.headers.get("If-None-Match") == "*" and key in self.objects:
            return web.Response(status=412)
        content = await request.read()
        self.puts.append(key)
        self.objects[key] = content[:-1] + b"?" if self.spoil and self.spoil in key else content
        return web.Response(headers={"ETag": '"x"'})

    def _list(self, prefix: str) -> web.Response:
        folders = sorted(
            {
                prefix + key[len(prefix) :].partition("/")[0] + "/"
                for key in self.objects
                if key.startswith(prefix) and "/" in key[len(prefix) :]
            }
        )
        common = "".join(
            f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>"
            for folder in folders
        )
        text = (
            '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><Name>days</Name>'
            f"<Prefix>{escape(prefix)}</Prefix><KeyCount>{len(folders)}</KeyCount>"
            f"<MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>{common}</ListBucketResult>"
        )
        return web.Response(text=text, content_type="application/xml")
