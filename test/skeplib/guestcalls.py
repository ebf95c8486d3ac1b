# SPDX-License-Identifier: LGPL-2.1-or-later
"""The calls that take a guest that really runs: one that has booted and has a bus, and one that is a single process
with IDs of its own. What they came to is looked up afterwards. They go on where calls.STEPS ends."""

from .calls import ALLOWED, MACHINE_PROPERTIES, NOBODY, SHELL, call, get, gone, sh

# Files and a folder on the host, to be copied and mounted, and a place for what comes out. They are on a file system
# that can be shown with other owners.
_FROM, _TO = "/var/tmp/from", "/var/tmp/to"

# Of an environment what the caller can rely on.
_ENVIRONMENT = ("env | grep -v -e ^INVOCATION_ID= -e ^JOURNAL_STREAM= -e ^SYSTEMD_EXEC_PID= -e ^MEMORY_PRESSURE_ "
                "-e ^XDG_SESSION_ID= | sort; id; pwd; grep ^0: /proc/self/cgroup | tr -d 0-9")


def look(title, run):
    """What a command of the host prints, compared as an answer is."""
    return {"do": "look", "title": title, "run": run}


def release():
    """Let go of the descriptors of calls before."""
    return {"do": "release"}


def _root(machine):
    """The shell's way into a machine."""
    return f"/proc/$(machinectl show -p Leader --value {machine})/root"


def _tree(machine, path):
    return f"cd {_root(machine)}{path} && find . -mindepth 1 -printf '%P %y %m %U:%G %l\\n' | sort; cat file"


def prepare(lab):
    """Put the guests into the pool."""
    for name in ("guest", "mapped"):
        lab.add_machine(name, lab.suite + "-guest")
        lab.run(f"useradd -R /var/lib/machines/{name} -m -u 1234 -G adm -s /bin/sh worker")


SETUP = [
    sh("systemd-run -q -u guest -p Delegate=yes systemd-nspawn -b -M guest --keep-unit --private-network "
       "--link-journal=no --uuid=00112233445566778899aabbccddeeff"),
    sh("systemd-run -q -u mapped -p Delegate=yes systemd-nspawn -M mapped --keep-unit --private-users=700000:65536 "
       "--private-users-ownership=map --link-journal=no --uuid=00112233445566778899aabbccddeefe sleep 10000"),
    sh(f"""mkdir -p {_FROM}/folder {_TO}; cd {_FROM}; echo text >file; chmod 0640 file; chown 1:2 file; ln -s file link
           echo deep >folder/deep; chmod 0750 folder; touch {_TO}/taken"""),
    sh("until systemctl -M guest is-system-running 2>/dev/null | grep -qE 'running|degraded'; do sleep 0.05; done; "
       "machinectl show -p Leader --value guest", "guest"),
    sh("until machinectl show -p Leader --value mapped 2>/dev/null; do sleep 0.05; done", "mapped"),
    sh("""until grep -qx sleep /proc/@mapped@/comm; do sleep 0.02; done
          nsenter -t @guest@ -n sh -c 'ip link add d0 type veth peer d1; ip link set d0 up; ip link set d1 up;
          ip addr add 10.1.2.3/24 dev d0; ip addr add fd00::5/64 dev d0 nodad;
          ip -6 addr flush dev d0 scope link; ip -6 addr flush dev d1 scope link'"""),
    sh("systemctl -M guest show -p MainPID --value dbus >/dev/null; "
       "for p in $(cat /sys/fs/cgroup/system.slice/guest.service/payload/system.slice/dbus.service/cgroup.procs); do "
       "echo $p; break; done", "inner"),
]

QUERIES = [
    get(name, machine=machine) for machine in ("guest", "mapped") for name in MACHINE_PROPERTIES
] + [
    call("GetMachineByPID", "u", pid) for pid in ("$guest", "$inner", "$mapped")
] + [
    call(method, "s", name) for method in ("GetMachineOSRelease", "GetMachineUIDShift", "GetMachineSSHInfo",
                                           "OpenMachineRootDirectory", "OpenMachinePTY", "GetMachineAddresses")
    for name in ("guest", "mapped") if (method, name) != ("GetMachineAddresses", "mapped")
] + [
    call("MapFromMachineUser", "su", name, 1234) for name in ("guest", "mapped")
] + [
    call("MapToMachineUser", "u", 701234), call("MapToMachineGroup", "u", 701234),
    call("GetMachineAddresses", "s", "guest", user=NOBODY), call("GetAddresses", machine="guest", user=NOBODY),
]


def _shell(machine, user, script, *environment):
    """A shell that runs a script and leaves what it prints in a file. Its terminal stays till somebody has looked."""
    return call("OpenMachineShell", SHELL, machine, user, "/bin/sh",
                ["sh", "-c", f"{{ {script}; }} >/tmp/new-{user} 2>&1; mv /tmp/new-{user} /tmp/said-{user}"], list(environment),
                when="till it ends", hold=True)


def _said(title, machine, user):
    return look(title, f"f={_root(machine)}/tmp/said-{user}; for i in $(seq 300); do [ -e $f ] && break; sleep 0.1; done; "
                       "cat $f; rm -f $f")


SHELLS = [
    _shell("guest", "root", _ENVIRONMENT, "A=b c", "TERM=dumb"),
    _shell("guest", "worker", _ENVIRONMENT),
    _said("environment of a shell of root's", "guest", "root"),
    _said("environment of a shell of a user's", "guest", "worker"),
    release(),
    call("OpenMachineShell", SHELL, "guest", "nosuch", "/bin/true", ["true"], []),
    call("OpenMachineShell", SHELL, "guest", "root", "/nonexistent", ["x"], []),
    call("OpenMachineShell", SHELL, "guest", "root", "", ["-x"], []),
    call("OpenMachineShell", SHELL, "guest", "root", "/bin/true", [], ["A"]),
    call("OpenMachineShell", SHELL, "mapped", "root", "/bin/true", ["true"], []),
    call("OpenShell", "ssasas", "root", "/bin/true", ["true"], [], machine="guest"),
    # What logs in hangs up a terminal of the same number, be it another's by then.
    call("OpenMachineLogin", "s", "guest"), call("OpenMachineLogin", "s", "mapped"),
    call("OpenMachineShell", SHELL, "guest", "", "", [], []),
    call("OpenMachineShell", SHELL, "guest", "root", "/bin/true", ["true"], [], user=ALLOWED),
]

COPIES = [
    step for name in ("guest", "mapped") for step in (
        call("CopyToMachine", "sss", name, f"{_FROM}/file", "/root/file"),
        call("CopyToMachine", "sss", name, f"{_FROM}/file", "/root/file", when="again"),
        call("CopyToMachine", "sss", name, f"{_FROM}/file", "/root/new/file"),
        call("CopyToMachine", "sss", name, f"{_FROM}/none", "/root/none"),
        call("CopyToMachine", "sss", name, _FROM, "/root/tree"),
        call("CopyToMachine", "sss", name, _FROM, "/root/tree", when="again"),
        call("CopyToMachineWithFlags", "ssst", name, f"{_FROM}/file", "/root/file", 1),
        call("CopyToMachineWithFlags", "ssst", name, f"{_FROM}/file", "/root/other", 2),
        look(f"what was copied to {name}", _tree(name, "/root")),
        call("CopyFromMachine", "sss", name, "/root/file", f"{_TO}/{name}-file"),
        call("CopyFromMachine", "sss", name, "/root/file", f"{_TO}/taken"),
        call("CopyFromMachine", "sss", name, "/root/none", f"{_TO}/none"),
        call("CopyFromMachine", "sss", name, "/root/tree", f"{_TO}/{name}-tree"),
        call("CopyFromMachine", "sss", name, "/etc/mtab", f"{_TO}/{name}-mtab"),
        call("CopyFromMachineWithFlags", "ssst", name, "/root/file", f"{_TO}/taken", 1),
        look(f"what was copied from {name}",
             f"cd {_TO} && find . -mindepth 1 -printf '%P %y %m %U:%G %l\\n' | sort; cat taken; rm -r *; touch taken"),
    )
] + [
    call("CopyTo", "ss", f"{_FROM}/file", "/root/by-object", machine="guest"),
    call("CopyFrom", "ss", "/root/by-object", f"{_TO}/by-object", machine="guest"),
    call("CopyToMachine", "sss", "guest", f"{_FROM}/file", "/root/by-user", user=ALLOWED),
]

MOUNTS = [
    step for name in ("guest", "mapped") for step in (
        call("BindMountMachine", "sssbb", name, _FROM, "/mnt", False, False),
        call("BindMountMachine", "sssbb", name, _FROM, "/srv/made/here", True, True),
        call("BindMountMachine", "sssbb", name, _FROM, "/srv/not/made", False, False),
        call("BindMountMachine", "sssbb", name, "/srv/none", "/mnt", False, False),
        call("BindMountMachine", "sssbb", name, f"{_FROM}/file", "/srv/file", False, True),
        look(f"what is mounted in {name}",
             f"p=$(machinectl show -p Leader --value {name}); for t in /mnt /srv/made/here /srv/file; do "
             f"nsenter -t $p -m sh -c \"cat $t/file $t; "
             f"touch $t/new 2>/dev/null && echo writable; rm -f $t/new\" 2>/dev/null; done"),
    )
] + [
    call("BindMount", "ssbb", _FROM, "/opt", True, False, machine="guest"),
]

ENDS = [
    call("KillMachine", "ssi", "guest", "leader", 38, when="to power off"), gone("guest", 60),
    call("TerminateMachine", "s", "mapped", when="with a guest"), gone("mapped", 60),
    look("unit of a guest that has ended",
         "for i in $(seq 300); do systemctl is-active -q guest || break; sleep 0.1; done; systemctl is-active guest"),
    call("ListMachines", when="without guests"),
]

STEPS = SETUP + QUERIES + SHELLS + COPIES + MOUNTS + ENDS
