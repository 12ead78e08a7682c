"""The server of a live sky: on this machine alone, nothing stored."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from mockforge.errors import InputError
from mockforge.view.config import DEFAULT_STRETCH, PAGE, PAGE_FILES
from mockforge.view.live import LiveSky, NoTile, TileAt

ADDRESS = "127.0.0.1"
PORT = 8765
_TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8",
          ".css": "text/css; charset=utf-8", ".txt": "text/plain; charset=utf-8",
          ".json": "application/json", ".png": "image/png"}  # fmt: skip
_AT = r"(\d{1,2})/(\d{1,10})_(\d{1,10})"
_TILE = re.compile(rf"/tiles/(\d{{1,3}})_files/{_AT}\.png")
_OBJECTS = re.compile(rf"/objects/(true|detected)/{_AT}\.json")
_OUTLINES = re.compile(rf"/outlines/true/{_AT}\.json")
_KEEP, _ASK = "private, max-age=86400", "no-cache"
Answer = tuple[bytes, str, str]
"""What is sent, its type, and how long a browser may keep it."""


class SkyServer(ThreadingHTTPServer):
    """Answers a browser on this machine.

    Parameters
    ----------
    live
        The sky.
    port : int
        0 for any free one.
    stretches : sequence of str, optional
        Those offered, the first shown first.

    Raises
    ------
    InputError
        Where the port is in use, or cannot be had.
    """

    daemon_threads = True

    def __init__(self, live: LiveSky, port: int = PORT, stretches: Sequence[str] | None = None) -> None:
        try:
            super().__init__((ADDRESS, port), _Handler)
        except (OSError, OverflowError) as error:
            raise InputError(
                f"--port: {port} on {ADDRESS} cannot be had ({getattr(error, 'strerror', None) or error}); "
                "give another, or 0 for any free one"
            ) from error
        self.live, self.script = live, live.config(stretches).script().encode()

    @property
    def url(self) -> str:
        """Return the address of the page."""
        return f"http://{ADDRESS}:{self.server_address[1]}/"

    @property
    def hosts(self) -> tuple[str, ...]:
        """Return the names by which a browser may call: another is a page that is not this one."""
        port = self.server_address[1]
        return tuple(f"{name}:{port}" for name in (ADDRESS, "localhost"))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of browsers that went away."""
        import sys

        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    def answer(self, target: str) -> Answer | None:
        """Return what is sent for a path and query; None where there is nothing."""
        parts = urlsplit(target)
        path = parts.path
        name = "index.html" if path == "/" else path[1:]
        if name == "config.js":
            return self.script, _TYPES[".js"], _ASK
        if name in PAGE_FILES:
            return (PAGE / name).read_bytes(), _TYPES[name[name.rindex(".") :]], _ASK
        try:
            if found := _TILE.fullmatch(path):
                stretch = parse_qs(parts.query).get("stretch", [DEFAULT_STRETCH])[-1]
                return self.live.tile(int(found[1]), stretch, _at(found.groups()[1:])), "image/png", _KEEP
            if found := _OBJECTS.fullmatch(path):
                return self.live.objects(found[1], _at(found.groups()[1:])).encode(), _TYPES[".json"], _KEEP
            if found := _OUTLINES.fullmatch(path):
                return self.live.outlines(_at(found.groups())).encode(), _TYPES[".json"], _KEEP
        except NoTile:
            pass
        return None


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "mockforge", ""
    timeout = 60
    server: SkyServer

    def do_GET(self) -> None:
        """Answer a request."""
        self._answer(True)

    def do_HEAD(self) -> None:
        """Answer a request without its content."""
        self._answer(False)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: a tile is a line."""

    def _answer(self, whole: bool) -> None:
        if self.headers.get("Host", "") not in self.server.hosts:
            return self._send(403, (b"this server answers to 127.0.0.1 alone\n", _TYPES[".txt"], _ASK), whole)
        if self.path.split("?")[0] == "/favicon.ico":
            return self._send(204, (b"", "image/x-icon", _KEEP), whole)
        answer = self.server.answer(self.path)
        if answer is None:
            return self._send(404, (b"there is nothing here\n", _TYPES[".txt"], _ASK), whole)
        return self._send(200, answer, whole)

    def _send(self, status: int, answer: Answer, whole: bool) -> None:
        content, kind, keep = answer
        self.send_response(status)
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", str(len(content))),
            ("Cache-Control", keep),
            ("X-Content-Type-Options", "nosniff"),
        ):
            self.send_header(name, value)
        self.end_headers()
        if whole:
            self.wfile.write(content)


def _at(groups: Sequence[str | Any]) -> TileAt:
    level, col, row = map(int, groups)
    return TileAt(level, col, row)
