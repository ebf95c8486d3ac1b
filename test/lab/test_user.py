# SPDX-License-Identifier: LGPL-2.1-or-later
"""The machines and images of a user: an instance of skep-machined in a real session, without any right."""

import pytest

from skeplib.session import HOME, as_alice, log_in, out

LAB_SUITES = ("bookworm", "trixie")

POOL = f"{HOME}/.local/state/machines"
RECORDS = "/run/user/1000/systemd/machines"
MANAGER = ("org.freedesktop.machine1", "/org/freedesktop/machine1", "org.freedesktop.machine1.Manager")

@pytest.fixture(scope="module")
def alice(lab):
    """A user whose systemd runs."""
    log_in(lab)
    return lab


@pytest.fixture
def box(alice):
    """A machine: processes of the user's in namespaces of their own. Its leader's PID."""
    as_alice(alice, "systemd-run --user --quiet --collect --unit=box -p KillSignal=SIGKILL unshare --user --map-root-user --mount --uts "
             "--net --pid --fork --mount-proc sh -c 'mount -t tmpfs run /run; hostname inside; ip link set lo up; "
             "ip link add host0 type veth peer name there; ip address add 10.4.0.2/24 dev host0; "
             "ip link set host0 up; ip link set there up; exec sleep 10000'")
    # The one that is PID 1 in there, once it is what it ends as.
    alice.wait_for("pgrep -u alice -x sleep", timeout=20)
    pid = alice.out("pgrep -u alice -x sleep")
    call = f"busctl --user call {' '.join(MANAGER)} RegisterMachine sayssus box 0 test container {pid} ''"
    assert "machine/box" in out(alice, call)
    yield int(pid)
    as_alice(alice, "systemctl --user stop box", check=False)


def test_nothing_of_the_system_is_seen(alice):
    alice.run("mkdir -p /var/lib/machines/systems")
    assert out(alice, "skep --user list") == "No machines."
    assert out(alice, "skep --user list --all").startswith("No machines")
    assert out(alice, "skep --user list-images --all") == "No images."
    assert ".host" in out(alice, "skep list-images --all")
    done = as_alice(alice, "skep --user image-status .host", check=False)
    assert done.returncode == 1 and "No image '.host' known" in done.stderr
    pool = out(alice, "skep --user show -P PoolPath")
    assert pool == POOL
    assert alice.out("pgrep -u alice -fx '.*/skep-machined --user'")
    # Both options at once, and what is far away, make no sense.
    for options in ("--user --system", "--user -H somewhere"):
        assert as_alice(alice, f"skep {options} list", check=False).returncode == 1
    done = alice.run("env -u XDG_RUNTIME_DIR skep --user list", check=False)
    assert done.returncode == 1 and "session of the user" in done.stderr


def test_machine_of_a_user(alice, box):
    assert out(alice, "skep --user list --no-legend").split()[:3] == ["box", "container", "test"]
    assert "box" not in alice.out("skep list --no-legend")
    shown = dict(line.split("=", 1) for line in out(alice, "skep --user show box").splitlines())
    # The unit is the one of the user's systemd, not user@1000.service of the system's.
    assert shown["Unit"] == "box.service" and shown["UID"] == "1000"
    assert shown["Leader"] == str(box) and shown["State"] == "running"
    assert alice.out(f"readlink '{RECORDS}/unit:box.service'") == "box"
    assert "LEADER=" in alice.read(f"{RECORDS}/box")
    assert "box" in out(alice, f"busctl --user call {' '.join(MANAGER)} GetMachineByPID u {box}")
    status = out(alice, "skep --user status box")
    assert "Unit: box.service" in status and "sleep 10000" in status
    assert "Address: 10.4.0.2\n" in status


def test_name_of_a_users_machine(alice, box):
    """For the user alone, and not for programs that have more rights than their user."""
    ask = "getent -s mymachines hosts box"
    assert out(alice, ask).split() == ["10.4.0.2", "box"]
    for other in ("root", "nobody"):
        done = alice.run(["setpriv", f"--reuid={other}", "--clear-groups", "sh", "-c", ask], check=False)
        assert done.returncode == 2 and done.stdout == ""
    # Somebody's environment in a root shell.
    done = alice.run(f"XDG_RUNTIME_DIR=/run/user/1000 {ask}", check=False)
    assert done.returncode == 2 and done.stdout == ""
    alice.run("cp /usr/bin/getent /usr/local/bin/as-root && chmod u+s /usr/local/bin/as-root")
    assert as_alice(alice, ask.replace("getent", "/usr/local/bin/as-root"), check=False).returncode == 2
    mode = alice.out("stat -Lc '%a %U' /run/user/1000/systemd/machine/io.systemd.Machine")
    assert mode == "600 alice"


def test_what_is_done_to_it(alice, box):
    done = as_alice(alice, "skep --user shell box /bin/sh -c 'hostname; id -u; cat; exit 3'",
                    input="piped\n", check=False)
    assert (done.returncode, done.stdout.split()) == (3, ["inside", "0", "piped"]), done.stderr
    alice.run(f"mkdir -p {HOME}/from && echo text >{HOME}/from/file && chown -R alice:alice {HOME}/from")
    as_alice(alice, f"skep --user copy-from box {HOME}/from/file {HOME}/from/back")
    assert alice.read(f"{HOME}/from/back") == "text\n"
    as_alice(alice, f"skep --user copy-to box {HOME}/from/file /run/copied")
    assert alice.read(f"/proc/{box}/root/run/copied") == "text\n"
    assert alice.out(f"stat -c %U {HOME}/from/back /proc/{box}/root/run/copied").split() == ["alice"] * 2
    others = alice.out("pgrep -x systemd-journal")
    # One cannot take over what belongs to others.
    call = f"busctl --user call {' '.join(MANAGER)} RegisterMachine sayssus other 0 t container {others} ''"
    done = as_alice(alice, call, check=False)
    assert done.returncode != 0 and "Access denied" in done.stderr
    as_alice(alice, "skep --user terminate --wait box")
    assert out(alice, "skep --user list") == "No machines."
    assert out(alice, "systemctl --user is-active box || :") != "active"


def test_what_is_seen_of_it(alice, box):
    """Commands, numbers, processes and where it came from are had without any right; what takes one says so."""
    done = as_alice(alice, "skep --user exec box sh -c 'hostname; exit 4'", check=False)
    assert (done.returncode, done.stdout) == (4, "inside\n"), done.stderr
    assert int(out(alice, "skep --user stats --once -o json box").split('"cpu":')[1].split(",")[0]) > 0
    assert out(alice, "skep --user top box --no-legend").split()[0] == "1"
    assert out(alice, "skep --user binds box") == "No binds."
    for command in (f"bind box {HOME} /mnt", "unbind box /mnt"):
        done = as_alice(alice, f"skep --user {command}", check=False)
        assert done.returncode == 1 and "the registry of a user has no right to mount" in done.stderr, done.stderr


def test_scope_in_the_users_systemd(alice):
    as_alice(alice, "systemd-run --user --quiet --unit=raw sleep 10001")
    pid = out(alice, "systemctl --user show -P MainPID raw")
    out(alice, f"busctl --user call {' '.join(MANAGER)} CreateMachine 'sayssusa(sv)' made 0 test "
        f"container {pid} '' 1 Description s mine")
    assert out(alice, "skep --user show -P Unit made") == "machine-made.scope"
    assert out(alice, "systemctl --user show -P Description -P Slice machine-made.scope") \
        == "machine.slice\nmine"
    as_alice(alice, "skep --user kill -s KILL made")
    alice.wait_for("! test -e " + RECORDS + "/made", timeout=20)


def test_daemon_comes_and_goes(alice, box):
    for how in ("kill --signal=KILL", "restart"):
        as_alice(alice, f"systemctl --user {how} skep-machined")
        assert "box" in out(alice, "skep --user list --no-legend")
    assert out(alice, "skep --user show -P Leader box") == str(box)
    as_alice(alice, "systemctl --user stop skep-machined")
    # The bus starts it again.
    assert "box" in out(alice, "skep --user list --no-legend")


def test_images_of_a_user(alice):
    as_alice(alice, f"mkdir -p {POOL}/img/etc ~/.local/lib/machines/img ~/.local/lib/machines/second "
             f"/run/user/1000/machines ~/.config/systemd/nspawn; echo one >{POOL}/img/etc/hostname; "
             "echo '[Exec]' >~/.config/systemd/nspawn/img.nspawn")
    listed = out(alice, "skep --user list-images --no-legend").split("\n")
    assert [line.split()[0] for line in listed] == ["img", "second"]
    assert out(alice, "skep --user show-image -P Path img") == f"{POOL}/img"
    as_alice(alice, "skep --user clone --fresh img new")
    assert alice.read(f"{POOL}/new/etc/hostname") == "new\n"
    assert alice.out(f"stat -c %U {POOL}/new/etc/hostname") == "alice"
    as_alice(alice, f"skep --user remove new; mkdir -p {POOL}/st.mstack/rw {POOL}/st.mstack/layer@1/etc")
    done = as_alice(alice, "skep --user clone --fresh st other", check=False)
    assert done.returncode == 1 and "takes root" in done.stderr
    as_alice(alice, "skep --user remove st; skep --user clone img copy && skep --user rename copy moved")
    assert alice.read(f"{POOL}/moved/etc/hostname") == "one\n"
    assert alice.out(f"cd {HOME}/.config/systemd/nspawn && echo *") == "img.nspawn moved.nspawn"
    assert "one" in out(alice, "skep --user image-status moved")
    as_alice(alice, "skep --user remove moved img")
    assert alice.out(f"ls {POOL}") == ""
    assert alice.out("ls /var/lib/machines/systems -d") == "/var/lib/machines/systems"
    # Locks are the user's, and nothing was left where the system's are.
    assert alice.out("ls -d /run/user/1000/systemd/nspawn/locks")


def test_machines_are_started_by_root(alice):
    """A user is told so, whatever way was taken."""
    as_alice(alice, f"mkdir -p {POOL}/mine/usr")
    for command in ("skep-spawn -M mine true", f"skep-spawn -D {POOL}/mine -a --private-users=no --register=no true"):
        done = as_alice(alice, command, check=False)
        assert done.returncode == 125 and "machines are started by root alone" in done.stderr, done.stderr
        assert len(done.stderr.splitlines()) == 1
    done = as_alice(alice, "skep --user start mine", check=False)
    assert done.returncode == 1 and "there is no template for users" in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_enabling_is_the_users_systemds(alice):
    """There is no template for users; one of their own is taken."""
    as_alice(alice, f"mkdir -p {POOL}/mine ~/.config/systemd/user")
    done = as_alice(alice, "skep --user enable mine", check=False)
    assert done.returncode == 1 and "cannot enable 'mine'" in done.stderr
    as_alice(alice, "printf '[Service]\\nExecStart=sleep 1000\\n' >~/.config/systemd/user/own@.service && "
             "systemctl --user daemon-reload && skep --user enable mine --template=own@.service")
    files = alice.out(f"cd {HOME}/.config/systemd/user && find . -name '*mine*' | sort").split()
    assert "./machines.target.wants/own@mine.service" in files
    assert "./skep@mine.service" in files
    as_alice(alice, "skep --user start mine && systemctl --user is-active own@mine")
    as_alice(alice, "skep --user disable mine; systemctl --user stop own@mine")
    assert alice.out(f"cd {HOME}/.config/systemd/user && find . -name '*mine*'") == ""
    assert alice.out("ls -d /etc/systemd/system/*mine* 2>/dev/null || :") == ""


def test_the_socket_is_the_users(alice, box):
    path = "/run/user/1000/systemd/machine/io.systemd.Machine"
    assert alice.out(["stat", "-c%U %a", path]) == "alice 600"
    ask = ("import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); "
           "s.sendall(sys.argv[2].encode() + bytes(1)); print(s.recv(100000).decode().strip(chr(0)))")
    call = '{"method":"io.systemd.Machine.List","parameters":{"name":"box","acquireMetadata":"graceful"}}'
    text = out(alice, f"python3 -c '{ask}' {path} '{call}'")
    assert '"name":"box"' in text and f'"leader":{{"pid":{box}' in text and "[10,4,0,2]" in text


def test_session_without_a_bus(alice):
    """There the registry cannot be, and does not try for ever."""
    lab = alice
    lab.run("useradd -u 1001 -m bob; mkdir -p ~bob/.config/systemd/user; "
            "ln -s /dev/null ~bob/.config/systemd/user/dbus.socket; chown -R bob: ~bob/.config; loginctl enable-linger bob")
    lab.wait_for("systemctl is-active user@1001.service", timeout=30)
    bob = "setpriv --reuid=1001 --regid=1001 --clear-groups env HOME=/home/bob XDG_RUNTIME_DIR=/run/user/1001 "
    lab.run(bob + "systemctl --user start skep-machined", check=False)
    lab.run(bob + "python3 -c 'import socket; s = socket.socket(socket.AF_UNIX); "
            's.connect("/run/user/1001/systemd/machine/io.systemd.Machine"); print(s.recv(1))\'', check=False)
    show = bob + "systemctl --user show -P NRestarts -P ActiveState skep-machined"
    lab.wait_for(show, text="failed")
    assert lab.out(show).split() == ["0", "failed"]
    assert "cannot connect to the user's bus" in lab.out("journalctl -q -b --no-pager _UID=1001")
