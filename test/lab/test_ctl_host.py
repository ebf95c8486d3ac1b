# SPDX-License-Identifier: LGPL-2.1-or-later
"""-H: the registry of another host, over Debian's own ssh and sshd."""

import json

import pytest

# A host that takes connections and says nothing, one that nobody listens on, and one with an account for visitors.
CONFIG = """
StrictHostKeyChecking no
UserKnownHostsFile /dev/null
LogLevel ERROR
BatchMode yes
Host silent
  HostName 127.0.0.1
  Port 2022
  ConnectTimeout 1
Host closed
  HostName 127.0.0.1
  Port 2023
Host there
  HostName 127.0.0.1
"""


@pytest.fixture(scope="module")
def host(lab):
    lab.run("useradd -m visitor && mkdir -p -m 700 /root/.ssh /home/visitor/.ssh /run/sshd && "
            "ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519 && "
            "cp /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys && "
            "cp /root/.ssh/id_ed25519.pub /home/visitor/.ssh/authorized_keys && chown -R visitor: /home/visitor")
    lab.write("/root/.ssh/config", CONFIG)
    lab.run("systemd-run -q -u far-sshd -p KillMode=process /usr/sbin/sshd -D")
    lab.run("systemd-run -q -u silent python3 -c 'import socket, time; s = socket.create_server((\"127.0.0.1\", 2022)); "
            "time.sleep(1000)'")
    lab.add_machine("web", "bookworm-guest")
    lab.run("skep start web", timeout=60)
    lab.wait_for("systemctl -M web is-system-running | grep -E 'running|degraded'", timeout=30)
    lab.wait_for("ssh root@there true")
    return lab


def refused(host, line, *words):
    done = host.run(f"skep {line}", check=False)
    assert done.returncode == 1 and done.stdout == "", done
    last = done.stderr.splitlines()[-1]
    assert last.startswith("skep: ") and all(w in last for w in words), done.stderr
    return last


def test_what_is_asked_is_told(host):
    assert host.out("skep -H root@there list --no-legend").split()[:3] == ["web", "container", "skep"]
    assert host.out("skep --host=there list -j") == host.out("skep list -j")
    assert json.loads(host.out("skep -H there list-images -j"))[0]["name"] == "web"
    assert host.out("skep -H there show -P Leader web") == host.out("skep show -P Leader web")
    status = host.out("skep -H there status web")
    assert "skep@web.service" in status and "Debian" in status
    assert host.out("skep -H there image-status web").splitlines()[0] == "web"


def test_debians_client(host):
    assert host.out("machinectl -H root@there list --no-legend").split()[:3] == ["web", "container", "skep"]
    assert "skep@web.service" in host.out("machinectl -H there status web --no-pager")
    assert host.out("machinectl -H there show -p Service --value web") == "skep"
    assert "web" in host.out("machinectl -H there list-images --no-legend")


def test_rights_are_those_of_the_account(host):
    assert host.out("skep -H visitor@there list --no-legend").split()[0] == "web"
    refused(host, "-H visitor@there terminate web", "root")
    refused(host, "-H visitor@there read-only web", "root")
    assert host.out("skep list --no-legend").split()[0] == "web"


def test_changes_and_statuses(host):
    host.run("skep -H there clone web copy && test -d /var/lib/machines/copy && skep -H there remove copy")
    refused(host, "-H there remove nosuch", "nosuch")
    refused(host, "-H there status nosuch", "nosuch")
    host.run("test ! -e /var/lib/machines/copy")
    host.run("skep -H there poweroff --wait web", timeout=60)
    assert host.out("skep list --no-legend") == ""
    host.run("skep -H there start web", timeout=60)
    assert host.out("skep list --no-legend").split()[0] == "web"


def test_what_does_not_go_over_it(host):
    """Descriptors stay on their host, so what has streams says so, and how else."""
    host.wait_for("systemctl -M web is-system-running | grep -E 'running|degraded'", timeout=30)
    for line in ("shell web /bin/true", "exec web /bin/true", "login web"):
        refused(host, f"-H there {line}", "use ssh")
    refused(host, "-H there edit web", "--host")
    # What it advises.
    done = host.run("ssh there skep exec web /bin/sh -c \"'echo out; exit 7'\"", check=False)
    assert (done.stdout, done.returncode) == ("out\n", 7)


def test_files_are_those_of_the_host(host):
    host.run("echo far >/root/note && skep -H there copy-to web /root/note /note && "
             "skep -H there copy-from web /note /root/back")
    assert host.read("/root/back") == host.read("/var/lib/machines/web/note") == "far\n"


def test_machine_of_a_host(host):
    """HOST/MACHINE is the bus in a machine there."""
    refused(host, "-H there/web list", "not installed")


def test_hosts_that_do_not_answer(host):
    refused(host, "-H closed list", "closed")
    refused(host, "-H silent list", "silent")
    refused(host, "-H nobody@there list", "nobody@there")
    assert host.run("machinectl -H closed list", check=False).returncode == 1


def test_connection_that_ends(host):
    waits = host.spawn("skep -H there wait --until=gone web 2>&1; echo $?", stdout=-1, text=True)
    host.wait_for("pgrep -f 'systemd-stdio-bridge'")
    host.run("pkill -f systemd-stdio-bridge")
    out, _ = waits.communicate(timeout=30)
    assert out.splitlines()[-1] == "1" and "the connection to host 'there' broke" in out, out
