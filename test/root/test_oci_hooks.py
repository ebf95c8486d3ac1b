# SPDX-License-Identifier: LGPL-2.1-or-later
"""skep-oci: hooks, in the specification's order and places."""

import json
import os

import pytest

from skeplib import oci

KINDS = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]


@pytest.fixture
def runtime(scratch):
    r = oci.Runtime(scratch)
    yield r
    r.close()


def hook(path, script, **more):
    """A hook that is a script of the shell; path is where it can be found."""
    return {"path": path, "args": ["sh", "-c", script], **more}


@pytest.fixture
def told(runtime, scratch):
    """A bundle whose hooks all write down what they see, in a folder that the container has as /told."""
    folder = scratch / "told"
    folder.mkdir(mode=0o777)

    def make(**changes):
        def change(document):
            document["mounts"].append({"destination": "/told", "source": str(folder), "type": "bind",
                                       "options": ["rbind", "rw"]})
            document["annotations"] = {"a": "b"}
            document["hooks"] = {}
            for kind in KINDS:
                inside = kind == "startContainer"
                where = "/told" if inside else folder
                document["hooks"][kind] = [hook("/bin/sh", (
                    f"cat > {where}/{kind}.state; echo {kind} >> {where}/order; cat </proc/self/environ > {where}/{kind}.env;"
                    f" readlink /proc/self/ns/mnt > {where}/{kind}.mnt; ls / > {where}/{kind}.root;"
                    f" ls /proc/self/fd > {where}/{kind}.fds; grep CapEff /proc/self/status > {where}/{kind}.caps"),
                    env=[f"KIND={kind}"])]
            for kind, hooks in changes.items():
                document["hooks"][kind] = hooks
        return runtime.bundle("/bin/sh", "-c", "echo payload >> /told/order; sleep 100", change=change)
    make.folder = folder
    make.order = lambda: (folder / "order").read_text().split() if (folder / "order").exists() else []
    return make


def test_order_and_state(runtime, told):
    runtime.create("x", told())
    assert told.order() == ["prestart", "createRuntime", "createContainer"]
    pid = runtime.state("x")["pid"]
    inner = os.readlink(f"/proc/{pid}/ns/mnt")
    runtime.run("start", "x")
    oci.wait_until(lambda: len(told.order()) == 6)
    assert told.order()[3] == "startContainer"
    assert set(told.order()[4:]) == {"payload", "poststart"}
    bundle = runtime.state("x")["bundle"]
    runtime.run("delete", "-f", "x")
    assert told.order()[6:] == ["poststop"]

    status = {"createRuntime": "creating", "prestart": "creating", "createContainer": "creating",
              "startContainer": "created", "poststart": "running", "poststop": "stopped"}
    outer = os.readlink("/proc/self/ns/mnt")
    for kind in KINDS:
        state = json.loads((told.folder / f"{kind}.state").read_text())
        assert (state["status"], state["id"], state["bundle"]) == (status[kind], "x", bundle)
        assert state["pid"] == (0 if kind == "poststop" else pid)
        assert state["annotations"] == {"a": "b"}
        where = inner if kind in ("createContainer", "startContainer") else outer
        assert (told.folder / f"{kind}.mnt").read_text() == f"{where}\n"
        # Those of the host see its root, even in the container's mount namespace.
        assert ("told" in (told.folder / f"{kind}.root").read_text().split()) == (kind == "startContainer")
        assert (told.folder / f"{kind}.env").read_text() == f"KIND={kind}\0"
        # stdio, and what ls reads
        assert len((told.folder / f"{kind}.fds").read_text().split()) == 4


def test_hooks_inside_have_no_more_rights_than_the_payload(runtime, told):
    runtime.create("x", told())
    runtime.run("start", "x")
    oci.wait_until(lambda: (told.folder / "startContainer.caps").exists())
    pid = runtime.state("x")["pid"]
    payload = [line for line in open(f"/proc/{pid}/status", encoding="ascii") if line.startswith("CapEff")]
    assert (told.folder / "startContainer.caps").read_text() == payload[0]


@pytest.mark.parametrize("kind", ["prestart", "createRuntime", "createContainer"])
@pytest.mark.parametrize("bad, words", [
    (hook("/bin/sh", "echo because >&2; exit 3"), "failed with exit status 3: because"),
    (hook("/no/such", ""), "No such file"),
    (hook("/bin/sh", "kill -9 $$"), "killed by signal 9"),
    (hook("/bin/sh", "sleep 100", timeout=1), "did not end within 1 s"),
])
def test_one_that_fails_is_the_end_of_create(runtime, told, kind, bad, words):
    never = told.folder / "never"
    line = runtime.refuse("create", "-b", told(**{kind: [bad, hook("/bin/sh", f"touch {never}")]}), "x")
    assert kind in line and words in line
    assert runtime.names() == [] and not never.exists()


@pytest.mark.parametrize("bad, words", [
    (hook("/bin/sh", "exit 3"), "failed with exit status 3"),
    (hook("/no/such", ""), "failed with exit status 127"),
    (hook("/bin/sh", "kill -9 $$"), "killed by signal 9"),
    (hook("/bin/sh", "sleep 100", timeout=1), "did not end in its time"),
])
def test_one_inside_that_fails_is_the_end_of_start(runtime, told, bad, words):
    runtime.create("x", told(startContainer=[hook("/bin/true", ""), bad]))
    line = runtime.refuse("start", "x")
    assert "startContainer hook #1" in line and words in line
    runtime.wait_for("x", "stopped")
    assert "payload" not in told.order()


def test_those_after_the_fact_only_warn(runtime, told):
    bad = [hook("/bin/sh", "exit 3"), hook("/bin/sh", f"echo late >> {told.folder}/order")]
    runtime.create("x", told(poststart=bad, poststop=bad))
    done = runtime.run("start", "x")
    assert "level=warning" in done.stderr and "poststart hook #0" in done.stderr
    assert "late" in told.order()
    done = runtime.run("delete", "-f", "x")
    assert "level=warning" in done.stderr and "poststop hook #0" in done.stderr
    assert told.order().count("late") == 2


def test_hooks_may_ask_for_the_state(runtime, told):
    script = " ".join(runtime.command("state", "x")) + f" > {told.folder}/asked"
    runtime.create("x", told(createRuntime=[hook("/bin/sh", script)]))
    assert json.loads((told.folder / "asked").read_text())["status"] == "creating"


def test_one_that_leaves_somebody_behind_is_not_waited_for(runtime, told):
    bad = hook("/bin/sh", "sleep 3 & exit 0")
    runtime.create("x", told(createRuntime=[bad]))
    assert runtime.status("x") == "created"
    runtime.run("delete", "x")
    oci.wait_until(lambda: runtime.reap() == set())


def test_the_root_is_where_the_document_has_it(runtime, told, scratch):
    """What hooks of the host put into the container's root before it is entered is in the container."""
    bundle = told()
    script = f"echo x > {bundle}/rootfs/from-hook; mount -t tmpfs none {bundle}/rootfs/tmp; touch {bundle}/rootfs/tmp/a"
    document = json.loads((bundle / "config.json").read_text())
    document["hooks"] = {"createContainer": [hook("/bin/sh", script, env=oci.ENVIRONMENT)]}
    document["process"]["args"] = ["/bin/sh", "-c", "ls /tmp /from-hook"]
    (bundle / "rootfs/tmp").mkdir(exist_ok=True)
    (bundle / "config.json").write_text(json.dumps(document))
    assert runtime.out("run", "-b", bundle, "x").split() == ["/from-hook", "/tmp:", "a"]
    assert not (bundle / "rootfs/tmp/a").exists()
