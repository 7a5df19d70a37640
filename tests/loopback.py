"""A small HTTP server on 127.0.0.1 whose answers are good, or bad in one of the ways that mirrors are."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Loopback:
    """Serves `files` (name → bytes) at /<manner>/<name> and keeps the paths that were asked for in `asked`.

    Manners: good; unsized (no Content-Length); truncated (half of what is promised); unsized-truncated;
    wrong (as many other bytes); slow (half, then nothing until the end); drip and drip-head (a byte each 20 ms, of
    the body or the header); endless (no Content-Length, and no end); loop (redirects to itself);
    length=… (a Content-Length of that text); or a status such as 404.
    """

    def __init__(self, files: dict[str, bytes]):
        self.files, self.asked, self.over = files, [], threading.Event()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.address = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def url(self, manner: str, name: str) -> str:
        return f"{self.address}/{manner}/{name}"

    def close(self) -> None:
        self.over.set()
        self.http.shutdown()
        self.http.server_close()

    def _handler(self):
        loopback = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                loopback.asked.append(self.path)
                _, manner, name = self.path.split("/")
                loopback.answer(self, manner, loopback.files[name])

            def log_message(self, *ignored):
                pass

        return Handler

    def answer(self, handler: BaseHTTPRequestHandler, manner: str, body: bytes) -> None:
        if manner.isdigit():
            handler.send_error(int(manner))
            return
        if manner == "drip-head":
            self._drip(handler, b"HTTP/1.0 200 OK\r\nX-Slow: " + 10_000 * b"x")
            return
        handler.send_response(302 if manner == "loop" else 200)
        if manner == "loop":
            handler.send_header("Location", handler.path)
        if manner.startswith("length="):
            handler.send_header("Content-Length", manner.removeprefix("length="))
        elif manner not in ("unsized", "unsized-truncated", "endless", "loop"):
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if manner in ("drip", "endless"):
            self._drip(handler, body, forever=manner == "endless")
            return
        if manner == "wrong":
            body = bytes(byte ^ 1 for byte in body)
        whole = manner in ("good", "unsized", "wrong") or manner.startswith("length=")
        handler.wfile.write(body if whole else body[: len(body) // 2])
        if manner == "slow":
            handler.wfile.flush()
            self.over.wait(20)

    def _drip(self, handler: BaseHTTPRequestHandler, content: bytes, forever: bool = False) -> None:
        try:
            while forever and not self.over.is_set():
                handler.wfile.write(content)
            for byte in content:
                handler.wfile.write(bytes([byte]))
                handler.wfile.flush()
                if self.over.wait(0.02):
                    return
        except ConnectionError:
            pass  # the other side has gone, as it should


def refusing() -> str:
    """The address of a port of 127.0.0.1 that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"
