# SPDX-License-Identifier: LGPL-2.1-or-later
"""Keyrings and audit: what the kernel keeps for users and sessions of the host is not the payload's."""

import ctypes
import os

import pytest

from skeplib import must_run

ADD_KEY, KEYCTL, UNLINK, JOIN = {"x86_64": (248, 250, 9, 1)}.get(os.uname().machine,
                                                                 (217, 219, 9, 1))
SESSION, USER = -3, -4
NAME = b"skep-test"


def _call(number, *args):
    r = ctypes.CDLL(None, use_errno=True).syscall(number, *args)
    if r < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return r


@pytest.fixture(params=["user", "session"])
def key(request):
    """The serial of a key of the host's root, in a keyring that goes by the user or by the session."""
    ring = USER if request.param == "user" else SESSION
    try:
        if ring == SESSION:
            _call(KEYCTL, JOIN, None)
        serial = _call(ADD_KEY, b"user", NAME, b"secret", 6, ring)
    except OSError as problem:
        must_run(f"no keys here: {problem}")
    yield serial
    _call(KEYCTL, UNLINK, serial, ring)


@pytest.mark.parametrize("users", ["no", "pick"])
@pytest.mark.parametrize("options", [(), ("-a",), ("--system-call-filter=@keyring", "-U")])
def test_keys_of_the_host(spawn, busybox, key, users, options):
    got = spawn.ask(busybox, "keys", NAME.decode(), str(key),
                    options=(f"--private-users={users}", *options))
    assert {got[n] for n in ("session", "user", "request", "read")} <= {"EPERM", "ENOKEY", "EACCES"}


def test_keys_of_its_own(spawn, busybox):
    """With users of its own a payload has keyrings; without, only by the word of the administrator."""
    assert spawn.ask(busybox, "keys", "x", "1", options=("-U",))["add"] == "ok"
    assert spawn.ask(busybox, "keys", "x", "1")["add"] == "EPERM"
    assert spawn.ask(busybox, "keys", "x", "1",
                     options=("--system-call-filter=@keyring",))["add"] == "ok"


def test_session_of_the_caller_is_not_the_payloads(spawn, busybox):
    """Even where keys are allowed and users are the host's: it starts with a session of its own."""
    _call(KEYCTL, JOIN, None)
    _call(ADD_KEY, b"user", NAME, b"secret", 6, SESSION)
    got = spawn.ask(busybox, "keys", NAME.decode(), "1",
                    options=("--system-call-filter=@keyring",))
    assert got["session"] == got["request"] == "ENOKEY"


@pytest.mark.skipif(not os.path.exists("/proc/self/loginuid"), reason="no audit in this kernel")
def test_login_of_the_caller_is_not_the_payloads(spawn, busybox):
    assert spawn.out(busybox, "cat", "/proc/self/loginuid") == "4294967295"
