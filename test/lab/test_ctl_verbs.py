# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the verbs of skep do, seen from outside, and what they say when they cannot."""

import json
import re
import time

import pytest

from skeplib import trees

LAB_SUITES = ("bookworm", "trixie")


def skep(lab, line, check=True, **options):
    return lab.run(f"skep {line}", check=check, **options)


def refused(lab, line, *words, **options):
    """The one line that a command which has to fail gives; it has @words in it."""
    done = skep(lab, line, check=False, **options)
    assert done.returncode == 1
    assert re.fullmatch(r"skep: [^\n]+\n", done.stderr), done.stderr
    for word in words:
        assert word in done.stderr
    return done.stderr


@pytest.fixture
def web(lab):
    """A machine that runs, whatever the test before has done to it."""
    if lab.run("test -d /var/lib/machines/web", check=False).returncode:
        lab.add_machine("web", lab.suite + "-guest")
    skep(lab, "start web", timeout=60)
    lab.wait_for("systemctl -M web is-system-running | grep -E 'running|degraded'", timeout=30)
    return lab


def running(lab):
    return [m["machine"] for m in json.loads(lab.out("skep list --json=short"))]


def leader(lab):
    return int(lab.out("skep show -P Leader web"))


def test_start_waits_until_it_runs(web):
    skep(web, "terminate --wait web")
    assert running(web) == []
    skep(web, "start web")
    assert running(web) == ["web"]
    assert web.out("systemctl is-active skep@web.service") == "active"
    skep(web, "start web")      # it runs already: nothing to do


def test_poweroff_waits_if_asked(web):
    began = time.monotonic()
    skep(web, "poweroff --wait web", timeout=60)
    assert time.monotonic() - began < 30
    assert running(web) == []
    assert web.wait_for("systemctl is-active skep@web.service; test $? = 3")
    journal = web.journal("-u", "skep@web.service", "-n", "200")
    assert re.search(r"Reached target (poweroff.target|System Power Off)", journal)


def test_reboot(web):
    before = leader(web)
    skep(web, "restart web")
    web.wait_for(f"test $(skep show -P Leader web) != {before}", timeout=30)
    assert running(web) == ["web"]


def test_kill_signals_the_leader_or_all(web):
    """SIGWINCH hurts nobody; one process in the guest waits for it."""
    web.run("systemd-run -q -M web --unit=listener bash -c "
            "'trap \"touch /run/heard\" WINCH; touch /run/listening; while :; do sleep 0.05; done'")
    heard = f"/proc/{leader(web)}/root/run/heard"
    web.wait_for(["test", "-e", heard.replace("heard", "listening")])
    skep(web, "kill --kill-whom=leader -s WINCH web")
    time.sleep(0.3)
    assert web.run(["test", "-e", heard], check=False).returncode == 1
    skep(web, "kill --signal=SIGWINCH web")
    web.wait_for(["test", "-e", heard])
    refused(web, "kill --kill-whom=nobody web")


def test_terminate(web):
    skep(web, "terminate --wait web")
    assert running(web) == []


def test_start_says_what_failed(lab):
    lab.run("mkdir -p /var/lib/machines/hollow")
    text = refused(lab, "start hollow", "hollow", "skep@hollow.service: exit-code: ", "journalctl -u")
    assert "/var/lib/machines/hollow" in text or "/sbin/init" in text
    refused(lab, "start nosuch", "'nosuch'", "skep list-images")
    refused(lab, "start a_b", "'a_b' cannot be the name of a machine")
    lab.run("rmdir /var/lib/machines/hollow; systemctl reset-failed")


def test_start_without_the_template(lab):
    lab.run("mkdir -p /var/lib/machines/plain && mkdir -p /run/systemd/system && "
            "systemctl mask --runtime skep@plain.service")
    refused(lab, "start plain", "plain", "masked")
    lab.run("systemctl unmask --runtime skep@plain.service; rmdir /var/lib/machines/plain")


def test_enable_and_disable(web):
    link = "/etc/systemd/system/machines.target.wants/skep@web.service"
    done = skep(web, "enable web")
    assert link in done.stderr
    assert web.run(["test", "-L", link], check=False).returncode == 0
    assert web.out("systemctl is-enabled machines.target") == "enabled"
    assert skep(web, "-q enable web").stderr == ""
    skep(web, "disable --now web")
    assert web.run(["test", "-L", link], check=False).returncode == 1
    web.wait_for("test -z \"$(skep list --no-legend)\"", timeout=30)
    skep(web, "enable --now web", timeout=60)
    assert running(web) == ["web"]
    skep(web, "-q disable web")
    refused(web, "enable nosuch", "nosuch")


def test_image_verbs(lab):
    lab.run("mkdir -p /var/lib/machines/one/etc && echo name1 >/var/lib/machines/one/etc/hostname")
    skep(lab, "clone one two")
    assert lab.read("/var/lib/machines/two/etc/hostname") == "name1\n"
    refused(lab, "clone one two", "cannot clone 'one' as 'two'")
    skep(lab, "rename two three")
    skep(lab, "read-only three")
    assert lab.out("skep show-image -P ReadOnly three") == "yes"
    skep(lab, "read-only three no")
    assert "\tHostname: name1\n" in skep(lab, "image-status three").stdout
    refused(lab, "read-only three maybe", "'maybe' is neither yes nor no")
    skep(lab, "remove one three")
    names = [i["name"] for i in json.loads(lab.out("skep list-images -j"))]
    assert not {"one", "two", "three"} & set(names)
    refused(lab, "remove one", "cannot remove 'one'")


def test_running_image_is_busy(web):
    refused(web, "remove web", "cannot remove 'web'")
    assert running(web) == ["web"]


def test_copy_both_ways(web):
    web.run("mkdir -p /tmp/c/sub && echo one >/tmp/c/a && echo two >/tmp/c/sub/b")
    skep(web, "copy-to web c /root/c", cwd="/tmp")
    assert web.out("skep shell web cat /root/c/a /root/c/sub/b") == "one\ntwo"
    assert web.out("skep shell web stat -c %u:%g /root/c/a") == "0:0"
    refused(web, "copy-to web /tmp/c/a /root/c/a", "cannot copy '/tmp/c/a'", "exists")
    web.run("echo new >/tmp/c/a")
    skep(web, "copy-to --force web /tmp/c/a /root/c/a")
    skep(web, "copy-from web /root/c /tmp/back")
    assert web.out("cat /tmp/back/a /tmp/back/sub/b") == "new\ntwo"
    assert web.out("stat -c %u /tmp/back/a") == "0"
    refused(web, "copy-to web /tmp/c/a relative", "'relative' in the machine is not absolute")
    refused(web, "copy-from web relative", "'relative' in the machine is not absolute")
    refused(web, "copy-from web /nosuch /tmp/nosuch", "cannot copy '/nosuch'")


def test_bind(web):
    web.run("mkdir -p /tmp/shared && echo here >/tmp/shared/f")
    done = skep(web, "bind --read-only --mkdir web /tmp/shared /mnt/shared", check=False)
    if done.returncode:     # file systems that cannot map owners have no place in such a machine
        assert re.fullmatch(r"skep: cannot bind '/tmp/shared' into 'web': [^\n]+\n", done.stderr)
    else:
        assert web.out("skep shell web cat /mnt/shared/f") == "here"
        assert web.run("skep shell web touch /mnt/shared/g", check=False).returncode != 0


def test_clean(lab):
    lab.run("mkdir -p /var/lib/machines/.old/x /var/lib/machines/.older")
    done = skep(lab, "clean")
    assert "removed image '.old'" in done.stderr and "removed 2 images" in done.stderr
    assert skep(lab, "clean").stderr == "skep: there was nothing to remove\n"
    lab.run("test ! -e /var/lib/machines/.old")


@pytest.mark.parametrize("kind", ["none", "gz", "xz", "zst"])
def test_import_tar(lab, kind):
    archive = lab.shared(trees.tar("bookworm-guest", kind))
    done = skep(lab, f"import-tar {archive} imported", timeout=120)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.stderr == "" and lines[-1]["result"] == "done"
    assert {line["local"] for line in lines} == {"imported"} and len({line["transfer"] for line in lines}) == 1
    assert "Debian" in lab.read("/var/lib/machines/imported/etc/os-release")
    refused(lab, f"-q import-tar {archive} imported", "cannot import 'imported'", timeout=120)
    skep(lab, f"-q import-tar --force --read-only {archive} imported", timeout=120)
    assert lab.out("skep show-image -P ReadOnly imported") == "yes"
    skep(lab, "read-only imported no")
    skep(lab, "remove imported")


def test_import_from_a_pipe_and_named_after_the_file(lab):
    lab.run("mkdir -p /tmp/t/etc && echo x >/tmp/t/etc/x && tar -C /tmp/t -cf /tmp/tiny-1.tar .")
    lab.run("cat /tmp/tiny-1.tar | skep -q import-tar - piped")
    skep(lab, "-q import-tar /tmp/tiny-1.tar")
    for name in ("piped", "tiny-1"):
        assert lab.read(f"/var/lib/machines/{name}/etc/x") == "x\n"
        skep(lab, f"remove {name}")
    refused(lab, "import-tar -", "needs a name")
    refused(lab, "import-tar /nosuch.tar", "cannot open '/nosuch.tar'", "No such file")
    refused(lab, "import-tar /etc", "'/etc' is neither a file nor a pipe")


def test_failed_import_names_the_cause(lab):
    archive = lab.shared(trees.tar("bookworm-guest"))
    lab.run(f"head -c 3000000 {archive} >/tmp/cut.tar")
    refused(lab, "-q import-tar /tmp/cut.tar", "cannot import 'cut'", "the transfer failed: ")
    assert lab.run("ls -A /var/lib/machines | grep cut", check=False).stdout == ""


def test_list_and_cancel_transfer(lab):
    feeder = lab.spawn("(head -c 100000 /dev/zero; sleep 60) | skep -q import-tar - slow; "
                       "exit ${PIPESTATUS[1]}", start_new_session=True)
    lab.wait_for("skep list-transfers --no-legend | grep slow")
    transfers = json.loads(lab.out("skep list-transfers --json=short"))
    assert [(t["type"], t["local"], t["remote"]) for t in transfers] == [("import-tar", "slow", None)]
    lab.run("pkill -f '^sleep 60'", check=False)
    table = skep(lab, "list-transfers").stdout.splitlines()
    if len(table) > 1:
        assert table[0].split() == ["ID", "PERCENT", "TYPE", "LOCAL", "REMOTE"]
        skep(lab, f"cancel-transfer {transfers[0]['id']}", check=False)
    assert feeder.wait(timeout=20) == 1
    refused(lab, "cancel-transfer 4000000", "cannot cancel transfer 4000000")
    refused(lab, "cancel-transfer x", "'x' is not the number of a transfer")
    assert skep(lab, "list-transfers").stdout == "No transfers.\n"


def test_no_bus_and_no_daemon(lab):
    refused(lab, "list", "cannot connect to the system bus", "dbus.service",
            env={"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nosuch"})
    unit = lab.out("systemctl show -P Id dbus-org.freedesktop.machine1.service")
    lab.run(f"systemctl mask --runtime {unit} && systemctl stop {unit}")
    try:
        refused(lab, "list")
    finally:
        lab.run(f"systemctl unmask --runtime {unit}")
    assert skep(lab, "list").returncode == 0


def test_other_users_are_refused_in_one_line(web):
    """There is no agent to ask and nobody at a terminal."""
    for line in ("terminate web", "remove web", "start web"):
        done = web.run(f"setpriv --reuid=nobody --regid=nogroup --clear-groups skep {line}", check=False)
        assert done.returncode == 1
        assert re.fullmatch(r"skep: [^\n]+need to be root[^\n]*\n", done.stderr), done.stderr
    assert web.out("setpriv --reuid=nobody --regid=nogroup --clear-groups skep list --no-legend "
                   "--max-addresses=0").startswith("web ")
    assert running(web) == ["web"]


def test_bus_inside_a_machine(web):
    """-M speaks to the bus of the guest: there is no skep in it."""
    refused(web, "-M web list", "skep-machined.service is not installed")
    refused(web, "-M nosuch list", "in machine 'nosuch'")
    refused(web, "-M web -H elsewhere list", "--host and --machine")


def test_daemon_inside_a_machine(lab):
    """A machine that is a host of machines itself: its daemon answers, not ours."""
    lab.add_machine("inner", lab.suite + "-lab")
    lab.run("skep start inner", timeout=60)
    try:
        lab.wait_for("systemctl -M inner is-system-running | grep -E 'running|degraded'", timeout=60)
        machines = json.loads(skep(lab, "-M inner list -a -j").stdout)
        assert [(m["machine"], m["class"]) for m in machines] == [(".host", "host")]
        assert skep(lab, "--machine=inner show -P Leader .host").stdout == "1\n"
        lab.run("mkdir /var/lib/machines/inner/var/lib/machines/deep")
        assert "deep" in skep(lab, "-M inner list-images --no-legend").stdout
        skep(lab, "-M inner remove deep")
        lab.run("test ! -e /var/lib/machines/inner/var/lib/machines/deep")
        done = skep(lab, "-M inner status .host")
        assert "Debian GNU/Linux" in done.stdout
    finally:
        skep(lab, "terminate --wait inner", timeout=60)
        skep(lab, "remove inner")


def test_daemon_of_another_host(web):
    """The bridge is real, ssh is not: it runs here what it should run there."""
    web.write("/usr/local/bin/ssh", """#!/bin/sh
echo "$@" >/tmp/ssh-was-given
while [ "$1" != -- ]; do shift; done
[ "$2" != elsewhere ] || { echo "ssh: no way to $2" >&2; exit 255; }
shift 2
exec "$@"
""", mode=0o755)
    assert skep(web, "-H admin@there list --no-legend").stdout.startswith("web ")
    assert "admin@there" in web.read("/tmp/ssh-was-given")
    refused(web, "-H there shell web /bin/true", "use ssh")
    done = skep(web, "-H elsewhere list", check=False)
    assert (done.returncode, done.stderr) == (
        1, "ssh: no way to elsewhere\nskep: the connection to host 'elsewhere' broke\n")
    web.run("rm /usr/local/bin/ssh")


def test_help_version_and_completion(lab):
    assert re.fullmatch(r"skep \d+\.\d+\n", skep(lab, "--version").stdout)
    text = skep(lab, "--help").stdout
    assert all(len(line) <= 80 for line in text.splitlines())
    for verb in ("list", "shell", "import-tar", "cancel-transfer"):
        assert re.search(rf"^  {verb}\b", text, flags=re.M)
    lab.run("set -o pipefail; skep --print-completion=bash | bash -n")


def test_completion_offers_live_names(web):
    script = ("source /usr/share/bash-completion/completions/skep; COMP_WORDS=(skep {words}); "
              "COMP_CWORD={at}; $(complete -p skep | sed 's/.*-F \\([^ ]*\\).*/\\1/'); "
              "echo \"${{COMPREPLY[@]}}\"")
    assert "web" in web.out(script.format(words="status ''", at=2)).split()
    assert "web" in web.out(script.format(words="start w", at=2)).split()
    assert web.out(script.format(words="power", at=1)) == "poweroff"
    assert "--no-legend" in web.out(script.format(words="--no", at=1)).split()


def test_edit_installs_what_the_spawner_takes(lab):
    """A wrong edit is refused with file and line, changes nothing, and is not lost."""
    lab.run("mkdir -p /var/lib/machines && printf '[Exec]\\nBoot=no\\n' >/var/lib/machines/ed.nspawn")
    lab.run("printf '#!/bin/sh\\ncat /tmp/next >\"$1\"\\n' >/tmp/editor && chmod +x /tmp/editor")
    target, aside = "/etc/systemd/nspawn/ed.nspawn", "/etc/systemd/nspawn/.#ed.nspawn"

    lab.write("/tmp/next", "[Exec]\nBoot=perhaps\n")
    done = skep(lab, "edit ed", check=False, env={"EDITOR": "/tmp/editor"})
    assert done.returncode == 1
    assert f"{aside}:2: Boot=" in done.stderr and "'skep edit ed'" not in done.stderr, done.stderr
    assert lab.run(["test", "-e", target], check=False).returncode == 1
    assert lab.read(aside) == "[Exec]\nBoot=perhaps\n"

    lab.run("printf '#!/bin/sh\\nsed -i s/perhaps/yes/ \"$1\"\\n' >/tmp/mender && chmod +x /tmp/mender")
    done = skep(lab, "edit ed", env={"EDITOR": "/tmp/mender"})
    assert "going on with what was not installed before" in done.stderr
    assert lab.read(target) == "[Exec]\nBoot=yes\n"
    assert lab.read("/var/lib/machines/ed.nspawn") == "[Exec]\nBoot=no\n"
    lab.run(["test", "!", "-e", aside])

    assert "was not changed" in skep(lab, "edit ed", env={"EDITOR": "true"}).stderr
    refused(lab, "edit ed", "the editor failed", env={"EDITOR": "false"})
    refused(lab, "edit ed", "no editor", env={"EDITOR": "/nosuch"})
    refused(lab, "edit a/b", "'a/b' cannot be the name of a machine", env={"EDITOR": "true"})
    lab.run(["test", "!", "-e", aside])
    lab.run("test -z \"$(ls -d /tmp/skep-edit.*)\"")


def test_cat(lab):
    lab.run("mkdir -p /etc/systemd/nspawn/ca.nspawn.d && printf '[Exec]\\nBoot=no\\n' >/etc/systemd/nspawn/ca.nspawn && "
            "printf '[Files]\\nReadOnly=yes\\n' >/etc/systemd/nspawn/ca.nspawn.d/10-ro.conf && "
            "printf '[Exec]\\n' >/run/systemd/nspawn.other && ln -sf /usr/bin/skep /run/machinectl")
    first = "# /etc/systemd/nspawn/ca.nspawn\n[Exec]\nBoot=no\n"
    assert skep(lab, "cat ca").stdout == \
        first + "# /etc/systemd/nspawn/ca.nspawn.d/10-ro.conf\n[Files]\nReadOnly=yes\n"
    assert lab.run("/run/machinectl cat ca").stdout == first
    if lab.suite != "bookworm":     # whose machinectl has no such command
        assert lab.run("machinectl cat ca").stdout == first
        assert lab.run("machinectl cat ca /run/systemd/nspawn.other").stdout == \
            lab.run("/run/machinectl cat ca /run/systemd/nspawn.other").stdout
    done = skep(lab, "cat nosuch ca", check=False)
    assert done.returncode == 1 and done.stdout.startswith(first) and "no settings of 'nosuch'" in done.stderr
