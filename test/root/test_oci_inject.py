# SPDX-License-Identifier: LGPL-2.1-or-later
"""skep-oci: killed at every one of its system calls, and each of them failing."""

import errno
import os

import pytest

from skeplib import faults, oci


@pytest.fixture
def runtime(scratch):
    r = oci.Runtime(scratch)
    yield r
    r.close()


def hooks(document):
    document["hooks"] = {"createRuntime": [{"path": "/bin/true"}], "poststop": [{"path": "/bin/true"}]}


def test_killed_at_every_call_of_a_run(runtime, scratch):
    """From the first to the last: what is left can be deleted, and the payload has not run half confined."""
    bundle = runtime.bundle("/bin/true", change=hooks)
    harm = faults.Faults(scratch)
    argv = runtime.command("run", "-b", str(bundle), "x")
    calls, done = harm.calls(argv)
    assert done.returncode == 0, done.stderr
    killed = 0
    for call in calls:
        if call.process > 0 or call.name in faults.CHANGES_NOTHING:
            continue
        first = harm.kill(argv, call)
        assert first.returncode != faults.TROUBLE, f"{call}: {first.stderr}"
        killed += bool(harm.hit())
        runtime.run("delete", "--force", "x")
        assert runtime.names() == [] and runtime.groups() == [], call
        oci.wait_until(lambda: runtime.reap() == set())
    assert killed > 30


def test_killed_at_every_call_of_a_delete(runtime, scratch):
    bundle = runtime.bundle("/bin/true", change=hooks)
    harm = faults.Faults(scratch)
    argv = runtime.command("delete", "--force", "x")
    runtime.create("x", bundle)
    calls, done = harm.calls(argv)
    assert done.returncode == 0, done.stderr
    for call in calls:
        if call.process > 0 or call.name in faults.CHANGES_NOTHING:
            continue
        runtime.create("x", bundle)
        harm.kill(argv, call)
        runtime.run("delete", "--force", "x")
        assert runtime.names() == [] and runtime.groups() == [], call
        oci.wait_until(lambda: runtime.reap() == set())


def test_every_call_of_a_run_may_fail(runtime, scratch):
    """Then the run fails with a sentence, or the call did not matter; what is left can be deleted."""
    bundle = runtime.bundle("/bin/echo", "payload", change=hooks)
    harm = faults.Faults(scratch)
    argv = runtime.command("run", "-b", str(bundle), "x")
    calls, done = harm.calls(argv)
    assert (done.returncode, done.stdout) == (0, "payload\n")
    failed = 0
    for call in calls:
        if call.name in faults.CANNOT_FAIL or (call.process > 0 and call.number % 3):
            continue
        done = harm.fail(argv, call, errno.EIO)
        assert done.returncode in (0, 1), f"{call}: {done.returncode}: {done.stderr}"
        assert (done.returncode == 1) == ("level=error" in done.stderr), f"{call}: {done.stderr}"
        failed += done.returncode
        runtime.run("delete", "--force", "x")
        assert runtime.names() == [] and runtime.groups() == [], call
    assert failed > 30


if os.environ.get("SKEP_SANITIZED"):     # which makes calls of its own, also to look for leaks
    del test_killed_at_every_call_of_a_run, test_killed_at_every_call_of_a_delete
    del test_every_call_of_a_run_may_fail
