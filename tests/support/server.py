"""A file server on loopback that misbehaves as it is told."""

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server:
    """Serves `content`; each request takes the next entry of `breaks` as the bytes it may send.

    `answers`: the first requests get these bytes in its place, in parts, which may go on without
    end; `hold` leaves their connections open after that.
    """

    def __init__(self):
        self.content = b""
        self.breaks = []
        self.ranges = True
        self.status = None
        self.requests = []
        self.url = ""
        self.answers = []
        self.hold = False
        self.ended = threading.Event()


@contextlib.contextmanager
def serve():
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked = self.headers.get("Range")
            server.requests.append(asked)
            if server.answers:
                with contextlib.suppress(ConnectionError):
                    for part in server.answers.pop(0):
                        self.wfile.write(part)
                    if server.hold:
                        server.ended.wait()
                return
            if server.status:
                self.send_error(server.status)
                return
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and server.ranges else 0
            size = len(server.content)
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(size - start))
            if start:
                self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                self.wfile.write(
                    server.content[start:][: server.breaks.pop(0) if server.breaks else None]
                )

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server.url = f"http://127.0.0.1:{http.server_port}/weights"
        thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.ended.set()
            http.shutdown()
            thread.join()
