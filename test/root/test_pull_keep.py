# SPDX-License-Identifier: LGPL-2.1-or-later
"""Downloads that are kept are there once, are not fetched again while they are the same, and go with `clean`; and
what lies beside an image on the server is put beside it here."""

import hashlib
import io
import os
import signal
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


@pytest.fixture
def pool(scratch):
    where = scratch / "pool"
    where.mkdir()
    yield where
    subprocess.run(["chattr", "-R", "-i", where], check=False, stderr=subprocess.DEVNULL)


def archive(text, size=0):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in (("data", text), ("filler", os.urandom(size))):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


@pytest.fixture
def command(program, pool):
    def call(url, *options, name="web", verify="no"):
        return [program("skep-import"), f"--image-root={pool}", "--retries=1", "--sync=no", f"--verify={verify}",
                *options, "pull-tar", url, *([name] if name else [])]
    return call


@pytest.fixture
def pull(command):
    def call(url, *options, check=True, **more):
        done = subprocess.run(command(url, *options, **more), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, check=False)
        assert not check or done.returncode == 0, done.stdout
        return done
    return call


def kept(pool):
    return [n for n in os.listdir(pool) if n.startswith(".tar-")]


def read(pool, name):
    """The file of an image: a tree, or a layer on one."""
    if (pool / name).is_dir():
        return (pool / name / "data").read_bytes()
    stack = pool / f"{name}.mstack"
    for layer in sorted(os.listdir(stack)):
        if (stack / layer / "data").exists():
            return (stack / layer / "data").read_bytes()
    raise AssertionError(sorted(os.listdir(stack)))


VALIDATORS = [{}, {"etag": None, "modified": "Tue, 15 Nov 1994 12:45:26 GMT"}, {"etag": 'W/"x"'}, {"etag": None}]


@pytest.mark.parametrize("validators", VALIDATORS, ids=["tag", "date", "weak tag", "neither"])
def test_again(web, pull, pool, validators):
    """The second pull of the same fetches nothing, if the server can tell that it is the same; and keeps nothing
    more in any case."""
    data = archive(b"one", 200_000)
    url = web.page("/a.tar", data, **validators)
    for name in ("first", "second"):
        pull(url, "--keep-download=yes", name=name)
        assert read(pool, name) == b"one"
    assert len(kept(pool)) == 1
    if validators == {"etag": None}:
        assert web.sent("/a.tar") == 2 * len(data)
    else:
        assert web.sent("/a.tar") == len(data)
        assert [a.status for a in web.of("/a.tar")][-1] == 304

    web.page("/a.tar", archive(b"two"), etag='"two"')
    pull(url, "--keep-download=yes", "--force", name="second")
    assert read(pool, "second") == b"two" and read(pool, "first") == b"one"
    assert len(kept(pool)) == 2


def test_by_digest(web, pull, pool):
    """What is known by its digest is not even asked for."""
    data = archive(b"one")
    digest = hashlib.sha256(data).hexdigest()
    url = web.page("/a.tar", data)
    pull(url, "--keep-download=yes", verify=digest)
    assert kept(pool) == [f".tar-{digest[:32]}"]
    pull(web.page("/elsewhere.tar", data), "--keep-download=yes", verify=digest, name="second")
    assert web.of("/elsewhere.tar") == [] and read(pool, "second") == b"one"


def test_only_kept(web, pull, pool):
    pull(web.page("/a.tar", archive(b"one")), name="-")
    assert os.listdir(pool) == kept(pool) != []


def test_forged_marks(web, pull, pool):
    """An archive cannot say that it is from elsewhere."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in ("./", "inner/"):
            info = tarfile.TarInfo(name)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            info.pax_headers = {"SCHILY.xattr.user.skep.url": web.url("/good.tar"),
                                "SCHILY.xattr.user.skep.etag": '"one"'}
            tar.addfile(info)
        tar.addfile(tarfile.TarInfo("inner/etc"))
    pull(web.page("/evil.tar", out.getvalue()), "--keep-download=yes", name="evil")
    pull(web.page("/good.tar", archive(b"good")), "--keep-download=yes", name="good")
    assert read(pool, "good") == b"good"


def test_settings(web, pull, pool):
    url = web.page("/a.tar.gz", archive(b"one"))
    web.page("/a.nspawn", b"[Exec]\nBoot=no\n")
    pull(url, name=None)
    assert (pool / "a.nspawn").read_bytes() == b"[Exec]\nBoot=no\n"
    assert (pool / "a.nspawn").stat().st_mode & 0o777 == 0o444
    pull(url, "--settings=no", name="second")
    pull(url, "--keep-download=yes", name="third")
    assert not (pool / "second.nspawn").exists() and (pool / "third.nspawn").exists()
    # One that is there is not replaced unless that is asked for, and then nothing is.
    (pool / "fourth.nspawn").write_text("mine")
    assert pull(url, name="fourth", check=False).returncode == 1
    assert not (pool / "fourth").exists() and (pool / "fourth.nspawn").read_text() == "mine"


def test_settings_of_what_is_kept_already(web, pull, pool):
    """What lies beside is asked for each time, for it may change while the image does not."""
    url = web.page("/a.tar", archive(b"one"))
    for settings in (b"[Exec]\nBoot=no\n", b"[Exec]\nBoot=yes\n"):
        web.page("/a.nspawn", settings)
        pull(url, "--keep-download=yes", "--force")
        assert (pool / "web.nspawn").read_bytes() == settings
    assert [a.status for a in web.of("/a.tar")][-1] == 304
    del web.pages["/a.nspawn"]
    pull(url, "--keep-download=yes", name="second")
    assert read(pool, "second") == b"one" and not (pool / "second.nspawn").exists()


def test_replaced(web, pull, pool):
    """By what was kept, with its settings; not before there is something to replace it."""
    url = web.page("/a.tar", archive(b"one"))
    web.page("/a.nspawn", b"[Exec]\nBoot=no\n")
    for text in (b"one", b"two", b"two"):
        web.page("/a.tar", archive(text), etag=f'"{text.decode()}"')
        web.page("/a.nspawn", b"[Exec]\nHostname=%s\n" % text)
        pull(url, "--keep-download=yes", "--force")
        assert read(pool, "web") == text
        assert (pool / "web.nspawn").read_bytes() == b"[Exec]\nHostname=%s\n" % text


def test_replaced_only_by_what_is_there(web, pull, mounted_tmpfs):
    """A copy needs room: where there is none, the old one stays."""
    pool = mounted_tmpfs("8M")
    options = (f"--image-root={pool}", "--keep-download=yes", "--read-only", "--force")
    pull(web.page("/old.tar", archive(b"old")), *options)
    new = web.page("/new.tar", archive(b"new", 3_000_000))
    pull(new, *options, name="-")
    (pool / "filler").write_bytes(bytes(3_000_000))
    done = pull(new, *options, check=False)
    assert done.returncode != 0 and read(pool, "web") == b"old", done.stdout
    (pool / "filler").unlink()
    pull(new, *options)
    assert read(pool, "web") == b"new"
    assert not [n for n in os.listdir(pool) if n.startswith((".new", ".#"))]
    subprocess.run(["chattr", "-R", "-f", "-i", pool], check=False)


def test_settings_are_verified(web, pull, pool):
    data, settings = archive(b"one"), b"[Exec]\n"
    url = web.page("/a.tar", data)
    web.page("/a.nspawn", settings)
    sums = f"{hashlib.sha256(data).hexdigest()}  a.tar\n"
    web.page("/SHA256SUMS", sums.encode())
    pull(url, verify="checksum", name="unlisted")
    assert not (pool / "unlisted.nspawn").exists()
    web.page("/SHA256SUMS", (sums + f"{hashlib.sha256(settings).hexdigest()}  a.nspawn\n").encode())
    pull(url, verify="checksum", name="listed")
    assert (pool / "listed.nspawn").exists()
    web.page("/a.nspawn", b"[Exec]\nPrivateUsers=no\n")
    assert pull(url, verify="checksum", name="wrong", check=False).returncode == 1
    del web.pages["/a.nspawn"]
    assert pull(url, verify="checksum", name="taken-away", check=False).returncode == 1
    assert not any("wrong" in n or "taken" in n for n in os.listdir(pool))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["canceled", "killed"])
def test_gone_on_with_later(web, command, pull, pool, how):
    """Another pull goes on where one was stopped; a third that runs meanwhile does not disturb."""
    data = archive(b"one", 20_000_000)
    url = web.page("/a.tar", data, stall=0.03)
    with subprocess.Popen(command(url), stderr=subprocess.DEVNULL) as first:
        while web.sent("/a.tar") < 12_000_000:
            time.sleep(0.01)
            assert first.poll() is None
        first.send_signal(how)
    asked = len(web.asked)
    assert any(n.startswith(".skep-part.") for n in os.listdir(pool))
    web.pages["/a.tar"].stall = None
    pull(url)
    assert read(pool, "web") == b"one"
    # What had been sent and not arrived is sent again.
    assert sum(a.sent for a in web.asked[asked:]) < len(data) * 0.75
    assert os.listdir(pool) == ["web"]


def test_gone_on_with_after_a_reboot(web, command, pull, pool, scratch):
    """What was on disk for certain when the power went off is not fetched again, and nothing else is believed: the rest
    of the file has zeroes then. All that is known is in the pool."""
    data, cut = archive(b"one", 100_000_000), 90_000_000
    url = web.page("/a.tar", data, cut=[cut] + [0] * 9, stall=0.003)
    assert pull(url, "--retries=0", "--connections=1", check=False).returncode == 1
    content = next(n for n in parts(pool) if not n.endswith(".state"))
    with open(pool / content, "r+b") as f:
        f.truncate(85_000_000)
        f.truncate(cut)
    web.pages["/a.tar"].cut, web.pages["/a.tar"].stall = [], None
    (scratch / "boot_id").write_text("0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0\n")
    asked = len(web.asked)
    done = subprocess.run(["unshare", "-m", "sh", "-ec", 'mount --bind "$0" /proc/sys/kernel/random/boot_id\n'
                           'mount -t tmpfs run /run\nexec "$@"', scratch / "boot_id", *command(url, "--connections=1")],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert read(pool, "web") == b"one"
    first = next(a for a in web.asked[asked:] if a.path == "/a.tar")
    begin = int(first.headers["range"].removeprefix("bytes=").partition("-")[0])
    assert 64 << 20 <= begin < 85_000_000 and first.headers["if-range"] == '"one"' and first.status == 206
    came = (pool / "web/filler").read_bytes()
    is_same = len(came) == 100_000_000 and came == data[1536:1536 + len(came)]
    assert is_same


def parts(pool):
    return sorted(n for n in os.listdir(pool) if n.startswith(".skep-part."))


def test_sweep(program, web, pull, pool):
    """What was begun stays for who goes on with it, and is removed when nobody did for long."""
    url = web.page("/a.tar", archive(b"one", 1_000_000), cut=[500_000], status=[])
    web.pages["/a.tar"].cut += [0] * 9
    assert pull(url, "--retries=0", "--connections=1", check=False).returncode == 1
    assert len(parts(pool)) == 2
    subprocess.run([program("skep-import"), f"--image-root={pool}", "sweep"], check=True)
    assert len(parts(pool)) == 2
    for name in parts(pool):
        os.utime(pool / name, (0, 0))
    subprocess.run([program("skep-import"), f"--image-root={pool}", "sweep"], check=True)
    assert parts(pool) == []


@pytest.mark.parametrize("harm", ["state", "bytes", "both", "longer"])
def test_harmed_part(web, pull, pool, harm):
    """What was begun is believed as far as it makes sense; with a digest, nothing else becomes an image."""
    data = archive(b"one", 1_000_000)
    url = web.page("/a.tar", data, cut=[500_000] + [0] * 9)
    assert pull(url, "--retries=0", "--connections=1", check=False).returncode == 1
    content, state = (pool / n for n in parts(pool))
    if harm in ("state", "both"):
        state.write_bytes(os.urandom(70_000))
    if harm in ("bytes", "both"):
        content.write_bytes(content.read_bytes()[:300_000])
    if harm == "longer":
        content.write_bytes(content.read_bytes()[:400_000] + b"x" * 1_000_000)
    web.pages["/a.tar"].cut = []
    pull(url, verify=hashlib.sha256(data).hexdigest())
    assert read(pool, "web") == b"one" and os.listdir(pool) == ["web"]


@pytest.mark.parametrize("length", ["told", "told, of one", "not told"])
def test_no_room(web, pull, pool, length):
    """What does not fit is refused before it comes, if its size is known, and so if it fits, but not what is made of
    it; and leaves nothing in any case."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "x", pool], check=True)
    try:
        url = web.page("/a.tar", archive(b"one", 3_000_000 if "one" in length else 8_000_000), **({} if length[0] == "t" else
                                                                 {"length": -1, "ranges": False}))
        done = pull(url, check=False)
        assert done.returncode == 1
        if length[0] == "t":
            said = f"needs about {'5.7' if 'one' in length else '15.2'} MiB, but {pool} (tmpfs) has 3.9 MiB free"
            assert said in done.stdout and len(web.of("/a.tar")) == 1, done.stdout
            assert [n for n in os.listdir(pool) if not n.startswith(".skep-part.")] == []
        else:
            assert "No space left" in done.stdout
        assert not any(n == "web" or n.startswith(".#") for n in os.listdir(pool))
    finally:
        subprocess.run(["umount", pool], check=True)
