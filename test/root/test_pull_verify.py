# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is pulled is what its publisher published, or nothing of it is seen."""

import hashlib
import io
import os
import shutil
import subprocess
import tarfile

import pytest

from skeplib import badweb, kernel, netns


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
    return where


def archive(text):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        info = tarfile.TarInfo("data")
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text))
    return out.getvalue()


DATA = archive(b"right")
OTHER = archive(b"wrong")
SUM = hashlib.sha256(DATA).hexdigest()
LONG = hashlib.sha512(DATA).hexdigest()


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """sign(data, options...) with the key whose ring is at keys.ring."""
    home = tmp_path_factory.mktemp("gpg")
    os.chmod(home, 0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--pinentry-mode=loopback", "--passphrase="]

    def make(name, *expire):
        subprocess.run([*gpg, "--quick-generate-key", name, "ed25519", "sign", *expire], check=True,
                       stderr=subprocess.DEVNULL)
        ring = home / f"{name}.gpg"
        ring.write_bytes(subprocess.run([*gpg, "--export", name], check=True, stdout=subprocess.PIPE).stdout)
        return ring

    def sign(data, *options, who="publisher"):
        return subprocess.run([*gpg, "--local-user", who, *(options or ["--detach-sign"])], input=data,
                              check=True, stdout=subprocess.PIPE).stdout

    sign.ring = make("publisher")
    sign.other = make("stranger")
    yield sign
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)


@pytest.fixture
def pull(program, pool, keys):
    """pull(url, mode): status and what was said."""
    def call(url, mode=None, ring=None, *options):
        done = subprocess.run(
            [program("skep-import"), f"--image-root={pool}", "--retries=0", "--sync=no", *options,
             *([f"--verify={mode}"] if mode else []), "pull-tar", url, "web"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            env={**os.environ, "SYSTEMD_OPENPGP_KEYRING": str(ring or keys.ring)})
        seen = (pool / "web" / "data").read_bytes() if (pool / "web").exists() else None
        assert (seen == b"right") == (done.returncode == 0), done.stdout
        assert seen in (None, b"right")
        assert [n for n in os.listdir(pool) if n != "web"] == []
        return done
    return call


LISTS = {
    "file, two spaces": ("/a.tar.gz.sha256", f"{SUM}  a.tar.gz\n"),
    "file, star": ("/a.tar.gz.sha256", f"{SUM} *a.tar.gz\n"),
    "file, bare": ("/a.tar.gz.sha256", f"{SUM}\n"),
    "list, one space": ("/SHA256SUMS", f"{'0' * 64}  other\n{SUM} a.tar.gz\n"),
    "list, BSD": ("/SHA256SUMS", f"SHA256 (a.tar.gz) = {SUM}\n"),
    "file, 512": ("/a.tar.gz.sha512", f"{LONG}  a.tar.gz\n"),
    "list, 512": ("/SHA512SUMS", f"{LONG}  a.tar.gz\n"),
}


@pytest.mark.parametrize("case", LISTS)
def test_checksum(web, pull, case):
    path, text = LISTS[case]
    url = web.page("/a.tar.gz", DATA)
    web.page(path, text.encode())
    assert pull(url, "checksum").returncode == 0


@pytest.mark.parametrize("case", LISTS)
def test_wrong_checksum(web, pull, case):
    path, text = LISTS[case]
    url = web.page("/a.tar.gz", OTHER)
    web.page(path, text.encode())
    done = pull(url, "checksum")
    assert done.returncode == 1 and "not the expected one" in done.stdout


@pytest.mark.parametrize("text", [None, b"", b"nonsense", b"0" * 64 + b"  b.tar.gz\n",
                                  (f"{SUM}  a.tar.gz\n{'0' * 64}  a.tar.gz\n").encode()])
def test_no_checksum(web, pull, text):
    url = web.page("/a.tar.gz", DATA)
    if text is not None:
        web.page("/SHA256SUMS", text)
    done = pull(url, "checksum")
    assert done.returncode == 1 and "a.tar.gz" in done.stdout
    assert web.sent("/a.tar.gz") == 0, "nothing is fetched that cannot be verified"


@pytest.mark.parametrize("digest", [SUM, LONG, f"sha256:{SUM}", f"sha512:{LONG}"])
def test_digest(web, pull, digest):
    url = web.page("/a.tar.gz", DATA)
    assert pull(url, digest).returncode == 0
    assert len(web.asked) == 1


def test_wrong_digest(web, pull):
    url = web.page("/a.tar.gz", OTHER)
    assert pull(url, SUM).returncode == 1
    assert pull(url, "md5").returncode == 1


SIGNATURES = ["/a.tar.gz.sha256.asc", "/a.tar.gz.sha256.gpg", "/a.tar.gz.sha256.sig", "/SHA256SUMS.gpg",
              "/SHA256SUMS.asc", "/SHA256SUMS.sig"]


@pytest.mark.parametrize("path", SIGNATURES)
def test_signature(web, pull, keys, path):
    text = f"{SUM}  a.tar.gz\n".encode()
    url = web.page("/a.tar.gz", DATA)
    web.page(path.rpartition(".")[0], text)
    web.page(path, keys(text, *(["--armor", "--detach-sign"] if path.endswith("asc") else [])))
    done = pull(url)
    assert done.returncode == 0, done.stdout


@pytest.fixture
def signed(web, keys):
    """signed(text, signature): puts a list and its signature there. Return: the URL."""
    def put(text=f"{SUM}  a.tar.gz\n".encode(), signature=None, data=DATA):
        url = web.page("/a.tar.gz", data)
        web.page("/SHA256SUMS", text)
        web.page("/SHA256SUMS.gpg", keys(text) if signature is None else signature)
        return url
    return put


def test_inline_signature(web, pull, keys):
    url = web.page("/a.tar.gz", DATA)
    text = keys(f"{SUM}  a.tar.gz\n".encode(), "--clearsign")
    web.page("/a.tar.gz.sha256", text)
    assert pull(url).returncode == 0


def test_text_beside_an_inline_signature(web, pull, keys):
    """What stands before or behind what was signed was not signed."""
    other = hashlib.sha256(OTHER).hexdigest()
    url = web.page("/a.tar.gz", OTHER)
    text = keys(f"{SUM}  b.tar.gz\n".encode(), "--clearsign")
    web.page("/SHA256SUMS", text + f"\n{other}  a.tar.gz\n".encode())
    assert pull(url).returncode == 1
    assert web.sent("/a.tar.gz") == 0


def test_bad_signatures(web, pull, keys, signed):
    text = f"{SUM}  a.tar.gz\n".encode()
    for signature, why in [(keys(text + b"\n"), "not of this text"), (keys(text, who="stranger", *["--detach-sign"]),
                                                                      "nobody whose key"),
                           (b"", "no good signature"), (b"\x99" * 100, "no good signature"),
                           (keys(text, "--sign"), "signature")]:
        done = pull(signed(signature=signature))
        assert done.returncode == 1 and why in done.stdout, done.stdout
    assert web.sent("/a.tar.gz") == 0
    # With the other ring it is fine.
    url = signed(signature=keys(text, "--detach-sign", who="stranger"))
    assert pull(url, None, keys.other).returncode == 0


def test_signature_is_missing(web, pull):
    url = web.page("/a.tar.gz", DATA)
    web.page("/SHA256SUMS", f"{SUM}  a.tar.gz\n".encode())
    done = pull(url)
    assert done.returncode == 1 and "no signature" in done.stdout


def test_no_keyring(pull, signed, scratch):
    done = pull(signed(), None, scratch / "nothing")
    assert done.returncode == 1 and "keyring" in done.stdout


@pytest.fixture(name="minisign", scope="module")
def make_minisign(tmp_path_factory):
    """minisign(text): its signature; the directory of the publisher's public key is minisign.keys."""
    home = tmp_path_factory.mktemp("minisign")
    for name in ("publisher", "stranger"):
        (home / name).mkdir()
        subprocess.run(["minisign", "-G", "-W", "-p", home / name / "key.pub", "-s", home / f"{name}.key"], check=True,
                       stdout=subprocess.DEVNULL)

    def sign(text, *options, who="publisher"):
        (home / "text").write_bytes(text if isinstance(text, bytes) else text.encode())
        subprocess.run(["minisign", "-S", *options, "-s", home / f"{who}.key", "-m", home / "text", "-x", home / "sig"],
                       check=True, stdout=subprocess.DEVNULL)
        return (home / "sig").read_bytes()

    sign.keys = home / "publisher"
    return sign


@pytest.mark.parametrize("options", [[], ["-l"]], ids=["prehashed", "legacy"])
@pytest.mark.parametrize("path", ["/a.tar.gz.sha256", "/SHA256SUMS", "/SHA512SUMS"])
def test_minisign(web, pull, minisign, monkeypatch, path, options):
    """A list that is signed by a key of the directory of such keys is as good as one that gpg has signed; one that is
    signed by nobody known, or was changed since, is not."""
    monkeypatch.setenv("SKEP_IMPORT_KEYS", str(minisign.keys))
    text = f"{LONG if '512' in path else SUM}  a.tar.gz\n"
    url = web.page("/a.tar.gz", DATA)
    web.page(path, text.encode())
    web.page(path + ".minisig", minisign(text + "x", *options))
    done = pull(url)
    assert done.returncode == 1 and path[1:] + ".minisig: the signature is not of this" in done.stdout
    web.page(path + ".minisig", minisign(text, *options, who="stranger"))
    done = pull(url)
    assert done.returncode == 1 and "by a key that is not in the directory" in done.stdout, done.stdout
    assert web.sent("/a.tar.gz") == 0
    web.page(path + ".minisig", minisign(text, *options))
    assert pull(url).returncode == 0


def test_minisign_and_gpg(web, pull, keys, minisign, monkeypatch):
    """One by a stranger is passed over if there is another."""
    text = f"{SUM}  a.tar.gz\n"
    url = web.page("/a.tar.gz", DATA)
    web.page("/SHA256SUMS", text.encode())
    web.page("/SHA256SUMS.gpg", keys(text.encode()))
    web.page("/SHA256SUMS.minisig", minisign(text, who="stranger"))
    monkeypatch.setenv("SKEP_IMPORT_KEYS", str(minisign.keys))
    assert pull(url).returncode == 0


def test_minisign_that_is_wrong(web, pull, keys, minisign, monkeypatch):
    """It is not made good by another."""
    monkeypatch.setenv("SKEP_IMPORT_KEYS", str(minisign.keys))
    text = f"{SUM}  a.tar.gz\n"
    url = web.page("/a.tar.gz", DATA)
    web.page("/SHA256SUMS", text.encode())
    web.page("/SHA256SUMS.gpg", keys(text.encode()))
    web.page("/SHA256SUMS.minisig", minisign("other"))
    done = pull(url)
    assert done.returncode == 1 and "not of this" in done.stdout


def test_minisign_of_the_file(web, pull, minisign, monkeypatch):
    """The file itself may be signed, where there is no list: known keys are looked for before it is fetched, what was
    signed once all of it came."""
    monkeypatch.setenv("SKEP_IMPORT_KEYS", str(minisign.keys))
    url = web.page("/a.tar.gz", DATA)
    web.page("/a.tar.gz.minisig", minisign(DATA, who="stranger"))
    done = pull(url)
    assert done.returncode == 1 and "by a key that is not" in done.stdout and web.sent("/a.tar.gz") == 0
    web.page("/a.tar.gz.minisig", minisign(DATA, "-l"))
    done = pull(url)
    assert done.returncode == 1 and "of the old kind" in done.stdout and web.sent("/a.tar.gz") == 0
    web.page("/a.tar.gz.minisig", minisign(OTHER))
    done = pull(url)
    assert done.returncode == 1 and "a.tar.gz.minisig: the signature is not of this" in done.stdout
    web.page("/a.tar.gz.minisig", minisign(DATA))
    monkeypatch.setenv("SKEP_IMPORT_KEYS", "/nonexistent")
    assert pull(url).returncode == 1
    monkeypatch.setenv("SKEP_IMPORT_KEYS", str(minisign.keys))
    assert pull(url).returncode == 0


def test_kept_by_nobody(web, program, pool, minisign, monkeypatch):
    """What was kept without a look at who signed it is not taken for what a signature is asked of."""
    monkeypatch.setenv("SKEP_IMPORT_KEYS", str(minisign.keys))
    url = web.page("/a.tar.gz", DATA)
    web.page("/a.tar.gz.minisig", minisign(OTHER))
    command = [program("skep-import"), "-q", f"--image-root={pool}", "--sync=no", "--keep-download=yes", "pull-tar", url]
    try:
        subprocess.run([*command, "--verify=no", "one"], check=True)
        assert subprocess.run([*command, "two"], check=False).returncode == 1 and not (pool / "two").exists()
        web.page("/a.tar.gz.minisig", minisign(DATA))
        subprocess.run([*command, "two"], check=True)
    finally:
        subprocess.run(["chattr", "-R", "-f", "-i", pool], check=False)
    assert any(name.startswith("two") for name in os.listdir(pool))


# What stands in for a gpg that was taken over: a signature is good if it could do what it should not.
TAKEN_OVER = """#!/usr/bin/python3 -IS
import ctypes, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)

def call(result):
    if result < 0:
        raise OSError

if "--status-fd" in sys.argv:
    status = int(sys.argv[sys.argv.index("--status-fd") + 1])
    try:
        {attempt}
    except (OSError, MemoryError):
        sys.exit(1)
    os.write(status, b"[GNUPG:] GOODSIG x\\n[GNUPG:] VALIDSIG x\\n")
"""

ATTEMPTS = {
    "nothing": "pass",
    "write where it may": "open('/tmp/keys', 'w').write('x')",
    "network": "socket.socket(socket.AF_INET)",
    "local service": "socket.socket(socket.AF_UNIX)",
    "secret": "open('/etc/shadow')",
    "file of anybody": "open('{outside}')",
    "write": "open('{outside}', 'a')",
    "list": "os.listdir('/')",
    "kernel log": "os.open('/dev/kmsg', os.O_RDONLY)",
    "device": "os.mknod('/tmp/disk', 0o60666, os.makedev(8, 0))",
    "signal": "os.kill({other}, 0)",
    "trace": "call(libc.ptrace(0x4206, {other}, 0, 0))",
    "fork": "os.fork()",
    "session": "os.setsid()",
    "outlive": "call(libc.prctl(1, 0, 0, 0, 0))",
    "users": "call(libc.unshare(0x10000000))",
    "mount": "call(libc.mount(b'x', b'/tmp', b'tmpfs', 0, None))",
    "root": "os.setuid(0)",
    "room": "[os.write(status, bytes(1 << 20)) for _ in range(100)]",
}


# Sanitized programs have no filter of system calls.
ALWAYS = ["nothing", "write where it may", "secret", "file of anybody", "write", "list", "kernel log", "device", "mount"]


@pytest.mark.parametrize("name", ALWAYS if os.environ.get("SKEP_SANITIZED") else ATTEMPTS)
def test_gpg_that_was_taken_over(web, pull, keys, pool, scratch, name):
    """It can say what it likes, and do nothing."""
    outside = scratch / "outside"
    outside.write_text("x")
    outside.chmod(0o666)
    with subprocess.Popen(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sleep", "60"]) as other:
        (scratch / "gpg").write_text(TAKEN_OVER.replace("{attempt}", ATTEMPTS[name]).replace(
            "{outside}", str(outside)).replace("{other}", str(other.pid)))
        (scratch / "gpg").chmod(0o755)
        kernel.mount(scratch / "gpg", shutil.which("gpg"), None, kernel.MS_BIND)
        try:
            url = web.page("/a.tar.gz", DATA)
            web.page("/SHA256SUMS", f"{SUM}  a.tar.gz\n".encode())
            web.page("/SHA256SUMS.gpg", b"signature")
            done = pull(url, "signature", keys.ring)
        finally:
            kernel.umount(shutil.which("gpg"))
            other.kill()
    allowed = name in ("nothing", "write where it may")
    assert (done.returncode == 0) == allowed, done.stdout
    assert os.listdir(pool) == ["web"] * allowed
