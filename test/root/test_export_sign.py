# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is exported with a signature can be pulled by whoever has the public key, and by nobody else."""

import os
import subprocess

import pytest

from skeplib import badweb, netns


@pytest.fixture(autouse=True, scope="module")
def network():
    with netns.own_network():
        yield


@pytest.fixture(name="home", scope="module")
def make_home(tmp_path_factory):
    """Somebody's gpg, with two keys."""
    home = tmp_path_factory.mktemp("gpg")
    home.chmod(0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--pinentry-mode=loopback", "--passphrase="]
    for name in ("publisher", "stranger"):
        subprocess.run([*gpg, "--quick-generate-key", name, "ed25519", "sign"], check=True, stderr=subprocess.DEVNULL)
        ring = subprocess.run([*gpg, "--export", name], check=True, stdout=subprocess.PIPE).stdout
        (home / f"{name}.gpg").write_bytes(ring)
    yield home
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)


@pytest.fixture
def run(program, scratch, home):
    """run("export-tar", …): from the pool there, by somebody who has the keys."""
    def call(*arguments, pool=scratch / "pool", ring="publisher", check=True):
        pool.mkdir(exist_ok=True)
        done = subprocess.run(
            [program("skep-import"), "-q", f"--image-root={pool}", "--sync=no", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            env={**os.environ, "GNUPGHOME": str(home), "SYSTEMD_OPENPGP_KEYRING": str(home / f"{ring}.gpg")})
        assert not check or done.returncode == 0, done.stdout
        return done
    return call


@pytest.fixture
def web():
    server = badweb.Web()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def images(scratch):
    (scratch / "pool/web").mkdir(parents=True)
    (scratch / "pool/web/data").write_text("right")
    (scratch / "pool/disk.raw").write_bytes(b"right" * 4096)


def publish(web, folder, name):
    """Serve a file with what is beside it. Return: its URL."""
    for suffix in ("", ".sha256", ".sha256.asc"):
        url = web.page(f"/{name}{suffix}", (folder / (name + suffix)).read_bytes())
        if not suffix:
            whole = url
    return whole


@pytest.mark.parametrize("kind, image, name", [("tar", "web", "x.tar.zst"), ("raw", "disk", "x.raw")])
def test_round(run, web, scratch, kind, image, name):
    run(f"export-{kind}", "--sign=publisher", image, scratch / name)
    assert sorted(n for n in os.listdir(scratch) if n != "pool") == [name, f"{name}.sha256", f"{name}.sha256.asc"]
    url = publish(web, scratch, name)
    other = scratch / "other"
    run("--verify=signature", f"pull-{kind}", url, "new", pool=other)
    if kind == "tar":
        assert (other / "new/data").read_text() == "right"
    else:
        assert (other / "new.raw").read_bytes() == b"right" * 4096
    done = run("--verify=signature", "--force", f"pull-{kind}", url, "new", pool=other, ring="stranger", check=False)
    assert done.returncode == 1 and ".sha256.asc" in done.stdout
    web.page(f"/{name}.sha256", (scratch / f"{name}.sha256").read_bytes().replace(b"0", b"1"))
    done = run("--verify=signature", "--force", f"pull-{kind}", url, "new", pool=other, check=False)
    assert done.returncode == 1 and "signature" in done.stdout


def test_default_key(run, web, scratch):
    run("export-tar", "--sign", "web", scratch / "x.tar")
    run("--verify=signature", "pull-tar", publish(web, scratch, "x.tar"), pool=scratch / "other")


def test_no_key(run, scratch):
    """Without a signature there is no archive either; what was there before stays."""
    (scratch / "x.tar").write_text("old")
    done = run("export-tar", "--force", "--sign=nobody", "web", scratch / "x.tar", check=False)
    assert done.returncode == 1 and "cannot sign" in done.stdout and done.stdout.count("\n") == 1
    assert sorted(os.listdir(scratch)) == ["pool", "x.tar"] and (scratch / "x.tar").read_text() == "old"
    assert "needs a file" in run("export-tar", "--sign", "web", check=False).stdout
