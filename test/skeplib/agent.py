# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs in a test virtual machine: takes commands from the host over a virtio port, one JSON line
each, runs them, and answers with a line. It uses what Python brings alone."""

import base64
import glob
import json
import subprocess
import time


def perform(request):
    """Run one request. Return: the answer."""
    try:
        done = subprocess.run(request["argv"], input=base64.b64decode(request["input"]),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=request["env"],
                              cwd="/root", timeout=request["timeout"], check=False)
        status, out, err = done.returncode, done.stdout, done.stderr
    except subprocess.TimeoutExpired as late:
        status, out, err = None, late.stdout or b"", late.stderr or b""
    except OSError as problem:
        status, out, err = 127, b"", str(problem).encode()
    return {"status": status, "stdout": base64.b64encode(out).decode(),
            "stderr": base64.b64encode(err).decode()}


def main():
    while not (ports := glob.glob("/dev/vport*")):
        time.sleep(0.05)
    with open(ports[0], "r+b", buffering=0) as port:
        line = b""
        port.write(b'{"hello": true}\n')
        while True:
            piece = port.read(65536)
            if not piece:
                continue
            line += piece
            while b"\n" in line:
                request, line = line.split(b"\n", 1)
                answer = json.dumps(perform(json.loads(request))).encode() + b"\n"
                while answer:
                    answer = answer[port.write(answer):]


if __name__ == "__main__":
    main()
