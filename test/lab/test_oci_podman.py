# SPDX-License-Identifier: LGPL-2.1-or-later
"""Podman with skep-oci as its runtime: what its users do all day.

With SKEP_OCI_RUNTIMES="crun runc" those do it instead, which is how the tests were found true."""

import json
import time

import pytest

from skeplib import engines
from skeplib.terminal import Terminal

LAB_SUITES = ("bookworm", "trixie")
LAB_KIND = "engines"

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(scope="module")
def store(lab):
    engines.prepare(lab)
    yield lab


@pytest.fixture(scope="module", params=engines.runtimes())
def podman(store, request):
    yield engines.Podman(store, request.param)
    assert store.out("podman ps --all --quiet") == ""


@pytest.fixture
def sleeper(podman):
    """A container that does nothing, and ends at once when it is asked to."""
    made = podman.start("sh", "-c", "trap 'exit 9' TERM; trap 'touch /usr1' USR1; "
                        "while :; do sleep 0.05; done")
    yield made
    podman.remove(made)


def test_the_bed(store):
    """Debian's own runtime does it here: so what fails below is ours."""
    crun = engines.Podman(store, "crun")
    assert crun.run("sh", "-c", "exit 3", check=False).returncode == 3


def test_streams_and_status(podman):
    done = podman.run("sh", "-c", "echo out; echo err >&2; exit 3", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")
    assert podman.run("-i", "--", "cat", input="in\n").stdout == "in\n"
    assert podman.run("sh", "-c", "sleep 9 & kill -TERM $!; wait $!", check=False).returncode == 143


def test_what_cannot_be_run(podman):
    missing = podman.run("no-such-program", check=False)
    assert missing.returncode == 127 and "no-such-program" in missing.stderr
    assert podman.run("/etc/not-a-program", check=False).returncode == 126
    assert podman.run("--workdir=/not/there", "--", "true", check=False).returncode in (126, 127)


def test_environment_folder_and_names(podman):
    assert podman.sh("echo $COLOUR $SIZE; pwd; hostname; cat link/from-image 2>/dev/null; cat from-image",
                     "--env=SIZE=big", "--hostname=hive") == "blue big\n/data\nhive\nimage"
    assert podman.sh("pwd -P", "--workdir=/link") == "/data"


def test_users(podman):
    assert podman.sh("id -u; id -g; id -G", "--user=app", "--group-add=extra") == "1000\n1000\n1000 2000"
    assert podman.sh("id -u; id -g", "--user=1234:4321") == "1234\n4321"
    assert podman.sh("umask; touch f; stat -c %a f", "--umask=077") == "0077\n600"


def test_terminal(podman):
    command = " ".join([*podman.command, "run --rm -it --network=none", engines.IMAGE, "sh"])
    with Terminal(podman.lab, command, rows=33, columns=99) as terminal:
        terminal.expect(r"[#$] ")
        terminal.type("stty size; tty; echo $TERM\r")
        terminal.expect(r"33 99\r\n/dev/(pts/0|console)\r\nxterm\r\n")
        terminal.resize(44, 111)
        time.sleep(0.3)
        terminal.type("stty size\r")
        terminal.expect(r"44 111\r\n")
        terminal.type("ls -l /dev/console | cut -c1; echo x >/dev/console\r")
        terminal.expect(r"c\r\n")
        terminal.expect(r"x\r\n")
        terminal.type("exit 5\r")
        assert terminal.end()[0] == 5


def test_exec(podman, sleeper):
    done = podman.exec(sleeper, "sh", "-c", "echo out; echo err >&2; exit 5", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (5, "out\n", "err\n")
    assert podman.exec(sleeper, "-i", "--", "cat", input="in\n").stdout == "in\n"
    seen = podman.exec(sleeper, "--user=app", "--env=SIZE=big", "--workdir=/home/app", "--", "sh", "-c",
                       "id -u; echo $SIZE $COLOUR; pwd; hostname; cut -d: -f3 /proc/1/cgroup "
                       "/proc/self/cgroup | sort -u | wc -l").stdout.split("\n")
    assert seen[:3] == ["1000", "big blue", "/home/app"]
    assert podman.exec(sleeper, "no-such-program", check=False).returncode == 127
    assert podman.exec(sleeper, "/etc/not-a-program", check=False).returncode == 126
    assert podman.exec(sleeper, "sh", "-c", "kill -KILL $$", check=False).returncode == 137
    podman.exec(sleeper, "--detach", "--", "touch", "/detached")
    podman.lab.wait_for([*podman.command, "exec", sleeper, "ls", "/detached"])


def test_exec_at_a_terminal(podman, sleeper):
    command = " ".join([*podman.command, "exec -it", sleeper, "sh"])
    with Terminal(podman.lab, command, rows=33, columns=99) as terminal:
        terminal.expect(r"[#$] ")
        terminal.type("stty size; echo hello >/dev/tty\r")
        terminal.expect(r"33 99\r\nhello\r\n")
        terminal.type("exit 6\r")
        assert terminal.end()[0] == 6


def test_exec_is_no_more_than_the_container(podman):
    made = podman.start("--cap-drop=all", "--cap-add=chown", "--security-opt=no-new-privileges", "--", "sleep",
                        "60")
    try:
        status = "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/%s/status"
        first = podman.exec(made, "sh", "-c", status % 1).stdout
        assert "CapEff:\t0000000000000001\n" in first and "NoNewPrivs:\t1\n" in first
        assert podman.exec(made, "sh", "-c", status % "self").stdout == first
        spaces = podman.exec(made, "sh", "-c", "for n in cgroup ipc mnt net pid uts; do "
                             "readlink /proc/1/ns/$n; done; echo; for n in cgroup ipc mnt net pid uts; do "
                             "readlink /proc/self/ns/$n; done").stdout.split("\n\n")
        assert spaces[0] == spaces[1].rstrip("\n")
    finally:
        podman.remove(made)


def test_logs(podman):
    made = podman.start("sh", "-c", "echo out; echo err >&2")
    podman.wait_state(made, "exited")
    done = podman("logs", made)
    assert (done.stdout, done.stderr) == ("out\n", "err\n")
    podman.remove(made)


def test_stop_kill_and_remove(podman, sleeper):
    podman("kill", "--signal=USR1", sleeper)
    podman.lab.wait_for([*podman.command, "exec", sleeper, "ls", "/usr1"])
    podman("stop", "--time=5", sleeper)
    assert podman.wait_state(sleeper, "exited")["ExitCode"] == 9
    podman("start", sleeper)
    podman("kill", sleeper)
    assert podman.wait_state(sleeper, "exited")["ExitCode"] == 137
    podman("start", sleeper)
    assert podman("rm", sleeper, check=False).returncode != 0


def test_pause(podman):
    made = podman.start("sh", "-c", "while :; do echo x >>/count; sleep 0.02; done")
    try:
        podman("pause", made)
        podman.wait_state(made, "paused")
        where = podman.inspect(made)["State"]["Pid"]
        count = f"stat -c %s /proc/{where}/root/count"
        before = podman.lab.out(count)
        time.sleep(0.2)
        assert podman.lab.out(count) == before
        podman("unpause", made)
        podman.wait_state(made, "running")
        podman.lab.wait_for(f"test $({count}) -gt {before}")
    finally:
        podman.remove(made)


def test_own_users(podman):
    podman.lab.run("mkdir -p /srv2/mapped && chown 0:0 /srv2/mapped && chmod 755 /srv2/mapped")
    seen = podman.sh("cat /proc/self/uid_map; id -u; touch /mine; stat -c %u /mine; "
                     "touch /host/no 2>/dev/null || echo refused; mount -t tmpfs none /tmp 2>/dev/null || "
                     "echo cannot mount", "--uidmap=0:100000:5000", "--gidmap=0:200000:5000",
                     "--volume=/srv2/mapped:/host")
    assert seen.split() == ["0", "100000", "5000", "0", "0", "refused", "cannot", "mount"]


def test_exec_with_own_users(podman):
    made = podman.start("--uidmap=0:100000:5000", "--", "sleep", "60")
    try:
        assert podman.exec(made, "--user=app", "--", "sh", "-c",
                           "id -u; cat /proc/self/uid_map").stdout.split() == \
            ["1000", "0", "100000", "5000"]
        pid = podman.inspect(made)["State"]["Pid"]
        assert podman.lab.out(f"stat -c %u /proc/{pid}") == "100000"
    finally:
        podman.remove(made)


def test_volumes(podman):
    podman.lab.write("/srv2/bind/file", "host\n")
    seen = podman.sh(
        "cat /rw/file; echo more >/rw/new; echo x >/ro/file || echo refused; cat /named/from-image; "
        "mount | grep -c ' on /tmpfs type tmpfs.*noexec'; stat -c %a /tmpfs; df -k /dev/shm | tail -n1 | "
        "awk '{print $2}'", "--volume=/srv2/bind:/rw", "--volume=/srv2/bind:/ro:ro",
        "--volume=kept:/data", "--volume=kept:/named", "--tmpfs=/tmpfs:mode=1750,noexec", "--shm-size=2m")
    assert seen.split() == ["host", "refused", "image", "1", "1750", "2048"]
    assert podman.lab.read("/srv2/bind/new") == "more\n"
    assert podman.lab.read("/srv2/bind/file") == "host\n"
    podman("volume", "rm", "kept")


def test_nested_mounts(podman):
    podman.lab.run("mkdir -p /srv2/top/sub && mountpoint -q /srv2/top/sub || mount -t tmpfs inner /srv2/top/sub")
    count = "grep -c ' /top/sub ' /proc/self/mountinfo"
    assert podman.sh(f"{count}; true", "--mount=type=bind,src=/srv2/top,dst=/top") == "1"
    alone = podman.sh(f"{count}; true", "--mount=type=bind,src=/srv2/top,dst=/top,bind-nonrecursive")
    assert alone == "0" or podman.runtime == "crun"     # which takes rprivate for rbind, in Debian 12
    assert podman.sh("touch /top/sub/x 2>/dev/null || echo refused; touch /top/x 2>/dev/null || echo refused",
                     "--volume=/srv2/top:/top:ro").split()[-1] == "refused"
    made = podman.start("--volume=/srv2/top:/top:rslave", "--", "sleep", "60")
    podman.lab.run("mount --make-shared /srv2/top/sub && mkdir /srv2/top/sub/late && "
                   "mount -t tmpfs late /srv2/top/sub/late")
    assert podman.exec(made, "grep", "-c", " /top/sub/late ", "/proc/self/mountinfo",
                       check=False).stdout in ("1\n", "0\n")
    podman.lab.run("umount /srv2/top/sub/late")
    podman.remove(made)


def test_read_only(podman):
    seen = podman.sh("touch /x 2>/dev/null || echo refused; touch /tmp/x && echo tmp; "
                     "touch /dev/shm/x && echo shm", "--read-only")
    assert seen.split() == ["refused", "tmp", "shm"]


def test_capabilities(podman):
    show = "grep -E 'Cap(Inh|Eff|Bnd|Amb)' /proc/self/status | cut -f2"
    assert podman.sh(show, "--cap-drop=all").split() == ["0" * 16] * 4
    assert podman.sh(show, "--cap-drop=all", "--cap-add=net_admin").split() == \
        ["0" * 16, "0000000000001000", "0000000000001000", "0" * 16]
    assert podman.sh(show, "--cap-drop=all", "--cap-add=net_admin", "--user=app").split()[2] == \
        "0000000000001000"


def test_seccomp(podman):
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
               "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}]}
    podman.lab.write("/srv2/profile.json", json.dumps(profile))
    done = podman.run("--security-opt=seccomp=/srv2/profile.json", "--", "mkdir", "/x", check=False)
    assert done.returncode == 1 and "not supported" in done.stderr.lower()
    show = "grep Seccomp: /proc/self/status | cut -f2"
    assert podman.sh(show) == "2"
    assert podman.sh(show, "--security-opt=seccomp=unconfined") == "0"


def test_limits_and_scores(podman):
    assert podman.sh("ulimit -n; ulimit -Hn; ulimit -c; cat /proc/self/oom_score_adj",
                     "--ulimit=nofile=100:200", "--ulimit=nproc=99:99", "--ulimit=core=0:0", "--oom-score-adj=500").split() == \
        ["100", "200", "0", "500"]


def test_devices(podman):
    seen = podman.sh("ls -l /dev/fuse | cut -c1; ls /dev | tr '\\n' ' '", "--device=/dev/fuse")
    lines = seen.split("\n")
    assert lines[0] == "c"
    assert set(lines[1].split()) >= {"fd", "full", "fuse", "mqueue", "null", "ptmx", "pts", "random", "shm",
                                     "stderr", "stdin", "stdout", "tty", "urandom", "zero"}
    assert "loop-control" not in lines[1]


def test_devices_that_were_not_given(podman):
    if podman.runtime in engines.PEERS:
        pytest.skip("the bed cannot give it a device policy")
    assert podman.sh("mknod /n c 10 229 && cat /n 2>&1 | head -n1 || true; cat </dev/null && echo null",
                     "--cap-add=mknod").split("\n")[-1] == "null"
    done = podman.run("--cap-add=mknod", "--", "sh", "-c", "mknod /n c 10 237 && cat /n", check=False)
    assert done.returncode != 0 and "not permitted" in done.stderr


def test_sysctl_and_masks(podman):
    seen = podman.sh("cat /proc/sys/net/ipv4/ip_unprivileged_port_start; echo 1 2>/dev/null "
                     ">/proc/sys/kernel/shmmni || echo ro; cat /proc/timer_list | wc -c; ls /proc/scsi | wc -l; "
                     "touch /sys/x 2>/dev/null || echo ro", "--sysctl=net.ipv4.ip_unprivileged_port_start=7")
    assert seen.split() == ["7", "ro", "0", "0", "ro"]


def test_privileged(podman):
    seen = podman.sh("mount -t tmpfs none /tmp && echo mounted; echo 5 >/proc/sys/kernel/shmmni && echo rw",
                     "--privileged")
    assert seen.split() == ["mounted", "rw"]


def test_namespaces_of_others(podman, sleeper):
    assert podman.sh("readlink /proc/self/ns/net; readlink /proc/self/ns/ipc; readlink /proc/self/ns/uts;"
                     "readlink /proc/self/ns/pid", "--ipc=host", "--uts=host", "--pid=host",
                     network="host") == \
        podman.lab.out("for n in net ipc uts pid; do readlink /proc/self/ns/$n; done")
    seen = podman.sh("readlink /proc/self/ns/net; ps | grep -c 'sleep 0.0[5]'; hostname",
                     f"--pid=container:{sleeper}", network=f"container:{sleeper}")
    assert seen.split()[0] == podman.exec(sleeper, "readlink", "/proc/self/ns/net").stdout.strip()
    assert int(seen.split()[1]) >= 1


def test_network(podman):
    made = podman.start("--publish=127.0.0.1:8181:80", "--", "sh", "-c",
                        "mkdir /w; echo page >/w/index.html; exec httpd -f -p 80 -h /w", network="podman")
    try:
        address = podman.inspect(made)["NetworkSettings"]["IPAddress"] or \
            podman.inspect(made)["NetworkSettings"]["Networks"]["podman"]["IPAddress"]
        assert podman.sh(f"wget -qO- http://{address}", network="podman") == "page"
        fetch = "exec 3<>/dev/tcp/127.0.0.1/8181; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3"
        assert "page" in podman.lab.wait_for(fetch).stdout
    finally:
        podman.remove(made)


def test_restart(podman):
    made = podman.start("--restart=on-failure:2", "--", "sh", "-c", "echo again; exit 1")
    podman.lab.wait_for(f"test $(podman logs {made} | wc -l) = 3", timeout=15)
    podman.wait_state(made, "exited")
    assert podman.inspect(made)["RestartCount"] == 2
    podman.remove(made)


def test_pod(podman):
    podman("pod", "create", "--name=p", "--network=none", "--share=net,ipc,uts,pid", "--hostname=pod",
           f"--infra-image={engines.IMAGE}", "--infra-command=/bin/sleep 600")
    try:
        first = podman.out("run", "--detach", "--pod=p", engines.IMAGE, "sh", "-c",
                           "mkdir /w; echo page >/w/index.html; exec httpd -f -p 80 -h /w")
        podman.lab.wait_for([*podman.command, "run", "--rm", "--pod=p", engines.IMAGE, "wget", "-qO-",
                             "http://127.0.0.1"], text="page")
        seen = podman.out("run", "--rm", "--pod=p", engines.IMAGE, "sh", "-c",
                          "hostname; ps | grep -c '[h]ttpd'; readlink /proc/self/ns/ipc").split()
        assert seen[:2] == ["pod", "1"]
        assert podman.exec(first, "readlink", "/proc/self/ns/ipc").stdout.strip() == seen[2]
        podman("pod", "stop", "--time=0", "p")
        assert podman.inspect(first)["State"]["Status"] == "exited"
    finally:
        podman("pod", "rm", "--force", "--time=0", "p")


def test_looking_at_it(podman, sleeper):
    assert "sleep" in podman.out("top", sleeper)
    assert podman.out("ps", "--format={{.ID}} {{.Status}}").split()[1] == "Up"
    assert sleeper[:12] in podman.out("stats", "--no-stream", sleeper)
    about = podman.inspect(sleeper)
    assert about["State"]["Running"] and about["OCIRuntime"].endswith(podman.runtime)
    podman.lab.write("/srv2/copied", "copy\n")
    podman("cp", "/srv2/copied", f"{sleeper}:/data/copied")
    assert podman.exec(sleeper, "cat", "/data/copied").stdout == "copy\n"


@pytest.mark.parametrize("manager", ["systemd", "cgroupfs"])
def test_control_groups(podman, manager):
    podman = engines.Podman(podman.lab, podman.runtime, manager)
    made = podman.start("sh", "-c", "sleep 60")
    try:
        pid = podman.inspect(made)["State"]["Pid"]
        group = podman.lab.out(f"grep ^0:: /proc/{pid}/cgroup").removeprefix("0::")
        if manager == "systemd":
            assert group.startswith(f"/machine.slice/libpod-{made}.scope")
            assert podman.lab.out(["systemctl", "is-active", f"libpod-{made}.scope"]) == "active"
        else:
            assert group.startswith(f"/libpod_parent/libpod-{made}")
        assert podman.exec(made, "grep", "^0::", "/proc/self/cgroup").stdout == \
            podman.exec(made, "grep", "^0::", "/proc/1/cgroup").stdout
        assert podman.exec(made, "sh", "-c", "touch /sys/fs/cgroup/cgroup.procs 2>/dev/null || "
                           "mkdir /sys/fs/cgroup/x 2>/dev/null || echo refused").stdout == "refused\n"
    finally:
        podman.remove(made)
    podman.lab.wait_for(f"! test -e /sys/fs/cgroup{group}")


def test_hooks(podman):
    podman.lab.write("/srv2/hook", "#!/bin/sh\n(echo $1; cat; echo) >>/srv2/hooked\n", mode=0o755)
    podman.lab.run("rm -f /srv2/hooked")
    for stage in ("prestart", "createRuntime", "poststop"):
        podman.lab.write(f"/srv2/hooks/{stage}.json", json.dumps(
            {"version": "1.0.0", "hook": {"path": "/srv2/hook", "args": ["hook", stage]},
             "when": {"always": True}, "stages": [stage]}))
    lab = podman.lab
    lab.run([*podman.command, "--hooks-dir=/srv2/hooks", "run", "--rm", "--network=none", engines.IMAGE,
             "true"])
    lines = [line for line in lab.read("/srv2/hooked").split("\n") if line]
    states = [json.loads(line) for line in lines[1::2]]
    # Newer podman makes one kind of two, in the order of the files.
    assert lines[::2] == (["prestart", "createRuntime", "poststop"] if podman.lab.suite == "bookworm" else
                          ["createRuntime", "prestart", "poststop"])
    assert {s["status"] for s in states[:-1]} in ({"creating"}, {"created"})
    assert states[-1]["status"] == "stopped" and len({s["id"] for s in states}) == 1
    assert all(s["bundle"] and s["ociVersion"] for s in states)


def test_descriptors(podman):
    assert podman.sh("ls /proc/self/fd") .split() in (["0", "1", "2", "3"], )
    done = podman.lab.run("exec 3</etc/hostname; " + " ".join(podman.command) +
                          f" run --rm --network=none --preserve-fds=1 {engines.IMAGE} cat /proc/self/fd/3")
    assert done.stdout.strip() == podman.lab.out("cat /etc/hostname")


def test_personality(podman):
    assert podman.sh("uname -m", "--personality=LINUX32") == "i686"


def test_health(podman):
    made = podman.start("--health-cmd=test -e /well", "--health-interval=disable", "--", "sleep", "60")
    try:
        assert podman("healthcheck", "run", made, check=False).returncode == 1
        podman.exec(made, "touch", "/well")
        assert podman("healthcheck", "run", made, check=False).returncode == 0
    finally:
        podman.remove(made)


def test_nothing_is_left(podman):
    """Runs last: what a hundred containers had is gone."""
    lab = podman.lab
    assert podman.out("ps", "--all", "--quiet") == ""
    lab.wait_for("! pgrep -x conmon")
    lab.wait_for("! systemctl list-units --no-legend 'libpod-*.scope' | grep .")
    assert lab.out("ls /run/skep-oci /run/skep/oci 2>/dev/null || true").split() in (
        [], ["/run/skep/oci:"], ["/run/skep-oci:"])
    assert lab.run("pgrep -a skep-oci", check=False).stdout == ""
