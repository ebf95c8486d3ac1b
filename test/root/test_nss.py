# SPDX-License-Identifier: LGPL-2.1-or-later
"""Names of machines for all programs: libnss_mymachines.so.2 in a real process, over against machine managers
that answer, and against what is none."""

import atexit
import base64
import contextlib
import errno
import functools
import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time

import pytest

from skeplib import build
from skeplib.netns import ip, own_network

LIBRARY = "src/nss/libnss_mymachines.so.2"
GONE, FOUND = 2, 0


class Manager:
    """What a machine manager has below a directory: records of machines, and sockets.

    @answer gets each message and returns bytes, None to say nothing more, or does what it likes with
    the connection and returns False."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.asked = []
        self._open = []
        (self.directory / "machines").mkdir(parents=True)

    def machine(self, name, links="", **keys):
        keys = {"NAME": name, "CLASS": "container", "SERVICE": "test", "LEADER": "2",
                "NETIF": f'"{links}"', **keys}
        (self.directory / "machines" / name).write_text(
            "# private\n" + "".join(f"{k}={v}\n" for k, v in keys.items() if v is not None))

    def serve(self, answer, hook=False, backlog=8, accept=True, user=None):
        """Listen; @hook on the socket of the resolver."""
        path = self.directory / ("resolve.hook" if hook else "machine") / "io.systemd.Machine"
        path.parent.mkdir()
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        if user is not None:
            # Who listens is who the other side sees.
            pid = os.fork()
            if pid == 0:
                os.setresuid(user, user, user)
                listener.listen(backlog)
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
        else:
            listener.listen(backlog)
        self._open.append(listener)
        if accept:
            threading.Thread(target=self._accept, args=(listener, answer), daemon=True).start()
        return self

    def _accept(self, listener, answer):
        while True:
            try:
                peer = listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._talk, args=(peer, answer), daemon=True).start()

    def _talk(self, peer, answer):
        with peer, contextlib.suppress(OSError):
            data = b""
            while not data.endswith(b"\0"):
                part = peer.recv(4096)
                if not part:
                    return
                data += part
            message = json.loads(data[:-1])
            self.asked.append(message)
            reply = answer(peer, message)
            if reply is None:
                peer.recv(1)
            elif reply is not False:
                peer.sendall(reply)

    def close(self):
        for listener in self._open:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()


def reply(parameters):
    return json.dumps({"parameters": parameters}).encode() + b"\0"


def listed(*addresses, name=None):
    """Answers List with addresses."""
    def answer(_, message):
        assert message["method"] == "io.systemd.Machine.List"
        assert message["parameters"]["acquireMetadata"] == "graceful"
        return reply({"name": name or message["parameters"]["name"], "class": "container",
                      "addresses": [{"ifindex": 2, "family": socket.AF_INET6 if ":" in a else
                                     socket.AF_INET, "address": list(packed(a))}
                                    for a in addresses]})

    return answer


def packed(address):
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def wire(name, address, **changes):
    """A record as DNS has it."""
    data = changes.get("data", packed(address))
    labels = b"".join(bytes([len(l)]) + l.encode() for l in name.split(".")) + b"\0"
    return base64.b64encode(labels + struct.pack(
        "!HHIH", changes.get("type", 28 if ":" in address else 1), changes.get("cls", 1), 0,
        changes.get("length", len(data))) + data).decode()


def records(*addresses, rcode=0):
    """Answers ResolveRecord with addresses."""
    def answer(_, message):
        assert message["method"] == "io.systemd.Resolve.Hook.ResolveRecord"
        keys = [q["key"] for q in message["parameters"]["question"]]
        assert [(k["class"], k["type"]) for k in keys] == [(1, 1), (1, 28)]
        return reply({"rcode": rcode, "answer": [{"raw": wire(keys[0]["name"], a)}
                                                 for a in addresses]})

    return answer


@pytest.fixture
def runtime(tmp_path):
    """The caller's own machine manager."""
    manager = Manager(tmp_path / "systemd")
    yield manager
    manager.close()


@pytest.fixture
def system(tmp_path):
    """The system's, in the place of what there is."""
    subprocess.run(["mkdir", "-p", "/run/systemd"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "system", "/run/systemd"], check=True)
    manager = Manager("/run/systemd")
    yield manager
    manager.close()
    subprocess.run(["umount", "-l", "/run/systemd"], check=True)


@functools.lru_cache(maxsize=None)
def module():
    """The module where everybody can read it: a checkout may be in a folder of root's."""
    where = tempfile.TemporaryDirectory(prefix="skep-nss-")
    atexit.register(where.cleanup)
    os.chmod(where.name, 0o755)
    return shutil.copy((build.build_dir() / LIBRARY).resolve(), where.name)


def sanitizers(library):
    """What has to be in a process first, where the module has it."""
    lines = subprocess.run(["ldd", library], capture_output=True, text=True, check=True).stdout
    return [line.split()[2] for line in lines.splitlines() if "san.so" in line]


def environment(runtime):
    library = module()
    preload = sanitizers(library) if os.environ.get("SKEP_SANITIZED") else []
    return {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": os.path.dirname(library),
            "XDG_RUNTIME_DIR": str(runtime.directory.parent) if runtime else "/nowhere",
            # What others leave is not ours to tell of.
            **({"LD_PRELOAD": ":".join(preload), "ASAN_OPTIONS": "detect_leaks=0"} if preload else {})}


def getent(*arguments, runtime=None, database="ahosts", user=None, timeout=20, env=None):
    """Ask as any program does. Return: CompletedProcess."""
    command = ["getent", "-s", "mymachines", database, *arguments]
    if user:
        # The file is to be read by somebody who is not root.
        command = ["setpriv", f"--reuid={user}", "--clear-groups", *command]
    # A child of who serves is taken for a part of it.
    return subprocess.run(["sh", "-c", '"$@"; exit $?', "sh", *command],
                          env={**environment(runtime), **(env or {})}, text=True,
                          capture_output=True, timeout=timeout, check=False)


def addresses(done):
    """What ahosts printed, each address once."""
    return list(dict.fromkeys(line.split()[0] for line in done.stdout.splitlines()))


def test_forward_from_the_users_own_manager(runtime):
    runtime.machine("web", links="7")
    runtime.serve(listed("fe80::1", "169.254.3.3", "10.1.2.3", "fd00::5", "10.1.2.3"))
    done = getent("web", runtime=runtime, database="ahostsv4")
    assert done.returncode == FOUND and addresses(done) == ["10.1.2.3", "169.254.3.3"]
    assert done.stdout.splitlines()[0].split()[-1] == "web"
    # What is good everywhere comes first; an address of the link names the link.
    done = getent("web", runtime=runtime, database="ahostsv6")
    assert set(addresses(done)) == {"fd00::5", "fe80::1"} or "fe80::1%7" in addresses(done)
    assert set(addresses(getent("web", runtime=runtime))) >= {"10.1.2.3", "fd00::5"}


def test_one_of_a_link_is_of_no_use_without_the_link(runtime):
    for name, links in (("none", ""), ("two", "7 8")):
        runtime.machine(name, links=links)
    runtime.serve(listed("fe80::1"))
    for name in ("none", "two"):
        assert getent(name, runtime=runtime).returncode == GONE


def test_forward_from_the_systems_manager(system):
    system.machine("web")
    system.serve(records("192.0.2.7", "2001:db8::7"), hook=True)
    assert sorted(addresses(getent("web"))) == ["192.0.2.7", "2001:db8::7"]
    # Anybody may ask.
    os.chmod(system.directory / "resolve.hook/io.systemd.Machine", 0o666)
    assert "192.0.2.7" in addresses(getent("web", user="nobody"))


def test_manager_without_a_resolvers_socket(system):
    """As systemd 256 to 258 have it."""
    system.machine("web")
    system.serve(listed("192.0.2.7"))
    assert addresses(getent("web")) == ["192.0.2.7"]
    assert [m["method"] for m in system.asked] == ["io.systemd.Machine.List"]


def test_nobody_is_asked_about_what_is_no_machine(system, runtime):
    for manager in (system, runtime):
        manager.machine("web")
        manager.machine(".host", CLASS="host")
        manager.machine("localhost")
        manager.serve(listed("192.0.2.7"))
    system.serve(records("192.0.2.7"), hook=True)
    for name in ("other", "sub.web", "web.", ".host", "localhost", "LocalHost", "../machines/web", "",
                 "a" * 300, "we b", "web\n"):
        done = getent(name, runtime=runtime)
        assert done.returncode == GONE and not done.stdout, name
    assert system.asked == [] and runtime.asked == []


def test_name_that_another_user_registered_is_not_resolved(system):
    """Else whoever may register a machine could be any host of the network for everybody."""
    system.machine("web", UID="65534")
    system.machine("ours", UID="0")
    system.machine("odd", UID="none")
    system.serve(records("192.0.2.7"), hook=True)
    os.chmod(system.directory / "resolve.hook/io.systemd.Machine", 0o666)
    assert getent("web").returncode == GONE and system.asked == []
    assert getent("odd").returncode == GONE and system.asked == []
    assert addresses(getent("web", user="nobody")) == ["192.0.2.7"]
    assert addresses(getent("ours")) == ["192.0.2.7"]


def test_users_manager_of_another_user_is_not_believed(runtime):
    """A root shell that kept somebody's environment."""
    runtime.machine("web")
    runtime.serve(listed("192.0.2.7"), user=65534)
    done = getent("web", runtime=runtime)
    assert done.returncode == GONE and not done.stdout
    assert runtime.asked == []


def test_turned_off(runtime):
    runtime.machine("web")
    runtime.serve(listed("192.0.2.7"))
    assert getent("web", runtime=runtime, env={"SKEP_NSS_MYMACHINES": "0"}).returncode == GONE
    assert runtime.asked == []


def slowly(peer, message):
    for byte in listed("192.0.2.7")(peer, message):
        peer.send(bytes([byte]))
    return False


def for_ever(peer, _):
    peer.sendall(b'{"parameters":')
    while True:
        peer.sendall(b" " * 4096)


def drip(peer, _):
    while True:
        peer.send(b" ")
        time.sleep(0.1)


def test_answer_in_pieces(runtime):
    runtime.machine("web")
    runtime.serve(slowly)
    assert addresses(getent("web", runtime=runtime)) == ["192.0.2.7"]


GARBAGE = {
    "nothing": b"\0",
    "no-json": b"hello\0",
    "number": b"7\0",
    "array": b"[]\0",
    "cut": b'{"parameters":{"name":"web","addresses":[{"family":2,"addr\0',
    "parameters": b'{"parameters":[]}\0',
    "empty": b"{}\0",
    "deep": b"[" * 5000 + b"]" * 5000 + b"\0",
    "error": b'{"error":"org.varlink.service.PermissionDenied","parameters":{}}\0',
    "error-number": b'{"error":3}\0',
    "gone": b'{"error":"io.systemd.Machine.NoSuchMachine"}\0',
    "other-name": listed("192.0.2.9", name="other")(None, {
        "method": "io.systemd.Machine.List", "parameters": {"acquireMetadata": "graceful"}}),
    "addresses-object": reply({"name": "web", "addresses": {}}),
    "address-string": reply({"name": "web", "addresses": ["192.0.2.1"]}),
    "short": reply({"name": "web", "addresses": [{"family": 2, "address": [1, 2, 3]}]}),
    "long": reply({"name": "web", "addresses": [{"family": 2, "address": [1, 2, 3, 4, 5]}]}),
    "large": reply({"name": "web", "addresses": [{"family": 2, "address": [1, 2, 3, 256]}]}),
    "negative": reply({"name": "web", "addresses": [{"family": 2, "address": [-1, 2, 3, 4]}]}),
    "family": reply({"name": "web", "addresses": [{"family": 99, "address": [1]}]}),
    "loopback": reply({"name": "web", "addresses": [{"family": 2, "address": [127, 0, 0, 1]}]}),
    "multicast": reply({"name": "web", "addresses": [{"family": 2, "address": [224, 0, 0, 1]}]}),
}


@pytest.mark.parametrize("what", GARBAGE)
def test_what_makes_no_sense_is_no_address(runtime, what):
    runtime.machine("web")
    runtime.serve(lambda *_: GARBAGE[what])
    done = getent("web", runtime=runtime)
    assert done.returncode == GONE and not done.stdout and len(runtime.asked) > 0


def raw(**changes):
    return {"raw": wire(changes.pop("name", "web"), "192.0.2.9", **changes)}


RECORDS = {
    "other-name": [raw(name="other")],
    "longer-name": [raw(name="web.sub")],
    "type": [raw(type=5)],
    "class": [raw(cls=3)],
    "length": [raw(length=3)],
    "size": [raw(data=b"abc")],
    "no-base64": [{"raw": "***"}],
    "odd-base64": [{"raw": "AAAAA"}],
    "empty": [{"raw": ""}],
    "pointer": [{"raw": base64.b64encode(b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4abcd").decode()}],
    "no-end": [{"raw": base64.b64encode(b"\3web").decode()}],
    "huge": [{"raw": "A" * 4000}],
    "no-raw": [{"rr": {}}],
    "list": [[]],
    "object": {},
}


@pytest.mark.parametrize("what", RECORDS)
def test_record_that_makes_no_sense_is_no_address(system, what):
    system.machine("web")
    system.serve(lambda *_: reply({"rcode": 0, "answer": RECORDS[what]}), hook=True)
    done = getent("web")
    assert done.returncode == GONE and not done.stdout and system.asked


def test_resolver_says_that_there_is_no_such_name(system):
    system.machine("web")
    system.serve(records("192.0.2.7", rcode=3), hook=True)
    assert getent("web").returncode == GONE


@pytest.mark.parametrize("how", ["silent", "endless", "drip", "full"])
def test_nobody_waits_longer_than_some_seconds(runtime, how):
    runtime.machine("web")
    answer = {"silent": lambda *_: None, "endless": for_ever, "drip": drip, "full": None}[how]
    runtime.serve(answer, backlog=0, accept=how != "full")
    fill = []
    if how == "full":
        path = str(runtime.directory / "machine/io.systemd.Machine")
        with contextlib.suppress(BlockingIOError):
            for _ in range(4):
                fill.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK))
                fill[-1].connect(path)
    began = time.monotonic()
    # One question alone, as each has a limit of its own.
    done = getent("web", runtime=runtime, database="ahosts", timeout=60)
    assert done.returncode != FOUND and not done.stdout
    assert time.monotonic() - began < 15


def test_nobody_is_there(runtime):
    runtime.machine("web")
    assert getent("web", runtime=runtime).returncode == GONE


def test_many_addresses_are_cut(runtime):
    runtime.machine("web")
    runtime.serve(listed(*(f"10.0.{i // 250}.{i % 250 + 1}" for i in range(1000))))
    assert len(addresses(getent("web", runtime=runtime))) == 64


def test_users_are_left_to_others():
    for database, key in (("passwd", "root"), ("passwd", "0"), ("group", "root"), ("group", "0")):
        assert getent(key, database=database).returncode == GONE


CALLER = """
import ctypes, json, os, socket, sys, threading

call = ctypes.CDLL(sys.argv[1])._nss_mymachines_gethostbyname4_r


def lookup(name, size=4096):
    first, buffer = ctypes.c_void_p(), ctypes.create_string_buffer(size)
    error, host_error, ttl = ctypes.c_int(), ctypes.c_int(), ctypes.c_int32(-1)
    status = call(name.encode(), ctypes.byref(first), buffer, ctypes.c_size_t(size),
                  ctypes.byref(error), ctypes.byref(host_error), ctypes.byref(ttl))
    results.append([status, error.value, ttl.value])


def one_of_many():
    for name, size in (("web", 4096), ("bad", 4096), ("other", 4096), ("web", 8)):
        lookup(name, size)


results = []
if sys.argv[2] == "own":
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[3])
    listener.listen()
    lookup("web")
else:
    lookup("web")
    results.clear()
    before = len(os.listdir("/proc/self/fd"))
    threads = [threading.Thread(target=one_of_many) for _ in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(os.listdir("/proc/self/fd")) == before
print(json.dumps(results))
"""


def called(runtime, *arguments):
    """What calls of the module itself return, made in a process of their own."""
    out = subprocess.run(["sh", "-c", '"$@"; exit $?', "sh", "/usr/bin/python3", "-c", CALLER,
                          module(), *arguments],
                         env=environment(runtime), capture_output=True, text=True, timeout=30,
                         check=False)
    assert out.returncode == 0, out.stderr
    return json.loads(out.stdout)


def test_threads_at_once_and_no_descriptor_is_left(runtime):
    runtime.machine("web")
    runtime.machine("bad")
    runtime.serve(lambda peer, m: b"x\0" if m["parameters"]["name"] == "bad"
                  else listed("192.0.2.7")(peer, m))
    results = called(runtime, "threads")
    assert results.count([1, 0, 0]) == 16                                   # found
    assert results.count([-2, errno.ERANGE, -1]) == 16                      # too small a buffer
    assert results.count([0, errno.ENOENT, -1]) == 16                       # no such machine
    assert results.count([-1, errno.EBADMSG, -1]) == 16                     # unavailable


def test_who_serves_does_not_wait_for_itself(runtime):
    runtime.machine("web")
    (runtime.directory / "machine").mkdir()
    began = time.monotonic()
    path = str(runtime.directory / "machine/io.systemd.Machine")
    assert called(runtime, "own", path) == [[-1, errno.EDEADLK, -1]]
    assert time.monotonic() - began < 3


def index(name):
    return str(socket.if_nametoindex(name))


def make_links():
    """A link of a machine's own, and two of a zone."""
    for name in ("ve-web", "vb-one", "vb-two"):
        peer = name.replace("v", "p", 1)
        ip(f"link add {name} type veth peer name {peer}")
        ip(f"link set {peer} up")
    ip("link add vz-zone type bridge")
    for name in ("vb-one", "vb-two"):
        ip(f"link set {name} master vz-zone")
    for name in ("ve-web", "vb-one", "vb-two", "vz-zone"):
        ip(f"link set {name} up")
    ip("address add 10.5.0.1/24 dev ve-web")
    ip("address add 10.6.0.1/24 dev vz-zone")
    ip("address add fd06::1/64 dev vz-zone nodad")
    ip("route add default via 10.5.0.254")


def test_reverse_asks_who_is_at_the_link(system):
    """An address leads to an interface, and so to the machines that are there."""
    own = {"web": ["10.5.0.2", "8.8.8.8", "10.6.0.3"], "one": ["10.6.0.2"],
           "two": ["10.6.0.3", "fd06::3"]}

    def reverse(address):
        system.asked.clear()
        done = getent(address, database="hosts")
        asked = {m["parameters"]["question"][0]["key"]["name"] for m in system.asked}
        return (done.stdout.split()[-1] if done.stdout else None), asked

    with own_network():
        make_links()
        for name, link in (("web", "ve-web"), ("one", "vb-one"), ("two", "vb-two")):
            system.machine(name, links=index(link))
        system.machine("nowhere")
        system.serve(lambda peer, m: records(
            *own[m["parameters"]["question"][0]["key"]["name"]])(peer, m), hook=True)

        assert reverse("10.5.0.2") == ("web", {"web"})
        # Whatever a machine calls its own elsewhere, it is not asked about it.
        name, asked = reverse("10.6.0.3")
        assert name == "two" and "web" not in asked
        assert reverse("fd06::3")[0] == "two"
        assert reverse("10.5.0.9") == (None, {"web"})
        for address in ("8.8.8.8", "10.5.0.1", "127.0.0.1", "::1", "10.6.0.255", "224.0.0.1",
                        "fe80::3"):
            assert reverse(address) == (None, set()), address
