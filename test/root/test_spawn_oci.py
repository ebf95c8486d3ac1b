# SPDX-License-Identifier: LGPL-2.1-or-later
"""Bundles of OCI runtimes: what a document says is what a container gets, and nothing besides."""

import errno
import json
import os
import re
import shutil
import signal
import subprocess

import pytest

from skeplib import kernel, must_run, trees
from skeplib.faults import CANNOT_FAIL, Faults, alone
from skeplib.spawner import wait_until

USERS = {"uidMappings": [{"containerID": 0, "hostID": 500000, "size": 1000}],
         "gidMappings": [{"containerID": 0, "hostID": 600000, "size": 1000}]}


class Bundle:
    """A bundle with what `runc spec` or `crun spec` wrote, to be changed by tests."""

    def __init__(self, where, program="runc"):
        if not shutil.which(program):
            must_run(f"there is no {program}")
        self.path = where
        self.root = where / "rootfs"
        where.mkdir()
        subprocess.run([program, "spec"], cwd=where, check=True)
        shutil.copytree(trees.tree("busybox"), self.root, symlinks=True)
        self.root.chmod(0o755)
        with open(where / "config.json", encoding="utf-8") as f:
            self.config = json.load(f)
        self.config["process"]["terminal"] = False
        self.config["root"]["readonly"] = False

    @property
    def process(self):
        return self.config["process"]

    @property
    def linux(self):
        return self.config["linux"]

    def mount(self, destination, kind, *options, source=None, **more):
        self.config["mounts"].append({"destination": destination, "type": kind, "options": list(options),
                                      **({"source": str(source)} if source else {}), **more})

    def namespaces(self, **which):
        """Which namespaces, each new (True), by a path, or none (None)."""
        have = {n["type"]: n for n in self.linux["namespaces"]}
        for kind, what in which.items():
            have.pop(kind, None)
            if what:
                have[kind] = {"type": kind, **({} if what is True else {"path": str(what)})}
        self.linux["namespaces"] = list(have.values())

    def own_users(self):
        self.namespaces(user=True)
        self.linux.update(USERS)
        subprocess.run(["chown", "-R", "500000:600000", self.root], check=True)
        for m in self.config["mounts"]:
            m["options"] = [o for o in m.get("options", []) if o != "gid=5"]

    def write(self):
        (self.path / "config.json").write_text(json.dumps(self.config), encoding="utf-8")
        return f"--oci-bundle={self.path}"


@pytest.fixture
def bundle(scratch):
    return Bundle(scratch / "bundle")


@pytest.fixture
def sh(spawn, bundle):
    """sh("script") is what the script says as the payload of the bundle."""
    def run(script, *args, check=True, **options):
        bundle.process["args"] = ["/bin/sh", "-c", script]
        done = spawn.run(None, *args, bundle.write(), check=check, console=None, **options)
        return done.stdout.rstrip("\n") if check else done
    return run


def seen(text):
    """Mounts as {where: (type, options)} out of /proc/self/mounts."""
    return {line.split()[1]: (line.split()[2], line.split()[3].split(",")) for line in text.splitlines()}


@pytest.mark.parametrize("program", ["runc", "crun"])
def test_document_as_the_tools_write_it(spawn, scratch, program):
    bundle = Bundle(scratch / "bundle", program)
    bundle.config["root"]["readonly"] = True
    bundle.process["args"] = ["/bin/sh", "-c", "cat /proc/mounts; touch /x; cat /proc/timer_list; echo >/proc/sys/a"]
    done = spawn.run(None, bundle.write(), check=False, console=None)
    mounts = seen(done.stdout)
    wanted = {m["destination"] for m in bundle.config["mounts"]} | {"/"}
    assert wanted <= set(mounts)
    extra = set(mounts) - wanted
    assert all(path in bundle.linux["maskedPaths"] + bundle.linux["readonlyPaths"] for path in extra)
    assert "ro" in mounts["/"][1] and "ro" in mounts["/proc/sys"][1]
    assert mounts["/sys/fs/cgroup"][0] == "cgroup2"
    assert mounts["/proc/timer_list"][0] in ("devtmpfs", "tmpfs")
    assert "/x: Read-only file system" in done.stderr


def test_nothing_of_a_machine_is_in_it(sh, bundle):
    bundle.config["mounts"] = [m for m in bundle.config["mounts"] if m["destination"] in ("/proc", "/dev")]
    mounts = seen(sh("cat /proc/mounts; ls /run /sys >&2"))
    assert {m for m in mounts if not m.startswith("/proc/")} == {"/", "/proc", "/dev"}


def test_process(sh, bundle):
    bundle.process.update({
        "user": {"uid": 12, "gid": 34, "umask": 0o27, "additionalGids": [56, 78]},
        "env": ["A=b c", "PATH=/bin", "A2="], "cwd": "/made/by/us",
        "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 77, "hard": 99}], "oomScoreAdj": 321,
        "capabilities": {"bounding": ["CAP_KILL", "CAP_CHOWN"], "permitted": ["CAP_KILL"],
                         "inheritable": ["CAP_KILL"], "ambient": ["CAP_KILL"], "effective": []}})
    lines = sh("id; umask; pwd; env | sort; ulimit -n; ulimit -Hn; cat /proc/self/oom_score_adj;"
               "grep -E '^(Cap|NoNewPrivs)' /proc/self/status").splitlines()
    assert lines[0] == "uid=12 gid=34 groups=56,78"
    assert lines[1:3] == ["0027", "/made/by/us"]
    assert lines[3:8] == ["A2=", "A=b c", "HOME=/", "PATH=/bin", "PWD=/made/by/us"]
    assert lines[9:12] == ["77", "99", "321"]
    caps = dict(line.split(":\t") for line in lines[12:])
    kill = f"{1 << 5:016x}"
    assert caps == {"CapInh": kill, "CapPrm": kill, "CapEff": kill, "CapBnd": f"{1 << 5 | 1:016x}",
                    "CapAmb": kill, "NoNewPrivs": "1"}


def test_status_of_the_payload(sh):
    assert sh("exit 7", check=False).returncode == 7


@pytest.mark.parametrize("args, status", [(["/nope"], 127), (["nope"], 127), (["/etc"], 126)])
def test_payload_that_cannot_be_executed(spawn, bundle, args, status):
    bundle.process["args"] = args
    assert args[0] in spawn.refuse(None, bundle.write(), status=status, console=None)


def test_names(sh, bundle):
    bundle.config.update(hostname="inside", domainname="dom.example")
    assert sh("hostname; cat /proc/sys/kernel/domainname") == "inside\ndom.example"


def test_devices(sh, bundle):
    bundle.linux["devices"] = [
        {"path": "/dev/sub/mine", "type": "c", "major": 1, "minor": 3, "fileMode": 0o640, "uid": 3, "gid": 4},
        {"path": "/pipe", "type": "p"}]
    out = sh("stat -c '%n %F %a %t,%T %u:%g' /dev/null /dev/tty /dev/sub/mine /pipe; readlink /dev/fd; readlink /dev/ptmx;"
             "echo x >/dev/sub/mine; ls /dev | tr '\\n' ' '").splitlines()
    assert out[0] == "/dev/null character special file 666 1,3 0:0"
    assert out[1] == "/dev/tty character special file 666 5,0 0:0"
    assert out[2] == "/dev/sub/mine character special file 640 1,3 3:4"
    assert out[3] == "/pipe fifo 666 0,0 0:0"
    assert out[4:6] == ["/proc/self/fd", "pts/ptmx"]
    assert set(out[6].split()) >= {"null", "zero", "full", "random", "urandom", "tty", "stdin", "stdout", "stderr"}


def test_binds(sh, bundle, folder):
    bundle.mount("/a", "bind", "rbind", source=folder)
    bundle.mount("/b", "none", "bind", "ro", "nosuid", source=folder)
    bundle.mount("deep/er/file", "bind", "bind", "noexec", source=folder / "file")
    (bundle.path / "near").mkdir()
    bundle.mount("/near", "bind", "bind", source="near")
    mounts = seen(sh("cat /proc/mounts; echo x >/a/new; echo y >/near/new; ! touch /b/no; ! touch /nothing/x"))
    assert "rw" in mounts["/a"][1] and {"ro", "nosuid"} <= set(mounts["/b"][1])
    assert "noexec" in mounts["/deep/er/file"][1]
    assert (folder / "new").read_text() == "x\n" and (bundle.path / "near/new").read_text() == "y\n"
    assert not (folder / "no").exists()


def test_options_for_all_that_is_mounted_in_it(sh, bundle, folder):
    kernel.mount("inner", str(folder / "sub"), "tmpfs", 0, "")
    try:
        bundle.mount("/a", "bind", "rbind", "ro", source=folder)
        bundle.mount("/b", "bind", "rbind", "rro", "rnosuid", source=folder)
        mounts = seen(sh("cat /proc/mounts"))
    finally:
        kernel.umount(str(folder / "sub"))
    assert "ro" in mounts["/a"][1] and "rw" in mounts["/a/sub"][1]
    assert {"ro", "nosuid"} <= set(mounts["/b/sub"][1])


def test_file_systems_in_memory(sh, bundle):
    (bundle.root / "full/of").mkdir(parents=True)
    (bundle.root / "full/of/things").write_text("old\n")
    (bundle.root / "strict").mkdir(mode=0o711)
    (bundle.root / "strict").chmod(0o2711)
    bundle.mount("/full", "tmpfs", "tmpcopyup", "size=1m")
    bundle.mount("/strict", "tmpfs", "noexec")
    bundle.mount("/closed", "tmpfs", "ro")
    bundle.mount("/closed/open", "tmpfs", "mode=0700")
    out = sh("cat /full/of/things; echo new >/full/of/things; stat -c %a /strict /closed/open;"
             "touch /closed/x || touch /closed/open/x && echo ok").splitlines()
    assert out == ["old", "2711", "700", "ok"]
    assert (bundle.root / "full/of/things").read_text() == "old\n"


def test_masked_and_read_only_paths(sh, bundle):
    (bundle.root / "secret").mkdir()
    (bundle.root / "secret/key").write_text("key")
    (bundle.root / "key").write_text("key")
    (bundle.root / "fixed/in").mkdir(parents=True)
    bundle.linux["maskedPaths"] += ["/secret", "/key", "/is/not/there"]
    bundle.linux["readonlyPaths"] += ["/fixed", "/neither"]
    out = sh("ls -A /secret | wc -l; wc -c </key; touch /fixed/in/x || touch /fine && echo ok;"
             "touch /secret/x || echo closed")
    assert out.split() == ["0", "0", "ok", "closed"]


def test_users_of_its_own(sh, bundle):
    bundle.own_users()
    out = sh("cat /proc/self/uid_map /proc/self/gid_map; id -u; echo x >/owned; stat -c '%t,%T' /dev/null;"
             "echo x >/dev/null; hostname")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[:4] == ["0 500000 1000", "0 600000 1000", "0", "1,3"]
    status = (bundle.root / "owned").stat()
    assert (status.st_uid, status.st_gid) == (500000, 600000)


@pytest.mark.parametrize("own_users", [False, True])
def test_namespaces_that_it_does_not_have(sh, bundle, own_users):
    kinds = ["network", "uts", "cgroup", "pid"] + ([] if own_users else ["ipc"])
    if own_users:
        bundle.own_users()
        bundle.config["mounts"] = [m for m in bundle.config["mounts"] if m["destination"] != "/proc"]
        bundle.mount("/proc", "bind", "rbind", source="/proc")
        bundle.linux.update(maskedPaths=[], readonlyPaths=[])
    bundle.namespaces(**dict.fromkeys(kinds))
    bundle.config.pop("hostname", None)
    files = {"network": "net", "pid": "pid_for_children"}
    out = sh("; ".join(f"readlink /proc/self/ns/{files.get(k, k)}" for k in kinds)).splitlines()
    assert out == [os.readlink(f"/proc/self/ns/{files.get(k, k)}") for k in kinds]


def test_terminal(spawn, bundle):
    bundle.process["terminal"] = True
    bundle.process["user"] = {"uid": 7, "gid": 7}
    bundle.process["args"] = ["/bin/sh", "-c", "tty; stat -c '%F %u' /dev/console; test -t 1 && echo yes; "
                              "echo to >/dev/console"]
    out = spawn.run(None, bundle.write(), console=None).stdout
    assert re.split(r"\r?\n", out.strip()) == ["/dev/pts/0", "character special file 7", "yes", "to"]


def test_what_the_document_says_is_not_said_again(spawn, bundle):
    for option in ("--bind=/usr", "--read-only", "-D/", "--private-users=pick", "--hostname=x"):
        line = spawn.refuse(None, option, bundle.write(), console=None)
        assert "the bundle of --oci-bundle= says that" in line
    assert "says what to run" in spawn.refuse(None, bundle.write(), "--", "true", console=None)


@pytest.mark.parametrize("change, words", [
    ({"ociVersion": "2.0.0"}, "ociVersion"),
    ({"root": {"path": "nothing"}}, "root.path"),
    ({"root": {"path": "/"}}, "root.path"),
    ({"process": None}, "process: missing"),
    ({"mounts": [{"destination": "/a", "type": "bind"}]}, "mounts[0]: source: missing"),
    ({"mounts": [{"destination": "/a", "type": "bind", "source": "/none-such"}]}, "/none-such"),
    ({"mounts": [{"destination": "/a", "type": "nofs"}]}, "nofs"),
    ({"mounts": [{"destination": "/a", "type": "tmpfs", "options": ["odd=1"]}]}, "odd"),
    ({"linux": {"namespaces": [{"type": "user"}]}}, "uidMappings"),
    ({"linux": {"namespaces": [{"type": "mount"}], "intelRdt": {"closID": "x"}}}, "intelRdt"),
    ({"linux": {"namespaces": [{"type": "mount"}], "sysctl": {"kernel.panic": "1"}}}, "kernel.panic"),
])
def test_document_that_cannot_be_had(spawn, bundle, change, words):
    bundle.config.update(change)
    if "linux" in change:
        bundle.config.pop("hostname")
    assert words in spawn.refuse(None, bundle.write(), console=None)


def test_unknown_members_are_passed_over(sh, bundle):
    bundle.config["future"] = {"a": [1]}
    bundle.process["future"] = True
    bundle.linux["netDevices"] = {"eth0": {}}
    assert sh("echo fine") == "fine"


def test_plan_is_shown(spawn, bundle):
    out = spawn.out(None, "--dry-run", bundle.write(), console=None)
    assert "devpts /dev/pts" in out and "cover /proc/kcore" in out


def test_stdio_of_another_user(sh, bundle):
    bundle.process["user"] = {"uid": 5, "gid": 5}
    assert sh("echo one >/dev/stdout; echo two") == "one\ntwo"




@pytest.fixture
def held():
    """held("--net", …) is a process in new namespaces, as long as the test runs."""
    processes = []

    def hold(*flags):
        p = subprocess.Popen(["unshare", *flags, "sleep", "60"], stdout=subprocess.DEVNULL)
        processes.append(p)
        wait_until(lambda: os.readlink(f"/proc/{p.pid}/exe").endswith("sleep")
                   or list(kernel.descendants(p.pid)), what="the new namespaces")
        return p.pid

    yield hold
    for p in processes:
        for child in kernel.descendants(p.pid):
            os.kill(child, 9)
        p.kill()
        p.wait()


@pytest.mark.parametrize("own_users", [False, True])
def test_namespaces_of_others(sh, bundle, held, own_users):
    pid = held("--net", "--ipc", "--uts", "--cgroup")
    kinds = {"network": "net", "ipc": "ipc", "uts": "uts", "cgroup": "cgroup"}
    if own_users:
        bundle.own_users()
        bundle.config["mounts"] = [m for m in bundle.config["mounts"] if m["type"] not in ("mqueue", "cgroup")]
    bundle.config.pop("hostname")
    bundle.namespaces(**{k: f"/proc/{pid}/ns/{f}" for k, f in kinds.items()})
    out = sh("; ".join(f"readlink /proc/self/ns/{f}" for f in kinds.values())).splitlines()
    assert out == [os.readlink(f"/proc/{pid}/ns/{f}") for f in kinds.values()]


@pytest.mark.parametrize("own_users", [False, True])
def test_pid_namespace_of_another(sh, bundle, held, own_users):
    pid = held("--pid", "--fork", "--kill-child")
    if own_users:
        bundle.own_users()
        bundle.config["mounts"] = [m for m in bundle.config["mounts"] if m["destination"] != "/proc"]
        bundle.mount("/proc", "bind", "rbind", source="/proc")
        bundle.linux.update(maskedPaths=[], readonlyPaths=[])
        path = f"/proc/{next(iter(kernel.descendants(pid)))}/ns/pid"
        bundle.namespaces(pid=path)
        assert int(sh("echo $$")) > 1
        return
    path = f"/proc/{next(iter(kernel.descendants(pid)))}/ns/pid"
    bundle.namespaces(pid=path)
    out = sh("readlink /proc/self/ns/pid; tr '\\0' ' ' </proc/1/cmdline; echo; echo $$").splitlines()
    assert out[0] == os.readlink(path) and out[1].split()[0] == "sleep" and int(out[2]) > 1


def test_users_of_another(sh, bundle, held):
    pid = held("--user", "--map-root-user")
    bundle.namespaces(user=f"/proc/{pid}/ns/user")
    for m in bundle.config["mounts"]:
        m["options"] = [o for o in m.get("options", []) if o != "gid=5"]
    out = sh("readlink /proc/self/ns/user; cat /proc/self/uid_map; touch /mine; echo x >/dev/null; mount | wc -l")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[0] == os.readlink(f"/proc/{pid}/ns/user")
    assert lines[1] == "0 0 1"


def test_namespace_that_is_something_else(spawn, bundle):
    bundle.namespaces(network="/proc/self/ns/uts")
    assert "is no network namespace" in spawn.refuse(None, bundle.write(), console=None)
    bundle.namespaces(network="/etc/passwd")
    assert "is no network namespace" in spawn.refuse(None, bundle.write(), console=None)


def test_clocks(sh, bundle):
    bundle.namespaces(time=True)
    bundle.linux["timeOffsets"] = {"boottime": {"secs": 1000000, "nanosecs": 5}, "monotonic": {"secs": 77}}
    out = sh("cut -d. -f1 /proc/uptime; tr -s ' ' </proc/self/timens_offsets").splitlines()
    assert int(out[0]) > 1000000
    assert {tuple(line.split()) for line in out[1:]} == {("monotonic", "77", "0"), ("boottime", "1000000", "5")}


@pytest.mark.parametrize("own_users", [False, True])
def test_kernel_parameters(sh, bundle, own_users):
    before = [open(f"/proc/sys/{p}", encoding="ascii").read()
              for p in ("net/ipv4/ip_forward", "kernel/shmmni", "net/ipv4/conf/lo/forwarding")]
    if own_users:
        bundle.own_users()
    bundle.linux["sysctl"] = {"net.ipv4.ip_forward": "1", "net/ipv4/ip_default_ttl": "77",
                              "kernel.shmmni": "1234", "net.ipv4.conf.lo.forwarding": "1"}
    assert sh("cd /proc/sys; cat net/ipv4/ip_forward net/ipv4/ip_default_ttl kernel/shmmni"
              ).split() == ["1", "77", "1234"]
    assert before == [open(f"/proc/sys/{p}", encoding="ascii").read()
                      for p in ("net/ipv4/ip_forward", "kernel/shmmni", "net/ipv4/conf/lo/forwarding")]


@pytest.mark.parametrize("name, words", [
    ("kernel.panic", "belongs to no namespace"), ("net.ipv4.ip_forward", "belongs to no namespace"),
    ("kernel.shmmni", "belongs to no namespace"), ("kernel.domainname", "belongs to no namespace"),
    ("net/../kernel/panic", "not the name"), ("", "not the name"),
])
def test_kernel_parameters_of_the_host(spawn, bundle, name, words):
    bundle.namespaces(network=None, ipc=None, uts=None)
    bundle.config.pop("hostname")
    bundle.linux["sysctl"] = {name: "1"}
    assert words in spawn.refuse(None, bundle.write(), console=None)


@pytest.mark.parametrize("own_users", [False, True])
def test_scheduling(sh, bundle, own_users):
    if own_users:
        bundle.own_users()
    bundle.process["scheduler"] = {"policy": "SCHED_BATCH", "nice": 7}
    bundle.process["ioPriority"] = {"class": "IOPRIO_CLASS_BE", "priority": 6}
    out = sh("ionice -p $$; cut -d' ' -f19,41 /proc/self/stat")
    assert "best-effort: prio 6" in out and out.splitlines()[-1] == "7 3"


def test_personality(sh, bundle):
    bundle.linux["personality"] = {"domain": "LINUX32"}
    assert sh("uname -m") != os.uname().machine


@pytest.mark.parametrize("own_users", [False, True])
def test_mounts_that_map(sh, bundle, scratch, own_users):
    folder = scratch / "mapped"
    folder.mkdir()
    (folder / "of-1000").write_text("x")
    os.chown(folder / "of-1000", 1000, 2000)
    maps = {"uidMappings": [{"containerID": 1000, "hostID": 500005, "size": 1}, {"containerID": 0, "hostID": 0, "size": 1}],
            "gidMappings": [{"containerID": 2000, "hostID": 600006, "size": 1}, {"containerID": 0, "hostID": 0, "size": 1}]}
    if own_users:
        bundle.own_users()
    bundle.mount("/mapped", "bind", "bind", source=folder, **maps)
    assert sh("stat -c %u:%g /mapped/of-1000") == ("5:6" if own_users else "500005:600006")


def test_mount_that_maps_as_the_container(sh, bundle, scratch):
    folder = scratch / "mapped"
    folder.mkdir()
    (folder / "of-7").write_text("x")
    os.chown(folder / "of-7", 7, 8)
    bundle.own_users()
    bundle.mount("/mapped", "bind", "rbind", "ridmap", source=folder)
    assert sh("stat -c %u:%g /mapped/of-7") == "7:8"


@pytest.mark.parametrize("how, comes", [("rslave", True), ("rprivate", False), ("rshared", True)])
def test_propagation(spawn, bundle, folder, how, comes):
    kernel.mount("shared", str(folder), "tmpfs", 0, "")
    try:
        subprocess.run(["mount", "--make-shared", folder], check=True)
        (folder / "sub").mkdir()
        bundle.mount("/a", "bind", "rbind", how, source=folder)
        bundle.process["args"] = ["/bin/sh", "-c", "echo up; read x; cat /a/sub/file || echo none"]
        p = spawn.start(None, bundle.write(), console=None, stdin=subprocess.PIPE)
        assert p.stdout.readline() == "up\n"
        kernel.mount("later", str(folder / "sub"), "tmpfs", 0, "")
        (folder / "sub/file").write_text("came\n")
        out, _ = p.communicate("\n", timeout=10)
        assert out == ("came\n" if comes else "none\n")
    finally:
        subprocess.run(["umount", "-R", folder], check=True)


def hook(bundle, kind, script, **more):
    """Add a hook that appends what it finds out to a file of the host."""
    log = bundle.path / "hooks.log"
    log.touch()
    log.chmod(0o666)
    args = ["sh", "-c", f"{{ {script}; }} >>{log} 2>&1"]
    bundle.config.setdefault("hooks", {}).setdefault(kind, []).append(
        {"path": "/bin/sh", "args": args, "env": ["PATH=/usr/bin:/bin"], **more})
    return log


def test_hooks_in_their_order(sh, bundle):
    bundle.config["annotations"] = {"com.example.a": "b"}
    for kind in ("poststop", "poststart", "createContainer", "createRuntime", "prestart"):
        log = hook(bundle, kind, f"echo {kind} $(tr -d '\\n')")
    (bundle.root / "in.log").touch()
    bundle.config["hooks"]["startContainer"] = [
        {"path": "/bin/sh", "args": ["sh", "-c", "echo startContainer $(cat) >>/in.log"], "env": ["PATH=/bin"]}]
    sh("echo payload >>/in.log; sleep 0.2")
    lines = log.read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["prestart", "createRuntime", "createContainer",
                                                   "poststart", "poststop"]
    states = [json.loads(line.split(" ", 1)[1]) for line in lines]
    assert all(s["bundle"] == str(bundle.path) and s["annotations"] == {"com.example.a": "b"} for s in states)
    assert [s["status"] for s in states] == ["creating"] * 3 + ["running", "stopped"]
    assert states[0]["pid"] > 1 and not states[-1].get("pid")
    inside = (bundle.root / "in.log").read_text().splitlines()
    assert inside[0].startswith("startContainer ") and inside[1] == "payload"


def test_hook_that_fails(spawn, bundle):
    log = hook(bundle, "poststop", "echo gone")
    hook(bundle, "createRuntime", "")
    bundle.config["hooks"]["createRuntime"][0]["args"][2] = "echo no luck >&2; exit 3"
    assert "no luck" in spawn.refuse(None, bundle.write(), console=None)
    assert log.read_text() == "gone\n"


def test_root_is_open_for_hooks(sh, bundle):
    """What hooks make in a root that the payload may not write to."""
    bundle.config["root"]["readonly"] = True
    hook(bundle, "createContainer", f"echo hello >{bundle.root}/made")
    assert sh("cat /made; touch /x || echo closed") == "hello\nclosed"


@pytest.fixture
def harmed(spawn, bundle, scratch):
    """harmed("script") is a start of the bundle that can be harmed: the Faults and the command line."""
    def make(script):
        bundle.process["args"] = ["/bin/sh", "-c", script]
        argv = spawn.argv(None, bundle.write(), console=None)
        faults = Faults(scratch)
        assert faults.plain(argv).returncode == 0     # which makes what the image lacks
        return faults, argv

    with alone("skep-oci-inject"):
        yield make


def test_what_is_covered_is_looked_at_after_mounting(bundle, folder, harmed):
    """A mount that is said to be there and is not, or to be read-only and is not."""
    bundle.config["root"]["readonly"] = True
    bundle.mount("/mnt", "bind", "rbind", "ro", source=folder)
    bundle.linux["maskedPaths"] += ["/secret"]
    (bundle.root / "secret").mkdir()
    (bundle.root / "secret/key").write_text("key")
    faults, argv = harmed("cat /proc/timer_list /proc/keys /secret/* 2>/dev/null | wc -c;"
                          "for p in / /proc/sys /proc/bus /proc/irq /mnt; do "
                          "awk -v p=$p '$2 == p { o = $4 } END { print (o ~ /^ro/ ? 1 : p == \"/mnt\" && !o ? 1 : 0) }'"
                          " /proc/mounts; done")
    calls, done = faults.calls(argv)
    expected = ["0"] + ["1"] * 5
    assert done.stdout.split() == expected, done
    refused = 0
    for call in calls:
        if call.name not in ("move_mount", "mount", "mount_setattr"):
            continue
        done = faults.fail(argv, call, 0)
        assert call.name in faults.hit()
        if done.returncode == 0:
            assert done.stdout.split() == expected, f"{call}: {done.stdout}"
        else:
            refused += 1
            assert done.returncode == 125 and done.stdout == "", f"{call}: {done}"
    assert refused >= 10


@pytest.mark.parametrize("own_users", [False, True])
def test_nothing_runs_half_confined(bundle, harmed, own_users):
    """Calls that fail for want of memory: one line says so, or it did not matter."""
    if own_users:
        bundle.own_users()
    bundle.process["user"] = {"uid": 3, "gid": 4}
    bundle.linux["sysctl"] = {"net.ipv4.ip_forward": "1"}
    faults, argv = harmed("id; grep -E '^(Cap|NoNew|Seccomp:)' /proc/self/status; cut -d' ' -f2-4 /proc/mounts;"
                          "cat /proc/sys/net/ipv4/ip_forward; ls /dev; hostname")
    expected = faults.plain(argv).stdout
    calls, _ = faults.calls(argv)
    refused = 0
    for call in calls[::3]:
        if call.name in CANNOT_FAIL:
            continue
        done = faults.fail(argv, call, errno.ENOMEM)
        if not faults.hit().endswith(f" {call.name}"):
            continue
        where = f"{faults.hit()}: {done.returncode} {done.stderr}"
        if done.returncode == 0:
            assert done.stdout == expected or (call.process == 0 and call.name == "write"), where
            continue
        refused += 1
        assert done.returncode in (125, 126) and expected.startswith(done.stdout), where
        assert len(done.stderr.splitlines()) == 1 and done.stderr.startswith("skep-spawn: "), where
    assert refused > 30


def test_supervisor_that_is_killed(spawn, bundle, harmed):
    """What is left goes with the next start."""
    faults, argv = harmed("echo payload")
    calls, _ = faults.calls(argv)
    killed = 0
    for call in [c for c in calls if c.process == 0 or c.number % 4 == 0][::2]:
        faults.kill(argv, call)
        killed += bool(faults.hit())
        again = faults.plain(argv)
        assert (again.returncode, again.stdout) == (0, "payload\n"), f"{call}: {again}"
    assert killed > 30


def test_size_of_the_terminal(spawn, bundle):
    bundle.process.update(terminal=True, consoleSize={"height": 33, "width": 77},
                          args=["/bin/stty", "size"])
    assert spawn.run(None, bundle.write(), console=None).stdout.strip() == "33 77"


def test_control_group_without_a_namespace(sh, bundle):
    bundle.namespaces(cgroup=None)
    out = sh("echo $$; cat /sys/fs/cgroup/cgroup.procs; cut -d: -f3 /proc/self/cgroup | tail -1")
    lines = out.split()
    assert lines[0] in lines[1:3] and len(lines) == 4 and "skep-" in lines[-1]


@pytest.mark.parametrize("how, comes", [("rslave", True), ("shared", True), ("private", False), (None, False)])
def test_propagation_of_the_root(spawn, bundle, scratch, how, comes):
    root = scratch / "mounted"
    root.mkdir()
    kernel.mount("root", str(root), "tmpfs", 0, "")
    try:
        shutil.copytree(bundle.root, root, symlinks=True, dirs_exist_ok=True)
        subprocess.run(["mount", "--make-shared", root], check=True)
        (root / "sub").mkdir()
        bundle.config["root"]["path"] = str(root)
        if how:
            bundle.linux["rootfsPropagation"] = how
        bundle.process["args"] = ["/bin/sh", "-c", "echo up; read x; cat /sub/file || echo none"]
        p = spawn.start(None, bundle.write(), console=None, stdin=subprocess.PIPE)
        assert p.stdout.readline() == "up\n"
        kernel.mount("later", str(root / "sub"), "tmpfs", 0, "")
        (root / "sub/file").write_text("came\n")
        out, _ = p.communicate("\n", timeout=10)
        assert out == ("came\n" if comes else "none\n")
    finally:
        subprocess.run(["umount", "-R", root], check=True)


def test_nobody_inside_looks_at_who_comes(spawn, bundle, held, scratch):
    """Whoever is in the namespaces that a container is put into cannot open what we have of the host."""
    inside = next(iter(kernel.descendants(held("--user", "--map-root-user", "--pid", "--fork", "--kill-child"))))
    bundle.namespaces(user=f"/proc/{inside}/ns/user", pid=f"/proc/{inside}/ns/pid")
    for m in bundle.config["mounts"]:
        m["options"] = [o for o in m.get("options", []) if o != "gid=5"]
    out = scratch / "seen"
    script = (f"p=$(sed 's/.*\"pid\": *//; s/[^0-9].*//'); nsenter -t {inside} -U --preserve-credentials "
              f"readlink /proc/{inside}/exe /proc/$p/exe >{out} 2>&1; :")
    hook(bundle, "createRuntime", script)
    bundle.process["args"] = ["/bin/true"]
    spawn.run(None, bundle.write(), console=None)
    said = out.read_text()
    assert "sleep" in said and "skep-spawn" not in said, said


def test_stop_signal_of_the_image(spawn, bundle):
    bundle.config["annotations"] = {"org.opencontainers.image.stopSignal": "SIGUSR1"}
    bundle.process["args"] = ["/bin/sh", "-c", "trap 'echo asked; exit 5' USR1; echo up; while :; do sleep 0.05; done"]
    p = spawn.start(None, bundle.write(), console=None)
    assert p.stdout.readline() == "up\n"
    p.terminate()
    assert p.communicate(timeout=10)[0] == "asked\n" and p.returncode == 5


def test_container_does_not_reboot(sh, bundle):
    for kind in ("bounding", "effective", "permitted"):
        bundle.process["capabilities"][kind].append("CAP_SYS_BOOT")
    done = sh("echo once; reboot -f", check=False)
    assert (done.stdout, done.returncode) == ("once\n", 128 + signal.SIGHUP)


if os.environ.get("SKEP_SANITIZED"):     # which makes calls of its own, before it can say that one failed
    del test_nothing_runs_half_confined
