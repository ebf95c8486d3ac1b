# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pulls from a real web server: nginx, in a network of its own, in the clear and by TLS with an authority, limits
and proxies of our own."""

import hashlib
import io
import os
import random
import shutil
import subprocess
import tarfile
import time

import pytest

import skeplib
from skeplib import badweb, netns
from skeplib import nginx as nginx_server

pytestmark = pytest.mark.skipif(not shutil.which("nginx", path="/usr/sbin:/usr/bin") and not os.environ.get("MUST_RUN"),
                                reason="nginx is not there")

SERVERS = """
  limit_conn_zone $server_name zone=few:64k;
  root {dir}/files;
  server {{
    listen 127.0.0.1:80;
    listen 127.0.0.1:443 ssl http2;
    listen 127.0.0.5:443 ssl http2;
    ssl_certificate {dir}/server.crt; ssl_certificate_key {dir}/server.key;
    ssl_client_certificate {dir}/ca.crt; ssl_verify_client optional;
    location /slow/ {{ alias {dir}/files/; limit_rate 6m; }}
    location /one/ {{ alias {dir}/files/; limit_conn few 1; limit_rate 20m; }}
    location /whole/ {{ alias {dir}/files/; max_ranges 0; }}
    location /untagged/ {{ alias {dir}/files/; etag off; }}
    location /packed/ {{ alias {dir}/files/; gzip on; gzip_types *; gzip_min_length 1; }}
    location /private/ {{ alias {dir}/files/; auth_basic x; auth_basic_user_file {dir}/users; }}
    location /members/ {{ alias {dir}/files/; if ($ssl_client_verify != SUCCESS) {{ return 403; }} }}
    location /moved/ {{ rewrite ^/moved/(.*)$ https://127.0.0.1/$1 redirect; }}
    location /down/ {{ rewrite ^/down/(.*)$ http://127.0.0.1/$1 redirect; }}
    location /busy/ {{ return 503; }}
  }}
"""


def make_archive(size):
    out = io.BytesIO()
    content = random.Random(3).randbytes(size)
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("data")
        info.size = size
        tar.addfile(info, io.BytesIO(content))
    return out.getvalue(), content


DATA, CONTENT = make_archive(30_000_000)


def openssl(*words, where):
    subprocess.run(["openssl", *words], cwd=where, check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def make_certificates(where):
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=authority", "-days", "2",
            where=where)
    for name, subject, extra in (("server", "/CN=server", "subjectAltName=IP:127.0.0.1"),
                                 ("member", "/CN=member", "extendedKeyUsage=clientAuth")):
        (where / "ext").write_text(extra)
        openssl("req", *curve, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", subject, where=where)
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
                "-out", f"{name}.crt", "-days", "2", "-extfile", "ext", where=where)


class Nginx:
    def __init__(self, where):
        self.where = where

    def log(self):
        return (self.where / "access").read_text().splitlines()

    def of(self, path):
        return [line for line in self.log() if line.startswith(path + " ")]


@pytest.fixture(autouse=True, scope="module")
def network():
    with netns.own_network():
        yield


@pytest.fixture(scope="module")
def nginx(network, tmp_path_factory):
    if not shutil.which("nginx", path="/usr/sbin:/usr/bin"):
        skeplib.must_run("nginx is not there")
    where = tmp_path_factory.mktemp("nginx")
    where.chmod(0o755)
    files = where / "files"
    files.mkdir()
    (files / "a.tar").write_bytes(DATA)
    (files / "SHA256SUMS").write_text(f"{hashlib.sha256(DATA).hexdigest()}  a.tar\n")
    (where / "users").write_text("me:{PLAIN}secret\n")
    make_certificates(where)
    with nginx_server.run(where, SERVERS.format(dir=where)):
        yield Nginx(where)


@pytest.fixture
def pool(scratch):
    where = scratch / "pool"
    where.mkdir()
    return where


@pytest.fixture
def pull(program, pool, nginx):
    def call(url, *options, check=True, verify="checksum", env=None, ca=True):
        (nginx.where / "access").write_text("")
        done = subprocess.run(
            [program("skep-import"), f"--image-root={pool}", "--sync=no", "--retries=2", f"--verify={verify}",
             *([f"--tls-ca={nginx.where}/ca.crt"] if ca else []), *options, "pull-tar", url, "web"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            env={**{k: v for k, v in os.environ.items() if "proxy" not in k.lower()}, **(env or {})})
        whole = (pool / "web").exists() and (pool / "web" / "data").read_bytes() == CONTENT
        assert whole == (done.returncode == 0), done.stdout
        assert not check or whole, done.stdout
        assert not whole or os.listdir(pool) == ["web"]
        return done
    return call


def test_clear(pull, nginx):
    pull("http://127.0.0.1/a.tar")
    asked = nginx.of("/a.tar")
    assert len(asked) == 4 and all(" 206 " in line for line in asked)


def test_tls(pull, nginx):
    pull("https://127.0.0.1/a.tar", verify="no")
    assert all("HTTP/2" in line for line in nginx.of("/a.tar"))
    assert len({line.split()[-1] for line in nginx.of("/a.tar")}) > 1, "there are several connections"


def test_unknown_authority(pull):
    done = pull("https://127.0.0.1/a.tar", check=False, ca=False)
    assert "certificate" in done.stdout.lower()


def test_wrong_name(pull):
    assert "subject" in pull("https://127.0.0.5/a.tar", check=False).stdout


@pytest.mark.parametrize("path", ["slow", "one", "whole", "untagged", "packed"])
def test_ways(pull, path):
    pull(f"http://127.0.0.1/{path}/a.tar")


def test_password(pull, nginx, scratch):
    assert "401" in pull("https://127.0.0.1/private/a.tar", check=False, verify="no").stdout
    assert "401" in pull("https://me:wrong@127.0.0.1/private/a.tar", check=False, verify="no").stdout
    secrets = scratch / "secrets"
    secrets.mkdir()
    (secrets / "import.netrc").write_text("machine 127.0.0.1 login me password secret\n")
    (secrets / "import.tls-ca").write_bytes((nginx.where / "ca.crt").read_bytes())
    pull("https://127.0.0.1/private/a.tar", ca=False, env={"CREDENTIALS_DIRECTORY": str(secrets)})


def test_client_certificate(pull, nginx):
    assert "403" in pull("https://127.0.0.1/members/a.tar", check=False, verify="no").stdout
    pull("https://127.0.0.1/members/a.tar", f"--tls-certificate={nginx.where}/member.crt",
         f"--tls-key={nginx.where}/member.key")


def test_redirects(pull):
    pull("http://127.0.0.1/moved/a.tar")


def test_not_to_the_clear(pull):
    """What nothing but the connection vouches for stays on one that does; what a digest vouches for need not."""
    done = pull("https://127.0.0.1/down/a.tar", verify="no", check=False)
    assert "not secure" in done.stdout
    pull("https://127.0.0.1/down/a.tar", verify=hashlib.sha256(DATA).hexdigest())


def test_busy(pull):
    done = pull("http://127.0.0.1/busy/a.tar", verify="no", check=False)
    assert "503" in done.stdout


def test_proxy(pull, nginx):
    """The proxy of the environment is asked, and passes on what it is asked for."""
    proxy = badweb.Web()
    try:
        proxy.page("http://elsewhere.example/a.tar", DATA)
        pull("http://elsewhere.example/a.tar", verify="no", env={"http_proxy": f"http://127.0.0.1:{proxy.port}"})
        assert proxy.sent("http://elsewhere.example/a.tar") == len(DATA)
    finally:
        proxy.close()


def test_server_goes_away(program, pool, nginx):
    """A server that is stopped in the middle, and started again: nothing is fetched twice."""
    (nginx.where / "access").write_text("")
    with subprocess.Popen([program("skep-import"), f"--image-root={pool}", "--sync=no", "--verify=no",
                           "--stall-timeout=5", "pull-tar", "http://127.0.0.1/slow/a.tar", "web"],
                          stderr=subprocess.DEVNULL) as pulling:
        for _ in range(3):
            time.sleep(0.2)
            # Whatever is connected is cut off.
            subprocess.run(["ss", "-K", "dst", "127.0.0.1", "sport", "=", ":80"], check=False,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        assert pulling.wait(60) == 0
    assert (pool / "web" / "data").read_bytes() == CONTENT
    asked = nginx.of("/slow/a.tar")
    assert len(asked) > 4 and sum(int(line.split()[-3]) for line in asked) < len(DATA) * 1.5
