# SPDX-License-Identifier: LGPL-2.1-or-later
"""Podman and containerd in a lab of their own (LAB_KIND = "engines"), and an image for them to run.

The runtime is a parameter: skep-oci, or Debian's crun and runc, which prove that the bed can do what a
test asks of it. Those two get a document without resources, for this is what the bed cannot give them:
the host has no controllers for cgroup2, and its root has no CAP_SYS_RESOURCE, without which they load
no device policy."""

import io
import json
import os
import tarfile
import time

from . import trees

IMAGE = "localhost/box:1"
PEERS = ("crun", "runc")

_CONTAINERS_CONF = """\
[containers]
pids_limit = 0
default_ulimits = ["nofile=1024:2048", "nproc=1024:2048"]
"""

# $1 of a peer is not always the command: look for the bundle wherever it stands.
_WITHOUT_RESOURCES = """\
#!/bin/bash
for word; do
        case $before in
        -b | --bundle)
                jq -c 'del(.linux.resources)' "$word/config.json" >"$word/config.new"
                cat "$word/config.new" >"$word/config.json"
                ;;
        esac
        before=$word
done
exec @PEER@ "$@"
"""


def image_tar():
    """An archive of the busybox tree with users, a folder of data and a link to it."""
    out = io.BytesIO()
    with tarfile.open(trees.tar("busybox")) as plain, tarfile.open(fileobj=out, mode="w") as tar:
        for member in plain:
            if member.name not in ("./etc/passwd", "./etc/group"):
                tar.addfile(member, plain.extractfile(member) if member.isreg() else None)

        def add(name, data=None, **fields):
            info = tarfile.TarInfo(name)
            info.size = len(data or b"")
            for key, value in fields.items():
                setattr(info, key, value)
            tar.addfile(info, io.BytesIO(data) if data is not None else None)

        add("./etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n"
            b"app:x:1000:1000:app:/home/app:/bin/sh\n")
        add("./etc/group", b"root:x:0:\napp:x:1000:\nextra:x:2000:app\n")
        add("./home/app", type=tarfile.DIRTYPE, mode=0o755, uid=1000, gid=1000)
        add("./data", type=tarfile.DIRTYPE, mode=0o755)
        add("./data/from-image", b"image\n")
        add("./link", type=tarfile.SYMTYPE, linkname="data")
        add("./etc/not-a-program", b"text\n")
    return out.getvalue()


def prepare(lab):
    """Have the image in podman's store, and the peers as the bed can run them."""
    for runtime in runtimes():
        if runtime not in PEERS:
            lab.run(["test", "-x", path_of(runtime)])
    lab.write("/etc/containers/containers.conf", _CONTAINERS_CONF)
    for peer in PEERS:
        lab.write(f"/usr/local/bin/bed-{peer}", _WITHOUT_RESOURCES.replace("@PEER@", peer), mode=0o755)
    lab.write("/var/tmp/box.tar", image_tar())
    lab.run(["podman", "import", "-q", "--change", "ENV COLOUR=blue", "--change", "ENV PATH=/usr/bin:/bin", "--change", "WORKDIR /data",
             "--change", 'CMD ["/bin/sh"]', "/var/tmp/box.tar", IMAGE])


def path_of(runtime):
    """Where a runtime is in the lab."""
    return f"/usr/local/bin/bed-{runtime}" if runtime in PEERS else f"/usr/bin/{runtime}"


class Podman:
    """Podman with one runtime and one manager of control groups."""

    def __init__(self, lab, runtime, manager="systemd"):
        self.lab = lab
        self.runtime = runtime
        self.manager = manager
        self.command = ["podman", "--runtime", path_of(runtime), "--cgroup-manager", manager]

    def __call__(self, *argv, **options):
        """A podman command; options and result are those of Lab.run()."""
        return self.lab.run([*self.command, *argv], **options)

    def out(self, *argv, **options):
        """What a podman command that must succeed prints, without the last newline."""
        return self.lab.out([*self.command, *argv], **options)

    def run(self, *argv, check=True, network="none", **options):
        """podman run --rm, with no network unless the test is about that."""
        return self("run", "--rm", f"--network={network}", *_with_image(argv), check=check, **options)

    def sh(self, script, *options, **more):
        """Standard output of a shell script in a container of its own that must succeed."""
        return self.run(*options, "--", "sh", "-c", script, **more).stdout.rstrip("\n")

    def start(self, *argv, network="none", **options):
        """podman run --detach. Return: the container's ID."""
        return self.out("run", "--detach", f"--network={network}", *_with_image(argv), **options)

    def exec(self, container, *argv, **options):
        """podman exec: options of it, "--" and the command; or the command alone."""
        at = argv.index("--") if "--" in argv else 0
        return self("exec", *argv[:at], container, *argv[at + ("--" in argv):], **options)

    def remove(self, *containers):
        """podman rm --force, at once."""
        self("rm", "--force", "--time=0", *containers)

    def inspect(self, what):
        """podman inspect, read."""
        return json.loads(self.out("inspect", what))[0]

    def wait_state(self, container, state, timeout=10):
        """Wait until a container is running, exited, paused..."""
        end = time.monotonic() + timeout
        while True:
            now = self.inspect(container)["State"]
            if now["Status"] == state:
                return now
            assert time.monotonic() < end, f"{container} is {now['Status']}, and not {state}"
            time.sleep(0.05)


def _with_image(argv):
    """Podman's options, "--" and the command: put the image between them; or only a command."""
    if "--" in argv:
        at = argv.index("--")
        return [*argv[:at], IMAGE, *argv[at + 1:]]
    return [IMAGE, *argv]


def runtimes():
    """Which runtimes the tests are run with: ours, or those in SKEP_OCI_RUNTIMES."""
    return os.environ.get("SKEP_OCI_RUNTIMES", "skep-oci").split()
