"""A file server on loopback that misbehaves as it is told."""

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server:
    """Serves `content`; each request takes the next entry of `breaks` as the bytes it may send."""

    def __init__(self):
        self.content = b""
        self.breaks = []
        self.ranges = True
        self.shift = 0  # of the range that it sends, from the one that was asked for
        self.location = None
        self.stalls = None  # an event, until which it says nothing more
        self.status = None
        self.requests = []
        self.url = ""


@contextlib.contextmanager
def serve():
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked = self.headers.get("Range")
            server.requests.append(asked)
            if server.location:
                self.send_response(302)
                self.send_header("Location", server.location)
                self.end_headers()
                return
            if server.status:
                self.send_error(server.status)
                return
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and server.ranges else 0
            if start and start >= len(server.content):
                self.send_error(416)
                return
            body = server.content[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body)))
            if start:
                first = start + server.shift
                self.send_header(
                    "Content-Range",
                    f"bytes {first}-{len(server.content) - 1}/{len(server.content)}",
                )
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                self.wfile.write(body[: server.breaks.pop(0) if server.breaks else None])
                self.wfile.flush()
                if server.stalls:
                    server.stalls.wait(30)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server.url = f"http://127.0.0.1:{http.server_port}/weights"
        thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
