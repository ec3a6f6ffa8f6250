"""HTTP requests with limits on the time, the bytes and the redirections."""

import http.client
import io
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

from jnst.common.errors import NetworkError

TIMEOUT = 30
"""A connection is given up after this many seconds without a byte."""

LOWEST_SPEED, WINDOW = 5_000, 30
"""A connection is given up if it is slower than this many bytes a second over WINDOW seconds."""

MOST_HEADERS = 1 << 20
"""Bytes that an answer may have besides its content."""

MOST_REDIRECTIONS = 10

_REDIRECTIONS = (301, 302, 303, 307, 308)
_LONGEST = 200  # characters of an error of a server

clock = time.monotonic


def check_url(url: str) -> None:
    """ValueError unless `url` is http or https, with a host and without a user name."""
    accepted = "a URL that begins with https:// or http:// is accepted"
    if not (url.isascii() and url.isprintable()) or " " in url:
        raise ValueError(f"{url[:_LONGEST]!r} is no URL; {accepted}")
    try:
        parts = urllib.parse.urlsplit(url)
        host, password, _ = parts.hostname, parts.username, parts.port
    except ValueError as error:
        raise ValueError(f"{url[:_LONGEST]} is no URL ({error})") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError(f"{url[:_LONGEST]} is not accepted; {accepted}")
    if password is not None:
        raise ValueError(f"a URL at {host} has a user name in it; none is accepted")


def open_url(url: str, headers: Mapping[str, str], *, most_bytes: int) -> http.client.HTTPResponse:
    """The response to a request, of any status; its content is limited by `most_bytes`.

    Raises:
        NetworkError: it redirects too often, or to a URL that is not accepted (ftp, or http
            instead of https); it is slower than `LOWEST_SPEED`, or sends too many bytes. Reading
            the response raises it too.
        OSError, http.client.HTTPException: the connection failed.
    """
    opener = urllib.request.OpenerDirector()
    for handler in (urllib.request.ProxyHandler(), _Http(), _Https()):
        opener.add_handler(handler)
    for _ in range(MOST_REDIRECTIONS + 1):
        request = urllib.request.Request(url, headers=dict(headers))
        response = opener.open(request, timeout=TIMEOUT)
        location = response.headers.get("Location")
        if response.status not in _REDIRECTIONS or location is None:
            response.pace.allow(MOST_HEADERS + 8 * most_bytes)  # a chunk of one byte takes six
            return response
        response.close()
        url = _redirected(url, location)
    raise NetworkError(f"redirects more than {MOST_REDIRECTIONS} times")


def reason(error: Exception) -> str:
    """The message of a connection error in one line, without error numbers."""
    while isinstance(inner := getattr(error, "reason", None), Exception):
        error = inner  # urllib wraps the errors of the system
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    text = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _redirected(url: str, location: str) -> str:
    try:
        new = urllib.parse.urljoin(url, location)
        check_url(new)
    except ValueError as error:
        raise NetworkError(f"redirects: {error}") from None
    if url.startswith("https:") and not new.startswith("https:"):
        raise NetworkError("redirects from https to http, which is not followed")
    return new


class Pace:
    """Limits the bytes and the speed of a connection; updated at every read."""

    def __init__(self) -> None:
        self._left = MOST_HEADERS
        self._bytes, self._seconds = 0, 0.0

    def allow(self, most_bytes: int) -> None:
        """Allow this many bytes from now on."""
        self._left = most_bytes

    def count(self, number: int, seconds: float) -> None:
        """Count bytes that came in some seconds; NetworkError if it is too many or too slow."""
        self._left -= number
        if self._left < 0:
            raise NetworkError("sends more bytes than were asked for")
        self._bytes, self._seconds = self._bytes + number, self._seconds + seconds
        if self._seconds >= WINDOW:
            speed = self._bytes / self._seconds
            if speed < LOWEST_SPEED:
                raise NetworkError(
                    f"sends {speed:.0f} bytes a second; at least {LOWEST_SPEED} are accepted"
                )
            self._bytes, self._seconds = 0, 0.0


class _PacedSocket(io.RawIOBase):
    def __init__(self, raw: io.RawIOBase, pace: Pace) -> None:
        self._raw, self._pace = raw, pace

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        started = clock()
        try:
            number = self._raw.readinto(buffer)
        except TimeoutError:
            raise NetworkError(f"sent nothing for {TIMEOUT} s") from None
        self._pace.count(number or 0, clock() - started)
        return number

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """A response whose socket is limited, so that slow headers and chunks are found too."""

    fp: io.BufferedReader

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.pace = Pace()
        self.fp = io.BufferedReader(_PacedSocket(self.fp.detach(), self.pace))


class _HttpConnection(http.client.HTTPConnection):
    response_class = _Response


class _HttpsConnection(http.client.HTTPSConnection):
    response_class = _Response


class _Http(urllib.request.HTTPHandler):
    def http_open(self, request: urllib.request.Request) -> Any:
        return self.do_open(_HttpConnection, request)


class _Https(urllib.request.HTTPSHandler):
    def https_open(self, request: urllib.request.Request) -> Any:
        return self.do_open(_HttpsConnection, request)
