# SPDX-License-Identifier: LGPL-2.1-or-later
"""What skep prints is, byte for byte, what Debian's own machinectl prints about the same machines and
images; where one of the two releases has a form of its own, the newer one counts."""

import json
import re
import time

import pytest

LAB_SUITES = ("bookworm", "trixie")


@pytest.fixture(scope="module")
def pool(lab):
    """Two machines that run, one of them with addresses, and images of several kinds."""
    for name in ("web", "db-1"):
        lab.add_machine(name, lab.suite + "-guest")
    lab.run("cd /var/lib/machines && truncate -s 10M disk.raw && truncate -s 1536 odd.raw && "
            "chmod a-w disk.raw && mkdir .hidden empty 'a b' größe")
    lab.run(["skep", "start", "web", "db-1"], timeout=60)
    leader = lab.out(["skep", "show", "-P", "Leader", "web"])
    lab.run(f"nsenter -t {leader} -n sh -c 'ip link set host0 up && "
            "for a in 192.0.2.7/24 198.51.100.9/24 2001:db8::5/64; do "
            "ip addr add $a dev host0 nodad; done; "
            "until [ -z \"$(ip -o addr show tentative)\" ]; do sleep 0.1; done'")
    lab.run("mkdir /run/ours && ln -s /usr/bin/skep /run/ours/machinectl")
    for name in ("web", "db-1"):
        lab.wait_for(f"systemctl -M {name} is-system-running | grep -E 'running|degraded'", timeout=30)
    return lab


def normal(text):
    """Without what differs between releases, or from one moment to the next."""
    text = re.sub(r"; [^;\n]* ago$", "; AGE", text, flags=re.M)
    text = re.sub(r"^  UID Shift: ", "\tID Shift: ", text, flags=re.M)
    text = re.sub(r"^NetworkInterfaces=.*$", "NetworkInterfaces=…", text, flags=re.M)
    return re.sub(r"\b(\d+)\.0([KMGT])\b", r"\1\2", text)


SAME = [
    "list", "list --all", "list --no-legend", "list --all --max-addresses=all", "list --max-addresses=0",
    "list --full", "list --output=json", "list -a -o json-pretty", "list -o json-seq", "list -o json-sse",
    "list -a -o json --max-addresses=0",
    "list-images", "list-images --all", "list-images --no-legend", "list-images -o json",
    "list-images -a -o json-pretty", "list-images -o json-seq",
    "show", "show web", "show db-1 web", "show .host", "show -a web", "show -p Name -p State web db-1",
    "show -p SSHAddress web", "show --value -p Name -p State web db-1", "show -p Nothing web",
    "show-image", "show-image disk", "show-image -a empty disk", "show-image -p Limit disk empty",
    "image-status", "image-status disk", "image-status odd empty", "image-status größe",
    "kill -s list", "-o help",
]


@pytest.mark.parametrize("line", SAME)
def test_same_output(pool, line):
    theirs, ours, named = (pool.run(f"{tool} {line}", check=False)
                           for tool in ("machinectl", "skep", "/run/ours/machinectl"))
    if line.startswith("list -") and re.search(r" --all| -a", line):    # of skep that is another table
        ours = named
    if line.startswith("image-status"):     # skep works out how much of a limit is used
        ours.stdout = re.sub(r" \(\d+% used\)$", "", ours.stdout, flags=re.M)
    assert (normal(named.stdout), named.returncode) == (normal(ours.stdout), ours.returncode)
    if line == "-o help":       # of the many modes skep has those that fit on one page
        assert set(ours.stdout.split()) <= set(theirs.stdout.split())
        return
    if line == "kill -s list":  # the numbers that libc keeps for itself have no names of their own
        theirs.stdout = re.sub(r"RTMIN\+0\b", "RTMIN", theirs.stdout).replace("SIGIO", "SIGPOLL")
        theirs.stdout = re.sub(r"^(32|33) .*$", r"\1 …", theirs.stdout, flags=re.M)
        ours.stdout = re.sub(r"^(32|33) .*$", r"\1 …", ours.stdout, flags=re.M)
    assert normal(ours.stdout) == normal(theirs.stdout)
    assert (ours.returncode, theirs.returncode) == (0, 0)


@pytest.mark.parametrize("line", ["status -n 0 web", "status -n 0 web db-1"])
def test_same_status(pool, line):
    """Processes come and go: some moment shows both the same."""
    end = time.monotonic() + 10
    while True:
        theirs, ours = (normal(pool.out(f"{tool} {line}")) for tool in ("machinectl", "skep"))
        theirs = re.sub(r"^\t Superv\.: .*\n", "", theirs, flags=re.M)
        ours = re.sub(r"^\t Superv\.: .*\n", "", ours, flags=re.M)
        if ours == theirs:
            return
        if time.monotonic() > end:
            assert ours == theirs


@pytest.mark.parametrize("mode", ["short", "short-full", "short-iso", "short-iso-precise", "short-precise",
                                  "short-monotonic", "short-unix", "with-unit", "cat"])
def test_same_journal_lines(pool, mode):
    pool.run("journalctl --sync")
    theirs, ours = (pool.out(f"{tool} status -n 5 -o {mode} db-1").rsplit("\n\n", 1)[-1].splitlines()
                    for tool in ("machinectl", "skep"))
    if pool.suite == "bookworm":    # its zones have no colon
        theirs = [re.sub(r"^(\S+T\S+[+-]\d\d)(\d\d) ", r"\1:\2 ", line) for line in theirs]
    assert ours == theirs


def test_same_journal_entries(pool):
    pool.run("journalctl --sync")
    entries = []
    for tool in ("machinectl", "skep"):
        lines = pool.out(f"{tool} status -n 3 -o json db-1").splitlines()[-3:]
        entries.append([json.loads(line) for line in lines])
    for theirs, ours in zip(*entries):
        for key in ("__SEQNUM", "__SEQNUM_ID"):
            theirs.pop(key, None)
        assert ours == theirs


@pytest.mark.parametrize("line", [
    "status nosuch", "show nosuch", "show-image nosuch", "image-status nosuch", "poweroff nosuch",
    "reboot nosuch", "terminate nosuch", "kill nosuch", "start nosuch", "remove nosuch",
    "shell nosuch /bin/true", "login nosuch", "nosuchverb", "kill", "clone one", "clone a b c", "status",
    "kill -s NOPE web", "--nosuchoption", "list --max-addresses=x", "login web db-1", "start _x",
])
def test_same_failure(pool, line):
    """The same exit status; and of ours one line that names the place."""
    theirs, ours = (pool.run(f"{tool} {line}", check=False) for tool in ("machinectl", "skep"))
    assert (ours.returncode, theirs.returncode) == (1, 1)
    assert ours.stdout == ""
    assert re.fullmatch(r"skep: [^\n]+\n", ours.stderr)


def test_shape_of_json(pool):
    """What the tables say, for programs."""
    machines = json.loads(pool.out("skep list --json=short"))
    assert [m["machine"] for m in machines] == ["db-1", "web"]
    assert machines[1]["addresses"].split("\n") == ["192.0.2.7", "198.51.100.9", "2001:db8::5"] or \
        set(machines[1]["addresses"].split("\n")) > {"192.0.2.7", "198.51.100.9", "2001:db8::5"}
    images = json.loads(pool.out("skep list-images --json=pretty"))
    assert images[0].keys() == {"name", "type", "ro", "usage", "created", "modified"}
    assert json.loads(pool.out("skep -j list-transfers")) == []


def test_show_as_json(pool):
    shown = json.loads(pool.out("skep show --json=pretty web db-1"))
    assert [m["Name"] for m in shown] == ["web", "db-1"]
    assert shown[0]["Leader"] == int(pool.out("skep show -P Leader web"))
    assert isinstance(shown[0]["NetworkInterfaces"][0], int)
    some = json.loads(pool.out("skep show --json=short -p Name -p State web"))
    assert some == [{"Name": "web", "State": "running"}]


def test_machinectl_shows_nothing_that_is_ours(pool):
    """What scripts read under that name is what they know, however much more there is to tell."""
    done = pool.run("skep show web --json=short -p Name && /run/ours/machinectl show -o json -p Name web")
    assert done.stdout == '[{"Name":"web"}]\nName=web\n'
    assert pool.out("/run/ours/machinectl --version").split()[:2] == ["systemd", "261"]
    assert pool.run("/run/ours/machinectl shell web /bin/false").returncode == 0
    assert pool.run("skep shell web /bin/false", check=False).returncode == 1


def test_list_of_all(pool):
    """Machines and images as one: what runs, what starts at boot, from which image."""
    pool.run("skep -q enable empty db-1")
    rows = {m["machine"]: m for m in json.loads(pool.out("skep list --all --json=short"))}
    assert rows.keys() == {".hidden", ".host", "a b", "db-1", "disk", "empty", "größe", "odd", "web"}
    assert [(n, rows[n]["state"], rows[n]["enabled"], rows[n]["image"], rows[n]["type"])
            for n in ("db-1", "disk", "empty", "web")] == [
                ("db-1", "running", True, "db-1", "directory"), ("disk", "off", False, "disk", "raw"),
                ("empty", "off", True, "empty", "directory"), ("web", "running", False, "web", "directory")]
    assert "192.0.2.7" in rows["web"]["addresses"] and rows["web"]["os"] == "debian"
    assert rows["disk"]["addresses"] is None and rows["disk"]["class"] is None
    pool.run("skep -q disable empty db-1")
    assert pool.run("skep list -a").stdout.endswith("\n\n9 machines and images listed.\n")


def test_status_as_json(pool):
    """Everything that status and image-status show to people; what is not known is null."""
    web, db = json.loads(pool.out("skep status --json=short web db-1"))
    assert (web["machine"], db["machine"]) == ("web", "db-1")
    assert web["leader"] == {"pid": int(pool.out("skep show -P Leader web")), "comm": "systemd"}
    assert {"192.0.2.7", "198.51.100.9", "2001:db8::5"} <= set(web["addresses"])
    index = web["interfaces"][0]["ifindex"]
    assert any(re.fullmatch(rf"fe80:.*%{index}", a) for a in web["addresses"])
    assert re.fullmatch(r"ve-.*|vb-.*", web["interfaces"][0]["name"])
    assert web["os"]["id"] == "debian" and web["unit"] == "skep@web.service"
    assert web["since"] > 10**15 and web["state"] == "running"
    assert web["leader"]["pid"] in [p["pid"] for p in web["processes"]]
    disk, empty = json.loads(pool.out("skep image-status --json=pretty disk empty"))
    assert disk["limit_used_percent"] == disk["usage"] * 100 // disk["limit"]
    assert disk["type"] == "raw" and disk["read_only"] and disk["usage"] is not None
    assert (empty["hostname"], empty["machine_id"], empty["os"]["id"]) == (None, None, None)
    assert json.loads(pool.out("skep image-status -j"))["path"] == "/var/lib/machines"


def test_exit_statuses_tell_kinds_apart(pool):
    for line, status in (("show nosuch", 2), ("remove nosuch", 2), ("clone db-1 web", 4), ("remove web", 4),
                         ("kill -s NOPE web", 7), ("kill nosuch web -s WINCH", 2)):
        assert pool.run(f"skep --distinct {line}", check=False).returncode == status, line


def test_pause_and_resume(pool):
    pool.run("skep pause db-1")
    assert pool.out("systemctl show -P FreezerState skep@db-1.service") == "frozen"
    pool.run("skep resume db-1")
    assert pool.out("systemctl show -P FreezerState skep@db-1.service") == "running"
    assert pool.run("skep pause nosuch", check=False).returncode == 1


def test_limits(pool):
    """Debian's client and ours say the same to the daemon, which says the same to both."""
    for line in ("set-limit empty 1G", "set-limit nosuch 1G", "set-limit empty x", "set-limit 1"):
        theirs, ours = (pool.run(f"{tool} {line}", check=False).returncode for tool in ("machinectl", "skep"))
        assert theirs == ours, line


def test_one_failure_does_not_stop_the_others(pool):
    done = pool.run("skep show -P Name web nosuch db-1 -- other", check=False)
    assert done.stdout == "web\n\ndb-1\n"
    assert len(done.stderr.splitlines()) == 2
    assert done.returncode == 1
