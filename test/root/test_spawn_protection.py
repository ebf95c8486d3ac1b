# SPDX-License-Identifier: LGPL-2.1-or-later
"""Image policies and root hashes on the host itself: what is refused, in which words, and what is used
all the same. That verity and LUKS protect is shown in test/vm, where the kernel has them."""

import os
import pathlib
import shutil
import subprocess

import pytest

from skeplib.protected import Verity

NO_MAPPER = "this kernel has no device-mapper"


@pytest.fixture(scope="module")
def has_mapper():
    """Whether this kernel has device-mapper, or a module of it."""
    if shutil.which("modprobe"):
        subprocess.run(["modprobe", "-q", "dm-mod"], check=False)
    return "device-mapper" in pathlib.Path("/proc/misc").read_text(encoding="ascii")


@pytest.fixture(scope="module")
def verity(tmp_path_factory):
    return Verity(tmp_path_factory.mktemp("verity"))


@pytest.fixture
def plain(verity, scratch):
    """The file system alone, with nothing beside it."""
    return pathlib.Path(shutil.copy(verity.bare, scratch / "plain.raw"))


def run(spawn, image, *options):
    return spawn.out(None, "-i", image, *options, "--", "/bin/echo", "up")


def refuse(spawn, image, *options, **more):
    return spawn.refuse(None, "-i", image, *options, "--", "/bin/echo", "up", **more)


def checked(spawn, has_mapper, image, *options):
    """A start that takes device-mapper: it works, or says that this is what is missing."""
    if has_mapper:
        assert run(spawn, image, *options) == "up"
    else:
        assert NO_MAPPER in refuse(spawn, image, *options)


@pytest.mark.parametrize("policy, why", [
    ("root=verity", "'verity', but it has no protection"),
    ("root=signed+encrypted", "'signed+encrypted', but it has no protection"),
    ("~", "'absent', but the image has one"),
    ("-", "the image policy leaves the root partition unused"),
    ("root=unprotected+erofs+ext4", "it holds a file system of type squashfs"),
    ("root=unprotected+read-only-on", "it is not marked read-only"),
    ("root=unprotected:home=unprotected+encrypted", "the home partition is 'encrypted+unprotected', but the image has none"),
    ("root=unprotected:swap=unused", "the swap partition is 'unused', but the image has none"),
    ("root=unprotected:usr=absent:=verity", "the home partition allows nothing that one can have"),
])
def test_policy_refuses(spawn, plain, policy, why):
    line = refuse(spawn, plain, f"--image-policy={policy}")
    assert why in line and str(plain) in line


@pytest.mark.parametrize("policy", ["*", "root=unprotected", "root=open:=absent", "=unprotected+absent",
                                    "root=verity+unprotected+squashfs:home=absent"])
def test_policy_is_content(spawn, plain, policy):
    assert run(spawn, plain, f"--image-policy={policy}") == "up"


@pytest.mark.parametrize("option, why", [
    ("--image-policy=root", "'root' is not PARTITION=FLAG[+FLAG…]"),
    ("--image-policy=root=safe", "'safe' is not a flag of a policy"),
    ("--image-policy=boot=open", "'boot' is not a kind of partition"),
    ("--root-hash=1234", "'1234' is not a root hash"),
    ("--root-hash-sig=here", "'here' is neither an absolute path nor 'base64:…'"),
    ("--root-hash-sig=base64:!", "what follows 'base64:' is not Base64"),
    ("--verity-data=/etc/passwd", "no root hash of"),
    ("--verity-data=/dev/null", "neither a file nor a device"),
])
def test_nonsense(spawn, plain, option, why):
    assert why in refuse(spawn, plain, option)


@pytest.mark.parametrize("option", ["--image-policy=root=verity", "--verity-data=/x",
                                    "--root-hash=00112233445566778899aabbccddeeff",
                                    "--root-hash-sig=/x"])
def test_directories_cannot_be_protected(spawn, busybox, option):
    """Who asks for protection must not get a machine without."""
    line = spawn.refuse(busybox, option, "--", "true")
    assert line.startswith(f"skep-spawn: {option.split('=', maxsplit=1)[0]}: the machine is no disk image")


def test_root_hash_is_insisted_on(spawn, has_mapper, verity, plain):
    """Given by the user, it is never passed over."""
    asked = f"--root-hash={verity.root_hash}"
    checked(spawn, has_mapper, verity.disk, asked)
    checked(spawn, has_mapper, plain, asked, f"--verity-data={verity.tree}")
    assert "there is no hash tree for it" in refuse(spawn, plain, asked)
    assert "that the image policy lets be checked" in refuse(
        spawn, verity.disk, asked, "--image-policy=root=unprotected")
    other = ("0" if verity.root_hash[0] != "0" else "1") + verity.root_hash[1:]
    assert "no root partition has the ID" in refuse(spawn, verity.disk, f"--root-hash={other}")


def test_policy_insists(spawn, has_mapper, verity):
    """What the image says of itself does for a policy that wants verity, and for none other."""
    checked(spawn, has_mapper, verity.disk, "--image-policy=root=verity")
    assert run(spawn, verity.disk, "--image-policy=root=unprotected") == "up"


def test_without_a_policy_the_image_runs(spawn, has_mapper, verity):
    """Nobody asked for protection: it is used where the kernel has it, and a note says where not."""
    done = spawn.run(None, "-i", verity.disk, "--", "/bin/echo", "up", quiet=False)
    assert done.stdout == "up\n"
    assert (NO_MAPPER in done.stderr and "without verity" in done.stderr) != has_mapper


def test_files_beside_the_image(spawn, has_mapper, verity, scratch, plain):
    (scratch / "plain.roothash").write_text(verity.root_hash + "\n", encoding="ascii")
    assert "there is no hash tree for it" in refuse(spawn, plain)
    shutil.copy(verity.tree, scratch / "plain.verity")
    checked(spawn, has_mapper, plain, "--image-policy=root=verity")
    env = {**os.environ, "SYSTEMD_DISSECT_VERITY_SIDECAR": "0"}
    assert "it has no protection" in refuse(spawn, plain, "--image-policy=root=verity", env=env)


@pytest.mark.parametrize("name", ["plain.roothash", "plain.verity", "plain.roothash.p7s"])
@pytest.mark.parametrize("kind", ["fifo", "directory", "huge", "loop"])
def test_hostile_files_beside_the_image(spawn, verity, scratch, plain, name, kind):
    """One line, at once, and nothing of what is in them."""
    (scratch / "plain.roothash").write_text(verity.root_hash, encoding="ascii")
    path = scratch / name
    path.unlink(missing_ok=True)
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind == "loop":
        path.symlink_to(name)
    else:
        path.write_text("secret " * 100000, encoding="ascii")
    line = refuse(spawn, plain, "--image-policy=root=verity+signed", timeout=10)
    assert "secret" not in line
    assert name in line or (name, kind) == ("plain.verity", "huge") or "no hash tree" in line


@pytest.mark.parametrize("bytes_of", [
    lambda h: b"", lambda h: b"\0" * 4096, lambda h: os.urandom(5000), lambda h: b"[" * 100000,
    lambda h: b"[]", lambda h: b'{"rootHash":1,"signature":[]}',
    lambda h: f'{{"rootHash":"{h}","signature":"{"A" * 40000}"}}'.encode(),
    lambda h: f'{{"rootHash":"{h}","signature":"!"}}'.encode(),
    lambda h: b'{"rootHash":"zz","signature":"QUJD"}',
])
def test_odd_signature_partition(spawn, verity, bytes_of):
    """It is no signature, and nothing worse."""
    disk = verity.disk_with("odd.raw", bytes_of(verity.root_hash))
    assert run(spawn, disk) == "up"
    assert "'signed', but it has no protection" in refuse(spawn, disk, "--image-policy=root=signed")


def test_encrypted(spawn, has_mapper, scratch):
    image, key = scratch / "secret.raw", scratch / "key"
    key.write_text("sesame", encoding="ascii")
    with open(image, "wb") as f:
        f.truncate(20 << 20)
    subprocess.run(["cryptsetup", "luksFormat", "-q", "--pbkdf", "pbkdf2",
                    "--pbkdf-force-iterations", "1000", image, key], check=True)
    line = refuse(spawn, image, "--no-ask-password")
    assert "it is encrypted: " + ("there is no passphrase" if has_mapper else NO_MAPPER) in line
    assert "'unprotected+absent', but it is encrypted" in refuse(
        spawn, image, "--image-policy=root=unprotected+absent")
