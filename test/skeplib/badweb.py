# SPDX-License-Identifier: LGPL-2.1-or-later
"""A web server that does what it should not: breaks off, stalls, lies about lengths and ranges, redirects to
anywhere. What it does to a path is told by a Page; what it was asked is kept."""

import contextlib
import dataclasses
import socket
import threading
import time


@dataclasses.dataclass
class Page:
    """How a path is answered."""
    data: bytes = b""
    etag: str | None = '"one"'
    modified: str | None = None
    ranges: bool = True                 # answers 206 to a Range
    length: int | None = None           # says this Content-Length instead; -1: none, and closes at the end
    cut: list = dataclasses.field(default_factory=list)    # ends the next responses after so many bytes
    status: list = dataclasses.field(default_factory=list)  # answers the next requests with these instead
    location: str | None = None         # redirects there
    headers: list = dataclasses.field(default_factory=list)  # more of them, as bytes
    shift: int = 0                      # sends, and says, another place than was asked for
    lie: int = 0                        # sends another place than it says
    stall: float | None = None          # stops in the middle for so long
    drip: float | None = None           # seconds between bytes of the headers
    trickle: float | None = None        # seconds between bytes of the body
    user: str | None = None             # the Authorization that is needed
    extra: bytes = b""                  # comes after the end


@dataclasses.dataclass
class Asked:
    """A request, and what came of it."""
    path: str
    headers: dict
    status: int = 0
    sent: int = 0


class Web:
    """The server, on a port of its own of 127.0.0.1, until it is closed."""

    def __init__(self, host="127.0.0.1"):
        self.pages, self.asked = {}, []
        self.lock = threading.Lock()
        self.listener = socket.create_server((host, 0), backlog=64)
        self.host, self.port = host, self.listener.getsockname()[1]
        self.closing = False
        self.open = set()
        self.accepting = threading.Thread(target=self._accept, daemon=True)
        self.accepting.start()

    def url(self, path, scheme="http", at=""):
        return f"{scheme}://{at}{self.host}:{self.port}{path}"

    def page(self, path, data=b"", **more):
        """Puts something there. Return: its URL."""
        self.pages[path] = Page(data, **more)
        return self.url(path)

    def sent(self, path):
        """Bytes of bodies that were sent of it."""
        return sum(a.sent for a in self.asked if a.path == path)

    def of(self, path):
        return [a for a in self.asked if a.path == path]

    def close(self):
        self.closing = True
        # Who waits on a descriptor has to be through with it before its number is somebody else's.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.accepting.join()
        self.listener.close()
        with self.lock:
            for c in self.open:
                with contextlib.suppress(OSError):
                    c.shutdown(socket.SHUT_RDWR)

    def _accept(self):
        while not self.closing:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            with connection, connection.makefile("rb") as lines:
                while self._answer(connection, lines):
                    pass
        except (OSError, ValueError):
            pass
        finally:
            with self.lock:
                self.open.discard(connection)

    @staticmethod
    def _read(lines):
        """Return: path and headers of a request; None at the end."""
        first = lines.readline().decode("latin1").split()
        if len(first) < 2:
            return None
        headers = {}
        while (line := lines.readline().decode("latin1").strip()):
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return first[1].partition("?")[0], headers

    def _answer(self, connection, lines):
        request = self._read(lines)
        if request is None:
            return False
        path, headers = request
        asked = Asked(path, headers)
        with self.lock:
            self.asked.append(asked)
            page = self.pages.get(path)
            status = page.status.pop(0) if page and page.status else None
        if page is None:
            return self._send(connection, asked, 404, [], b"nothing here")
        if page.user and headers.get("authorization") != page.user:
            return self._send(connection, asked, 401, [b'WWW-Authenticate: Basic realm="x"'], b"who?")
        if status:
            return self._send(connection, asked, status, list(page.headers), b"not now")
        if page.location:
            return self._send(connection, asked, 302, [b"Location: " + page.location.encode()], b"there")
        return self._content(connection, asked, page)

    def _content(self, connection, asked, page):
        headers = list(page.headers)
        if page.etag:
            headers.append(b"ETag: " + page.etag.encode())
        if page.modified:
            headers.append(b"Last-Modified: " + page.modified.encode())
        same = asked.headers.get("if-none-match")
        if (same and same == page.etag) or (not same and page.modified
                                            and asked.headers.get("if-modified-since") == page.modified):
            return self._send(connection, asked, 304, headers, None)
        wanted = asked.headers.get("range")
        condition = asked.headers.get("if-range")
        if not wanted or not page.ranges or condition not in (None, page.etag, page.modified):
            return self._send(connection, asked, 200, headers, page.data, page)
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start = int(first) + page.shift
        if start >= len(page.data):
            return self._send(connection, asked, 416, [b"Content-Range: bytes */%d" % len(page.data)], b"")
        end = min(int(last) + 1 + page.shift if last else len(page.data), len(page.data))
        headers.append(b"Content-Range: bytes %d-%d/%d" % (start, end - 1, len(page.data)))
        return self._send(connection, asked, 206, headers, page.data[start + page.lie:end + page.lie], page)

    def _send(self, connection, asked, status, headers, body, page=None):
        asked.status = status
        page = page or Page()
        length = len(body or b"") if page.length is None else page.length
        if length >= 0:
            headers.append(b"Content-Length: %d" % length)
        head = b"\r\n".join([b"HTTP/1.1 %d X" % status, *headers, b"", b""])
        if page.drip:
            for i in range(len(head)):
                connection.sendall(head[i:i + 1])
                time.sleep(page.drip)
        else:
            connection.sendall(head)
        done = self._body(connection, asked, (body or b"") + page.extra, page)
        return done and page.length is None

    def _body(self, connection, asked, body, page):
        with self.lock:
            cut = page.cut.pop(0) if page.cut else None
        stop = len(body) if cut is None else min(cut, len(body))
        for at in range(stop if page.trickle else 0):
            connection.sendall(body[at:at + 1])
            asked.sent += 1
            time.sleep(page.trickle)
        for at in range(0, 0 if page.trickle else stop, 65536):
            connection.sendall(body[at:min(at + 65536, stop)])
            asked.sent += min(at + 65536, stop) - at
            if page.stall and at + 65536 >= stop // 2:
                time.sleep(page.stall)
        if cut is not None:
            connection.shutdown(socket.SHUT_RDWR)
            return False
        return True
