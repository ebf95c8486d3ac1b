# SPDX-License-Identifier: LGPL-2.1-or-later
"""Trees that are pulled from servers which break off, stall, lie and change their mind: each pull ends as a whole
image or as an error that says why, and no byte is fetched twice without need."""

import hashlib
import io
import os
import random
import subprocess
import tarfile
import time

import pytest

from skeplib import badweb, netns


@pytest.fixture(autouse=True, scope="module")
def network():
    with netns.own_network():
        yield


@pytest.fixture
def web():
    server = badweb.Web()
    yield server
    server.close()


def archive(size, seed=1):
    """A tar file of one file of so many bytes."""
    out = io.BytesIO()
    content = random.Random(seed).randbytes(size)
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("data")
        info.size = size
        tar.addfile(info, io.BytesIO(content))
    return out.getvalue(), content


SMALL, SMALL_CONTENT = archive(300_000)
LARGE, LARGE_CONTENT = archive(40_000_000)


@pytest.fixture
def pool(scratch):
    where = scratch / "pool"
    where.mkdir()
    return where


@pytest.fixture
def command(program, pool):
    def call(url, *options, name="web", verb="pull-tar"):
        return [program("skep-import"), f"--image-root={pool}", "--retries=2", "--stall-timeout=10", "--sync=no", *options, verb, url,
                *([name] if name else [])]
    return call


@pytest.fixture
def pull(command):
    """pull(url, options...) ends; check=False: returns what was said, too."""
    def call(url, *options, check=True, verify="no", **more):
        done = subprocess.run(command(url, f"--verify={verify}", *options, **more), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        assert not check or done.returncode == 0, done.stdout
        return done
    return call


def left(pool):
    return sorted(os.listdir(pool))


def holds(pool, content, name="web"):
    assert (pool / name / "data").read_bytes() == content


def test_plain(web, pull, pool):
    url = web.page("/a.tar", SMALL)
    pull(url, name=None)
    holds(pool, SMALL_CONTENT, "a")
    assert left(pool) == ["a"]


@pytest.mark.parametrize("connections", [1, 4])
def test_cut_ten_times(web, pull, pool, connections):
    """Goes on where it was broken off, each time."""
    url = web.page("/a.tar", LARGE, cut=[3_000_000 + i for i in range(10)])
    said = pull(url, f"--connections={connections}").stdout
    holds(pool, LARGE_CONTENT)
    assert web.sent("/a.tar") < len(LARGE) * 1.02
    assert "going on" in said
    assert len(web.of("/a.tar")) >= 11
    assert left(pool) == ["web"]


def test_several_connections(web, pull, pool):
    url = web.page("/a.tar", LARGE)
    pull(url)
    holds(pool, LARGE_CONTENT)
    assert len({a.headers.get("range") for a in web.of("/a.tar")}) == 5
    assert web.sent("/a.tar") == len(LARGE)


REFUSED = {
    "404": ({"status": [404]}, "404"),
    "403": ({"status": [403]}, "403"),
    "418": ({"status": [418]}, "418"),
    "always busy": ({"status": [503] * 9}, "503"),
    "user": ({"user": "Basic x"}, "401"),
    "too long": ({"length": len(SMALL) + 10, "ranges": False}, "remaining to read"),
    "too short": ({"length": len(SMALL) - 70_000, "ranges": False}, "damaged"),
    "encoded": ({"headers": [b"Content-Encoding: gzip"]}, "encoded"),
    "huge headers": ({"headers": [b"X-%d: %s" % (i, b"y" * 1000) for i in range(200)]}, "headers"),
    "long header": ({"headers": [b"X: " + b"y" * 500_000]}, "header"),
    "to a file": ({"location": "file:///etc/passwd"}, "no http: or https:"),
    "to ftp": ({"location": "ftp://127.0.0.1/a"}, "no http: or https:"),
    "to nowhere": ({"location": "http://"}, "redirect"),
    "in circles": ({"location": "/a.tar"}, "redirects"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(web, pull, pool, case):
    more, why = REFUSED[case]
    url = web.page("/a.tar", SMALL, **more)
    done = pull(url, "--retries=1", check=False)
    assert done.returncode == 1
    last = done.stdout.strip().splitlines()[-1]
    assert url in last and any(w in last for w in why.split("|")), done.stdout
    assert not any(n == "web" or n.startswith(".#") for n in left(pool))


WORKS = {
    "no validators": {"etag": None},
    "no ranges": {"ranges": False},
    "weak tag": {"etag": 'W/"x"'},
    "busy for a while": {"status": [503, 429], "headers": [b"Retry-After: 0"]},
    "no length": {"length": -1, "ranges": False},
    "cut, no validators": {"etag": None, "cut": [100_000]},
    "cut, no ranges": {"ranges": False, "cut": [100_000, 50_000]},
    "cut, modified": {"etag": None, "modified": "Tue, 15 Nov 1994 12:45:26 GMT", "cut": [100_000, 100_000]},
    "other part than asked": {"shift": 5},
    "empty answer first": {"cut": [0]},
}


@pytest.mark.parametrize("case", WORKS)
def test_works(web, pull, pool, case):
    url = web.page("/a.tar", SMALL, **WORKS[case])
    pull(url)
    holds(pool, SMALL_CONTENT)
    assert left(pool) == ["web"]


def test_lie_about_a_part(web, pull, pool):
    """A part that is not what it says it is is found by the digest."""
    url = web.page("/a.tar", LARGE, lie=3, cut=[1000])
    done = pull(url, verify=hashlib.sha256(LARGE).hexdigest(), check=False)
    assert done.returncode == 1 and ("SHA-256" in done.stdout or "neither a tar" in done.stdout), done.stdout
    assert left(pool) == []


def test_stall(web, pull, pool):
    """What stops is given up after the time that was asked for, and not much later, though all came fast before."""
    url = web.page("/a.tar", SMALL, stall=30, ranges=False, etag=None)
    began = time.monotonic()
    done = pull(url, "--stall-timeout=1", "--retries=1", "--connections=1", check=False)
    took = time.monotonic() - began
    assert done.returncode == 1 and ("slow" in done.stdout or "timed out" in done.stdout), done.stdout
    assert len(web.of("/a.tar")) >= 2 and took >= len(web.of("/a.tar"))
    assert took < 20


@pytest.mark.parametrize("status, told", [
    (429, b"Retry-After: 1"),
    (503, b"Date: Sun, 06 Nov 1994 12:00:00 GMT\r\nRetry-After: Sun, 06 Nov 1994 12:00:01 GMT")])
def test_comes_again_when_told(web, pull, pool, status, told):
    """A server that is busy says in seconds, or as a date by its own clock, when to come again."""
    url = web.page("/a.tar", SMALL, status=[status], headers=[told])
    began = time.monotonic()
    pull(url, "--connections=1")
    assert time.monotonic() - began >= 1
    holds(pool, SMALL_CONTENT)


def test_slow_headers(web, pull):
    url = web.page("/a.tar", SMALL, drip=0.2)
    done = pull(url, "--stall-timeout=1", "--retries=1", check=False)
    assert done.returncode == 1 and ("slow" in done.stdout or "timed out" in done.stdout), done.stdout


def test_slow_body(web, pull, pool):
    """What comes byte by byte is not waited for, however often some come."""
    url = web.page("/a.tar", SMALL, trickle=0.1)
    done = pull(url, "--stall-timeout=1", "--retries=1", "--connections=1", check=False)
    assert done.returncode == 1 and ("slow" in done.stdout or "timed out" in done.stdout), done.stdout
    assert len(web.of("/a.tar")) == 2


def test_changed_meanwhile(web, pull, pool):
    """What was there of another file is not mixed with this one."""
    other, content = archive(400_000, seed=2)
    url = web.page("/a.tar", SMALL, cut=[200_000] * 9)
    assert pull(url, "--retries=0", "--connections=1", check=False).returncode in (0, 1)
    web.page("/a.tar", other, etag='"two"')
    pull(url, "--force")
    holds(pool, content)


def test_redirect_keeps_secrets(web, pull, pool):
    """A password for one host is for no other one."""
    other = badweb.Web("127.0.0.2")
    other.page("/b.tar", SMALL)
    web.page("/a.tar", location=other.url("/b.tar"))
    try:
        done = pull(web.url("/a.tar", at="me:se%23cret@"))
        holds(pool, SMALL_CONTENT)
        assert all("authorization" not in a.headers for a in other.asked)
        assert "cret" not in done.stdout
    finally:
        other.close()


def test_password(web, pull, pool, scratch):
    netrc = scratch / "netrc"
    netrc.write_text("machine other login x password y\nmachine 127.0.0.1 login me password secret\n")
    url = web.page("/a.tar", SMALL, user="Basic bWU6c2VjcmV0")
    pull(url, f"--netrc={netrc}")
    holds(pool, SMALL_CONTENT)


def test_file(pull, pool, scratch):
    (scratch / "a b.tar").write_bytes(SMALL)
    pull(f"file://{scratch}/a%20b.tar", name=None)
    holds(pool, SMALL_CONTENT, "a b")
    done = pull("file:///dev/null", "--force", check=False)
    assert done.returncode == 1 and "not a regular file" in done.stdout


def test_nobody_there(pull, pool):
    done = pull("http://127.0.0.1:1/a.tar", "--retries=1", check=False)
    assert done.returncode == 1 and "http://127.0.0.1:1/a.tar" in done.stdout
    assert left(pool) == []


@pytest.mark.parametrize("url", ["ftp://h/a", "/a.tar", "http://u:secret@/a", "gopher://u:secret@h/a.tar"])
def test_no_url(pull, url):
    done = pull(url, check=False)
    assert done.returncode == 1 and "secret" not in done.stdout
