# SPDX-License-Identifier: LGPL-2.1-or-later
"""Bundles and payloads that mean harm: what container runtimes have been broken by, done to ours.

With SKEP_OCI_RUNTIMES="crun runc" the same is done to those. The ones of Debian 12 fail some of it: an old
runtime is the proof of a test."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from skeplib import kernel
from skeplib.bundles import Bundle, Runner, runners


@pytest.fixture
def bundle(scratch):
    return Bundle(scratch / "bundle", "/bin/true")


@pytest.fixture(params=runners("skep-oci", "skep-spawn"))
def any_runner(request, scratch):
    """Whoever runs bundles."""
    return Runner(request.param, scratch / "state")


@pytest.fixture(params=runners("skep-oci"))
def runtime(request, scratch):
    """An OCI runtime."""
    made = Runner(request.param, scratch / "state")
    yield made
    for entry in (scratch / "state").glob("*"):
        made("delete", "--force", entry.name, check=False)


@pytest.fixture
def canary(scratch):
    """A folder on the host that an image tries to reach."""
    where = scratch / "canary"
    (where / "sub").mkdir(parents=True)
    (where / "file").write_text("host\n")
    return where


def snapshot(folder):
    """Everything about a folder that a stranger could have changed."""
    found = []
    for top, folders, files in os.walk(folder):
        for name in sorted(folders + files) + ["."]:
            path = os.path.join(top, name)
            status = os.lstat(path)
            found.append((path, status.st_mode, status.st_uid, status.st_gid, status.st_size,
                          status.st_mtime_ns, status.st_dev))
    return sorted(found)


def replace(path, target):
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)
    path.symlink_to(target)


def escapes(canary):
    """The same place, said in the ways that a careless reader would follow."""
    return [str(canary), "../" * 20 + str(canary).lstrip("/"), f"/proc/1/root{canary}",
            f"/proc/self/root{canary}"]


# /proc/self/exe


def test_runtime_is_not_to_be_written_to(runtime, bundle, scratch):
    """CVE-2019-5736: what joins a container shows no program of the host there."""
    program = shutil.which(runtime.command[0])
    before = hashlib.sha256(open(program, "rb").read()).hexdigest()
    bundle.sh("while :; do for p in /proc/[0-9]*; do readlink $p/exe; "
              "( : >>$p/exe ) 2>/dev/null && echo opened $(readlink $p/exe); done; done >/log 2>/dev/null")
    (bundle.rootfs / "again").write_text("#!/proc/self/exe\n")
    (bundle.rootfs / "again").chmod(0o755)
    runtime.create(bundle, "victim")
    runtime("start", "victim")
    for _ in range(10):
        runtime("exec", "victim", "/bin/true")
        runtime("exec", "victim", "/again", check=False)
    runtime("kill", "victim", "KILL")
    seen = set((bundle.rootfs / "log").read_text().splitlines())
    assert "/bin/busybox" in seen
    assert not [s for s in seen if "opened" in s and not s.endswith("/bin/busybox")], seen
    assert not [s for s in seen if os.path.basename(program) in s], seen
    assert hashlib.sha256(open(program, "rb").read()).hexdigest() == before


def test_runtime_is_not_run_as_the_command(any_runner, bundle):
    """What the kernel calls /proc/self/exe when the command is executed is nothing of the host's."""
    bundle.process["args"] = ["/proc/self/exe", "--version"]
    assert "version" not in any_runner.run(bundle).stdout


# descriptors


def descriptors(listing):
    """Those that ls shows, but for the one it reads the folder by."""
    found = [line.split()[8:] for line in listing.splitlines() if " -> " in line]
    return [words[0] for words in found if not words[2].startswith("/proc/")]


def test_no_descriptor_of_the_caller(any_runner, bundle, canary):
    bundle.sh("ls -l /proc/self/fd; env")
    fds = [os.open(canary, os.O_RDONLY) for _ in range(8)]
    try:
        done = any_runner.run(bundle, pass_fds=fds, check=True, env={**os.environ, "LEAKED": "1"})
    finally:
        for fd in fds:
            os.close(fd)
    assert "canary" not in done.stdout and "LEAKED" not in done.stdout
    assert descriptors(done.stdout) == ["0", "1", "2"]


def test_no_descriptor_of_an_exec(runtime, bundle, canary):
    bundle.sh("sleep 60")
    runtime.create(bundle, "box")
    runtime("start", "box")
    fd = os.open(canary, os.O_RDONLY)
    seen = runtime("exec", "box", "/bin/ls", "-l", "/proc/self/fd", pass_fds=[fd]).stdout
    os.close(fd)
    assert descriptors(seen) == ["0", "1", "2"]


def test_only_the_descriptors_that_were_asked_for(runtime, bundle, canary):
    bundle.sh("ls -l /proc/self/fd")
    bundle.write()
    script = ('exec 3<"$1/file" 4<"$1" 9<"$1"; shift; exec "$@"')
    done = subprocess.run(["bash", "-c", script, "sh", str(canary), *runtime.command, "run", "--preserve-fds=1",
                           "--bundle", str(bundle.path), "box"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, text=True, check=True, timeout=20)
    assert "canary/file" in done.stdout and done.stdout.count("canary") == 1


def test_what_waits_for_start_holds_nothing_of_the_host(runtime, bundle, canary, scratch):
    """Between create and start: neither a way back, nor the thing that start is said by."""
    bundle.mount("/vol", canary)
    fd = os.open(canary, os.O_RDONLY)
    pid = runtime.create(bundle, "box", pass_fds=[fd])
    os.close(fd)
    links = [os.readlink(f"/proc/{pid}/fd/{n}") for n in os.listdir(f"/proc/{pid}/fd")]
    assert not [target for target in links if target.startswith((str(scratch / "canary"), "/run", "/sys"))], \
        links
    if runtime.name != "skep-oci":      # they wait at a FIFO in the folder
        return
    mounts = open(f"/proc/{pid}/mountinfo", encoding="utf-8").read()
    assert str(runtime.state) not in mounts


def test_start_cannot_be_said_by_others(runtime, bundle, scratch):
    """What waits for start is out of reach for a container that shares its processes, as in a pod."""
    pid = runtime.create(bundle, "box")
    other = Bundle(scratch / "other")
    for namespace in other.linux["namespaces"]:
        if namespace["type"] == "pid":
            namespace["path"] = f"/proc/{pid}/ns/pid"
    # Not opened: that one could is known by then.
    other.sh("test -d /proc/1 || exit 1; ls -l /proc/1/fd; for f in /proc/1/fd/*; do "
             "test -w $f && echo could write to $f; done; :")
    done = runtime.run(other, check=True, name="other")
    assert "->" not in done.stdout and "could write" not in done.stdout, done.stdout
    assert json.loads(runtime("state", "box").stdout)["status"] == "created"
    runtime("start", "box")


def test_folder_of_the_state_is_for_us_alone(runtime, bundle):
    old = os.umask(0)
    try:
        runtime.create(bundle, "box")
    finally:
        os.umask(old)
    for top, folders, files in os.walk(runtime.state):
        for path in [top, *[os.path.join(top, f) for f in folders]]:
            assert os.stat(path).st_mode & 0o022 == 0, path
        for path in [os.path.join(top, f) for f in files]:
            assert os.lstat(path).st_mode & 0o022 == 0, path


# the working folder


@pytest.mark.parametrize("way", ["/proc/self/fd/%d", "/proc/1/fd/%d", "/dev/fd/%d", "/link", "/proc/self/cwd",
                                 "/proc/self/fd/%d/sub", "//proc/./self/fd/%d"])
def test_working_folder_is_not_outside(any_runner, bundle, canary, way):
    """CVE-2024-21626: through descriptors that somebody has forgotten."""
    held = os.open(canary, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for fd in (held, 3, 4, 5, 6, 7, 8, 9, 10, 11):
            replace(bundle.rootfs / "link", f"/proc/self/fd/{fd}")
            bundle.process["cwd"] = way % fd if "%" in way else way
            bundle.sh("cat file sub/../file ../canary/file; ls; ls ../../../../.. ; touch here")
            done = any_runner.run(bundle, pass_fds=[held])
            assert "host" not in done.stdout, f"{bundle.process['cwd']}: {done.stdout}"
            assert not (canary / "here").exists() and not (canary / "sub/here").exists()
            if done.returncode == 0:
                assert "busybox" not in done.stderr
    finally:
        os.close(held)


def test_working_folder_of_an_exec_is_not_outside(runtime, bundle, canary):
    bundle.sh("sleep 60")
    replace(bundle.rootfs / "link", "/proc/self/fd/7")
    runtime.create(bundle, "box")
    runtime("start", "box")
    held = os.open(canary, os.O_RDONLY | os.O_DIRECTORY)
    for cwd in [f"/proc/self/fd/{fd}" for fd in (held, *range(3, 12))] + ["/link", "/proc/self/cwd"]:
        done = runtime("exec", f"--cwd={cwd}", "box", "/bin/cat", "file", check=False, pass_fds=[held])
        assert "host" not in done.stdout, cwd
    os.close(held)


@pytest.mark.parametrize("how", range(4))
def test_working_folder_is_not_made_outside(any_runner, bundle, canary, how):
    """podman GHSA-q6r4-3wmg-fwcq, and what runtimes do that make the folder."""
    replace(bundle.rootfs / "work", escapes(canary)[how])
    before = snapshot(canary)
    for cwd in ("/work/new", "/work", "/work/sub/new/er"):
        bundle.process["cwd"] = cwd
        bundle.process["user"] = {"uid": 1234, "gid": 1234}
        any_runner.run(bundle)
        assert snapshot(canary) == before, cwd


# links of the image, in the way of mounts


@pytest.mark.parametrize("name", ["dev", "proc", "sys", "etc", "run", "vol"])
@pytest.mark.parametrize("how", range(4))
def test_folder_of_the_image_is_a_link_out(any_runner, bundle, canary, scratch, name, how):
    """CVE-2019-19921, CVE-2021-30465, CVE-2023-27561, CVE-2026-41579: no name is made outside."""
    replace(bundle.rootfs / name, escapes(canary)[how])
    source = scratch / "source"
    source.mkdir()
    (source / "file").write_text("source\n")
    bundle.mount("/vol/new/folder", source)
    bundle.mount("/etc/resolv.conf", source / "file")
    bundle.mount("/run/secrets", "tmpfs", "mode=700", kind="tmpfs")
    bundle.linux["devices"] = [{"type": "c", "path": "/dev/given", "major": 1, "minor": 3, "fileMode": 0o666},
                               {"type": "p", "path": "/run/fifo"}]
    before = snapshot(canary)
    bundle.sh("touch /dev/x /run/x /vol/x; :")
    for mounted in (True, False):
        if not mounted:
            bundle.without_mount("/dev", "/dev/pts", "/dev/shm", "/sys")
        any_runner.run(bundle)
        assert snapshot(canary) == before, f"mounted: {mounted}"


@pytest.mark.parametrize("name", ["proc", "sys"])
@pytest.mark.parametrize("target", ["/etc", "../etc", "/dir"])
def test_proc_of_the_image_is_a_link(any_runner, bundle, name, target):
    """What is mounted there must be what is looked at there: else masks are on something else."""
    (bundle.rootfs / "dir").mkdir()
    replace(bundle.rootfs / name, target)
    bundle.sh("cat /proc/timer_list; cat /dir/timer_list; cat /etc/timer_list; echo 1 >/dir/sys/kernel/shmmni "
              "&& echo written; echo 1 >/etc/sys/kernel/shmmni && echo written")
    done = any_runner.run(bundle)
    assert done.stdout == "", done.stdout


@pytest.mark.parametrize("path", ["/../../canary/x", "/dev/../../canary/x", "/dev/in/../../../canary/x"])
def test_device_with_dots(any_runner, bundle, canary, path):
    before = snapshot(canary)
    bundle.linux["devices"] = [{"type": "c", "path": path, "major": 1, "minor": 3}]
    any_runner.run(bundle)
    assert snapshot(canary) == before
    assert not (canary.parent / "canary/x").exists()


def test_device_through_a_link(any_runner, bundle, canary):
    """With /dev of the image's own."""
    bundle.without_mount("/dev", "/dev/pts", "/dev/shm")
    (bundle.rootfs / "dev/sub").symlink_to(canary)
    (bundle.rootfs / "dev/leaf").symlink_to(canary / "file")
    bundle.linux["devices"] = [{"type": "c", "path": "/dev/sub/x", "major": 1, "minor": 3},
                               {"type": "c", "path": "/dev/leaf", "major": 1, "minor": 3}]
    before = snapshot(canary)
    any_runner.run(bundle)
    assert snapshot(canary) == before


@pytest.mark.parametrize("name", ["null", "zero", "ptmx", "fd", "stdin", "core", "console", "pts", "shm"])
def test_name_in_dev_is_a_link_out(any_runner, bundle, canary, name):
    bundle.without_mount("/dev")
    target = canary if name in ("pts", "shm", "fd") else canary / "file"
    (bundle.rootfs / "dev" / name).symlink_to(target)
    before = snapshot(canary)
    any_runner.run(bundle)
    assert snapshot(canary) == before


def test_swapped_while_it_is_mounted(any_runner, bundle, canary, scratch):
    """CVE-2021-30465: two containers share a volume; one swaps a folder for a link, again and again, while
    the other has a mount made there."""
    volume = scratch / "volume"
    (volume / "a").mkdir(parents=True)
    (volume / "b").symlink_to(f"/../../../../../../..{canary}")
    swapper = subprocess.Popen([sys.executable, "-c", """
import ctypes, os, sys
libc = ctypes.CDLL(None)
d = os.open(sys.argv[1], os.O_RDONLY)
while True:
    libc.syscall(316, d, b"a", d, b"b", 2)
""", str(volume)])
    bundle.mount("/vol", volume)
    bundle.mount("/vol/a", scratch, "rbind", "ro")
    bundle.mount("/vol/a/new", "tmpfs", kind="tmpfs")
    bundle.sh("cat /vol/a/host-only /file 2>/dev/null; :")
    before = snapshot(canary)
    try:
        for _ in range(12):
            any_runner.run(bundle)
            assert snapshot(canary) == before
    finally:
        swapper.kill()
        swapper.wait()


# masks


@pytest.mark.parametrize("kind", ["file", "link", "folder"])
def test_mask_is_not_made_of_what_the_image_has(any_runner, bundle, kind):
    """CVE-2025-31133: /dev/null of the image is no mask."""
    bundle.without_mount("/dev", "/dev/pts", "/dev/shm")
    null = bundle.rootfs / "dev/null"
    if kind == "file":
        null.write_text("shown\n")
    elif kind == "link":
        null.symlink_to("/proc/sys/kernel/hostname")
    else:
        null.mkdir()
    (bundle.rootfs / "hidden").write_text("secret\n")
    (bundle.rootfs / "hidden-too").mkdir()
    (bundle.rootfs / "hidden-too/file").write_text("secret\n")
    bundle.linux["maskedPaths"] += ["/hidden", "/hidden-too"]
    bundle.sh("for f in /hidden /hidden-too/file /proc/timer_list /proc/keys; do cat $f; "
              "echo changed >$f && echo written; done 2>/dev/null; hostname")
    done = any_runner.run(bundle)
    assert "secret" not in done.stdout and "shown" not in done.stdout
    if done.returncode == 0 and done.stdout:
        assert [x for x in done.stdout.split() if x not in ("written",)] == ["box"]


def test_mask_through_a_link(any_runner, bundle, canary):
    """A mask that leads out is on nothing of the host's, and what it leads to in the image is hidden."""
    replace(bundle.rootfs / "hidden", str(canary / "file"))
    (bundle.rootfs / "view").symlink_to("secret")
    (bundle.rootfs / "secret").write_text("secret\n")
    bundle.linux["maskedPaths"] += ["/hidden", "/view"]
    bundle.linux["readonlyPaths"] += ["/hidden"]
    bundle.sh("cat /view; cat /secret; :")
    any_runner.run(bundle)
    assert (canary / "file").read_text() == "host\n"
    assert str(canary) not in open("/proc/self/mountinfo", encoding="utf-8").read().replace(
        str(canary.parent) + " ", " ")


def test_masks_hold(any_runner, bundle):
    """They are there, and who has no right to mount cannot take them away."""
    bundle.sh("for f in /proc/timer_list /proc/keys; do test -s $f && echo shown $f; cat $f; "
              "umount $f && echo unmounted; done; ls /sys/firmware; umount -l /proc && echo unmounted; "
              "echo x >/proc/sys/kernel/domainname && echo written; "
              "echo h >/proc/sysrq-trigger && echo written")
    done = any_runner.run(bundle)
    assert done.stdout == "", done.stdout


# consoles


@pytest.mark.parametrize("target", ["/target", "../target"])
def test_console_of_the_image_is_a_link(runtime, bundle, target):
    """CVE-2025-52565: the terminal is not mounted on what the image says is /dev/console."""
    bundle.process["terminal"] = True
    for mounted in (True, False):
        if not mounted:
            bundle.without_mount("/dev", "/dev/pts", "/dev/shm")
        (bundle.rootfs / "target").write_text("mine\n")
        replace(bundle.rootfs / "dev/console", target)
        bundle.sh("cat </target; grep -c ' /target ' /proc/self/mountinfo; grep -c ' /proc/sys' "
                  "/proc/self/mountinfo; tty")
        bundle.write()
        done = subprocess.run(["script", "-qec", " ".join(
            [*runtime.command, "run", "--bundle", str(bundle.path), f"box{mounted}"]), "/dev/null"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False, timeout=20)
        assert not os.path.exists("/target")
        found = re.search(r"mine\s+(\d+)\s+(\d+)", done.stdout.replace("^@", ""))
        assert (found and found[1] == "0") or (not found and done.returncode != 0), done.stdout


# procfs that is not procfs


def test_volume_over_proc(any_runner, bundle, canary):
    """CVE-2019-16884: what is set by writing to /proc would be said to a volume."""
    for name in ("self/attr/exec", "self/attr/current", "self/oom_score_adj", "sys/net/ipv4/ping_group_range",
                 "thread-self/attr/exec", "1/oom_score_adj"):
        (canary / name).parent.mkdir(parents=True, exist_ok=True)
        (canary / name).write_text("untouched\n")
    before = snapshot(canary)
    bundle.mount("/proc", canary)
    bundle.linux["sysctl"] = {"net.ipv4.ping_group_range": "0 0"}
    bundle.process["oomScoreAdj"] = 500
    any_runner.run(bundle)
    assert snapshot(canary) == before


@pytest.mark.parametrize("where", ["/proc/sys", "/proc/sys/net", "/proc/self/attr", "/proc/1"])
def test_volume_within_proc(any_runner, bundle, canary, where):
    """CVE-2025-52881: nothing that the runtime writes goes elsewhere."""
    folder = canary / "net/ipv4"
    folder.mkdir(parents=True)
    (canary / "ipv4").mkdir()
    for place in (folder, canary / "ipv4"):
        (place / "ping_group_range").write_text("untouched\n")
    for name in ("exec", "current", "oom_score_adj", "uid_map"):
        (canary / name).write_text("untouched\n")
    before = snapshot(canary)
    bundle.mount(where, canary)
    bundle.linux["sysctl"] = {"net.ipv4.ping_group_range": "0 0"}
    bundle.process["oomScoreAdj"] = 500
    any_runner.run(bundle)
    assert snapshot(canary) == before


@pytest.mark.parametrize("key", ["kernel.core_pattern", "kernel/core_pattern", "../kernel.core_pattern",
                                 "net.../../kernel/core_pattern", "fs.suid_dumpable", "vm.overcommit_memory",
                                 "kernel.hostname", "net/../kernel/core_pattern", ""])
def test_sysctl_of_the_host(any_runner, bundle, key):
    """Only what belongs to a namespace of the container is the container's to set."""
    watched = ["kernel/core_pattern", "fs/suid_dumpable", "vm/overcommit_memory", "kernel/hostname"]
    before = [open(f"/proc/sys/{w}", encoding="utf-8").read() for w in watched]
    bundle.linux["sysctl"] = {key: "2"}
    if key == "kernel.hostname":        # without a namespace it is the host's
        bundle.linux["namespaces"] = [n for n in bundle.linux["namespaces"] if n["type"] != "uts"]
        del bundle.config["hostname"]
    done = any_runner.run(bundle)
    after = [open(f"/proc/sys/{w}", encoding="utf-8").read() for w in watched]
    for name, content in zip(watched, before):
        if content not in after:
            with open(f"/proc/sys/{name}", "w", encoding="utf-8") as f:
                f.write(content)
    assert after == before
    assert done.returncode != 0


def test_host_name_without_a_namespace(any_runner, bundle):
    before = os.uname().nodename
    bundle.linux["namespaces"] = [n for n in bundle.linux["namespaces"] if n["type"] != "uts"]
    done = any_runner.run(bundle)
    assert os.uname().nodename == before and done.returncode != 0


# rights


def test_no_inheritable_capability(any_runner, bundle):
    """CVE-2022-24769: neither the caller's nor any that the document does not name."""
    if any_runner.name == "skep-spawn":
        bundle.process["capabilities"].pop("inheritable", None)
    bundle.sh("grep -E 'Cap(Inh|Amb)' /proc/self/status | cut -f2")
    done = any_runner.run(bundle, check=True, before=["setpriv", "--inh-caps=+net_raw,+chown,+kill"])
    assert done.stdout.split() == ["0" * 16] * 2


def test_no_more_capabilities_than_the_document_says(any_runner, bundle):
    for of in ("bounding", "effective", "permitted"):
        bundle.process["capabilities"][of] = ["CAP_CHOWN"]
    bundle.sh("grep -E 'Cap(Prm|Eff|Bnd)' /proc/self/status | cut -f2")
    assert any_runner.run(bundle, check=True).stdout.split() == ["0" * 15 + "1"] * 3
    bundle.process.pop("capabilities")
    assert any_runner.run(bundle, check=True).stdout.split() == ["0" * 16] * 3


def test_control_groups_are_of_the_second_kind(any_runner, bundle):
    """CVE-2022-0492: nowhere is there a release_agent."""
    bundle.mount("/sys/fs/cgroup", "cgroup", "nosuid", "noexec", "nodev", "ro", kind="cgroup")
    bundle.sh("find /sys/fs/cgroup -name release_agent; grep ' - cgroup ' /proc/self/mountinfo; "
              "grep -c ' - cgroup2 ' /proc/self/mountinfo; mkdir /sys/fs/cgroup/x && echo made")
    done = any_runner.run(bundle)
    assert done.stdout == "1\n", (done.stdout, done.stderr)


# names and records


@pytest.mark.parametrize("name", ["..", ".", "a/b", "../x", "", "a\nb", "/abs", "a b", "x" * 2000])
def test_name_is_no_path(runtime, bundle, scratch, name):
    before = snapshot(scratch / "bundle")
    bundle.write()
    done = runtime("run", "--bundle", bundle.path, "--", name, check=False) if runtime.name == "skep-oci" else \
        runtime("run", "--bundle", bundle.path, name, check=False)
    assert done.returncode != 0
    for command in ("state", "delete", "start", "kill"):
        assert runtime(command, "--", name, check=False).returncode != 0
    assert {e[0] for e in snapshot(scratch / "bundle")} - {e[0] for e in before} <= \
        {str(bundle.path / "config.json")}


def test_folder_of_the_state_is_a_link(runtime, bundle, canary):
    runtime.state.mkdir(mode=0o700)
    (runtime.state / "box").symlink_to(canary)
    before = snapshot(canary)
    assert runtime.run(bundle, name="box").returncode != 0
    for command in ("state", "start", "delete"):
        runtime(command, "box", check=False)
    runtime("delete", "--force", "box", check=False)
    assert snapshot(canary) == before


def records(runtime, name):
    return [path for path in (runtime.state / name).rglob("*") if path.is_file() and not path.is_symlink()]


def test_record_of_somebody_else(runtime, bundle):
    """A PID that has become another's is not killed, entered or waited for."""
    if runtime.name != "skep-oci":
        pytest.skip("their records are not ours")
    bundle.sh("sleep 60")
    runtime.create(bundle, "box")
    runtime("start", "box")
    # A process is told by its start too, and that is counted in hundredths of a second.
    time.sleep(0.05)
    with subprocess.Popen(["sleep", "60"]) as other:
        for path in records(runtime, "box"):
            text = path.read_text(encoding="utf-8", errors="replace")
            if text.startswith("{"):
                old = json.loads(text)["pid"]
                path.write_text(text.replace(str(old), str(other.pid)), encoding="utf-8")
                break
        else:
            raise AssertionError("no record found")
        state = json.loads(runtime("state", "box").stdout)
        assert state["status"] == "stopped", state
        assert runtime("kill", "box", "KILL", check=False).returncode != 0
        assert runtime("exec", "box", "/bin/true", check=False).returncode != 0
        runtime("delete", "--force", "box", check=False)
        assert other.poll() is None
        other.kill()
        os.kill(old, signal.SIGKILL)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"id":"box"}', '{"pid":-1}',
                                  '{"id":"../x","pid":1}', "x" * 70000, "\0"])
def test_record_that_is_none(runtime, bundle, text):
    if runtime.name != "skep-oci":
        pytest.skip("their records are not ours")
    bundle.linux["cgroupsPath"] = f"/skep-test-{os.getpid()}"
    pid = runtime.create(bundle, "box")
    written = False
    for path in records(runtime, "box"):
        if path.read_text(encoding="utf-8", errors="replace").startswith("{"):
            path.write_text(text, encoding="utf-8")
            written = True
    assert written
    for command in (["state", "box"], ["kill", "box"], ["start", "box"], ["exec", "box", "true"]):
        done = runtime(*command, check=False)
        assert done.returncode > 0 and done.stderr.count("\n") == 1, (command, done)
    assert runtime("list", check=False).returncode >= 0
    runtime("delete", "--force", "box", check=False)
    # Nobody knows any more that it was one.
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    kernel.remove_cgroup(kernel.cgroup2_mount() / f"skep-test-{os.getpid()}")


def test_words_of_the_document_stay_words(runtime, bundle):
    """Annotations and variables go nowhere but where they are asked for, as they are."""
    nasty = 'a"b\\c\n{"d":1}\t$(touch /x) %s %n \x7f ü'
    bundle.config["annotations"] = {nasty: nasty, "org.systemd.property.ExecStartPost": "['/bin/touch /tmp/x']"}
    bundle.process["env"] += [f"NASTY={nasty}"]
    bundle.sh("printf %s \"$NASTY\"")
    runtime.create(bundle, "box")
    assert json.loads(runtime("state", "box").stdout)["annotations"][nasty] == nasty
    runtime("start", "box")
    end = time.monotonic() + 5
    while runtime.said(bundle) != nasty and time.monotonic() < end:
        time.sleep(0.02)
    assert runtime.said(bundle) == nasty


@pytest.mark.parametrize("path", ["/../../../x", "/a/../../../b", "../../x", "/"])
def test_control_group_is_below(runtime, bundle, path):
    """cgroupsPath leads to no group above, and to none that is another's."""
    if runtime.name == "crun":
        pytest.skip("it is run without control groups")
    bundle.linux["cgroupsPath"] = path
    bundle.sh("sleep 60")
    try:
        pid = runtime.create(bundle, "box")
    except AssertionError:
        return
    group = next(line[3:].strip() for line in open(f"/proc/{pid}/cgroup", encoding="utf-8")
                 if line.startswith("0::"))
    assert ".." not in group and group != "/"
    assert os.path.realpath(kernel.cgroup2_mount() / group.lstrip("/")).startswith(str(kernel.cgroup2_mount()))
