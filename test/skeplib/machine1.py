# SPDX-License-Identifier: LGPL-2.1-or-later
"""Calls to org.freedesktop.machine1 from inside a lab."""

import json

NAME = "org.freedesktop.machine1"
PATH = "/org/freedesktop/machine1"
MANAGER = NAME + ".Manager"
SKEP = "org.skep.Manager1"
CALL = f"busctl call {NAME} {PATH} {MANAGER}"

_CALL = """
import ast, dbus, sys
name, path, interface, method, types, args = sys.argv[1:]
m = dbus.SystemBus().get_object(name, path, introspect=False)
try:
    m.get_dbus_method(method, interface)(*ast.literal_eval(args), signature=types)
    print("no error")
except dbus.DBusException as e:
    print(e.get_dbus_name(), e.get_dbus_message(), sep="\\n")
"""

_RUN = """
import ast, dbus, os, sys, threading, json
machine, user, argv, env, data, close_after = [ast.literal_eval(a) for a in sys.argv[1:]]
m = dbus.SystemBus().get_object("org.freedesktop.machine1", "/org/freedesktop/machine1",
                                introspect=False)
pipes = [os.pipe() for _ in range(3)]
ours, theirs = [pipes[0][1], pipes[1][0], pipes[2][0]], [pipes[0][0], pipes[1][1], pipes[2][1]]
status = m.get_dbus_method("RunInMachine", "org.skep.Manager1")(
    machine, user, argv[0] if argv else "", argv, env, *[dbus.types.UnixFd(f) for f in theirs],
    signature="sssasashhh").take()
for f in theirs:
    os.close(f)
if close_after is not None:
    import time
    time.sleep(close_after)
    os.close(status)
    print(json.dumps({}))
    sys.exit()
got = {}
def read(key, fd):
    got[key] = os.fdopen(fd, "rb").read().decode()
readers = [threading.Thread(target=read, args=a) for a in
           (("out", ours[1]), ("err", ours[2]), ("status", status))]
for t in readers:
    t.start()
os.write(ours[0], data.encode())
os.close(ours[0])
for t in readers:
    t.join()
print(json.dumps(got))
"""


def call(lab, what, *args, path=PATH, interface=MANAGER, check=True, user=None, timeout=30):
    """busctl call; @what is the method and its signature."""
    argv = ["busctl", f"--timeout={timeout}", "call", NAME, path, interface, *what.split(),
            *map(str, args)]
    if user:
        argv = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *argv]
    return lab.run(argv, check=check, timeout=timeout + 5)


def value(lab, what, *args, path=PATH, interface=MANAGER):
    """What a call returns, as JSON has it."""
    out = lab.out(["busctl", "--json=short", "call", NAME, path, interface, *what.split(),
                   *map(str, args)])
    return json.loads(out)["data"]


def error(lab, method, types, *args, interface=MANAGER, path=PATH):
    """(D-Bus name, text) of the error that a call gives."""
    out = lab.out(["python3", "-c", _CALL, NAME, path, interface, method, types, repr(args)])
    name, _, text = out.partition("\n")
    return name, text


def machines(lab):
    """{name: [name, class, service, path]}"""
    return {row[0]: row for row in value(lab, "ListMachines")[0]}


def get(lab, name, prop):
    """A property of a machine."""
    path = value(lab, "GetMachine s", name)[0]
    return json.loads(lab.out(["busctl", "--json=short", "get-property", NAME, path,
                               NAME + ".Machine", prop]))["data"]


def run(lab, machine, argv, user="", env=(), data="", close_after=None):
    """org.skep.Manager1.RunInMachine: {"out", "err", "status"}; with @close_after the end that tells the status
    is closed after so many seconds, and nothing is read."""
    args = [repr(a) for a in (machine, user, list(argv), list(env), data, close_after)]
    return json.loads(lab.out(["python3", "-c", _RUN, *args]))
