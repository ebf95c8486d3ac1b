# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real web server for a while: Debian's nginx, with what a test has for it to serve."""

import contextlib
import pathlib
import subprocess
import time

import skeplib

PROGRAM = pathlib.Path("/usr/sbin/nginx")

CONFIG = """
daemon off; master_process off; pid {dir}/pid; error_log {dir}/error;
events {{ }}
http {{
  log_format ours "$uri $status $http_range $body_bytes_sent $server_protocol $connection";
  access_log {dir}/access ours;
  client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2; fastcgi_temp_path {dir}/t3;
  uwsgi_temp_path {dir}/t4; scgi_temp_path {dir}/t5;
{rest}
}}
"""


@contextlib.contextmanager
def run(where, servers, network_of=None):
    """Serve what the text @servers of a configuration says; its own files are in the folder @where. In the network of a
    process, if one is given."""
    if not PROGRAM.exists():
        skeplib.must_run("nginx is not there")
    (where / "config").write_text(CONFIG.format(dir=where, rest=servers))
    enter = ["nsenter", f"--net=/proc/{network_of}/ns/net"] if network_of else []
    with subprocess.Popen([*enter, PROGRAM, "-p", where, "-e", where / "error", "-c", where / "config"]) as server:
        try:
            for _ in range(600):
                if server.poll() is not None:
                    raise AssertionError((where / "error").read_text())
                # It is written once the sockets are there.
                if (where / "pid").exists() and (where / "pid").read_text().strip():
                    break
                time.sleep(0.05)
            yield
        finally:
            server.terminate()
