# SPDX-License-Identifier: LGPL-2.1-or-later
"""Network namespaces for tests: nothing that is made in one is seen on the host, and all of it goes with it."""

import contextlib
import ctypes
import json
import os
import subprocess

CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result, what):
    if result != 0:
        raise OSError(ctypes.get_errno(), what)


@contextlib.contextmanager
def own_network():
    """Moves this process, and what it starts, to an empty network for a while."""
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc.unshare(CLONE_NEWNET), "unshare")
        ip("link set lo up")
        yield
    finally:
        _check(_libc.setns(home, CLONE_NEWNET), "setns")
        os.close(home)


@contextlib.contextmanager
def network_of(pid):
    """Moves this thread, and what it starts, to the network of a process for a while."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    there = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc.setns(there, CLONE_NEWNET), "setns")
        yield
    finally:
        _check(_libc.setns(home, CLONE_NEWNET), "setns")
        os.close(home)
        os.close(there)


def ip(words):
    """Runs ip(8). Return: what it prints."""
    return subprocess.run(["ip", *words.split()], check=True, stdout=subprocess.PIPE, text=True).stdout


def interfaces(namespace=None):
    """Network interfaces by name, as ip(8) tells of them; of the namespace of a PID, or of ours."""
    enter = ["nsenter", f"--net=/proc/{namespace}/ns/net"] if namespace else []
    out = subprocess.run([*enter, "ip", "-details", "-json", "link"], check=True, text=True,
                         stdout=subprocess.PIPE).stdout
    return {link["ifname"]: link for link in json.loads(out)}


def kind(link):
    return link.get("linkinfo", {}).get("info_kind")
