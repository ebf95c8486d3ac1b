# SPDX-License-Identifier: LGPL-2.1-or-later
"""Labels of payloads where the kernel has no module that knows them, and how skep-init gives one."""

import os
import subprocess

import pytest

from skeplib import build

INIT = build.build_dir() / "src/spawn/init/skep-init"


@pytest.mark.skipif(os.path.exists("/sys/module/apparmor"), reason="this kernel knows AppArmor")
def test_no_apparmor(spawn, busybox):
    assert "AppArmor" in spawn.refuse(busybox, "--apparmor-profile=p", "--", "true")


@pytest.mark.skipif(os.path.exists("/sys/fs/selinux/enforce"), reason="this kernel knows SELinux")
def test_no_selinux(spawn, busybox):
    for option in ("-Z", "-L"):
        assert "SELinux" in spawn.refuse(busybox, option, "a:b:c", "--", "true")


def test_untrusted_file_labels_nothing(spawn, busybox):
    settings = busybox.parent / f"{spawn.name}.nspawn"
    settings.write_text("[Exec]\nAppArmorProfile=unconfined\n", encoding="ascii")
    done = spawn.run(busybox, "--", "true", quiet=False)
    assert "AppArmorProfile= is ignored" in done.stderr


def label(path, text, *command):
    """Its result, and whether it said that the execution did not come about."""
    read, write = os.pipe()
    with open(read, "rb") as answers:
        done = subprocess.run([INIT, "label", str(write), path, text, *command], pass_fds=(write,),
                              stdout=subprocess.PIPE, check=False)
        os.close(write)
        return done, answers.read() != b""


def test_label_is_written_before_the_execution():
    """Any line that goes to a file of the process in proc will do to see it."""
    with open("/proc/self/oom_score_adj", encoding="ascii") as f:
        wanted = str(int(f.read()) + 50)
    done, failed = label("/proc/thread-self/oom_score_adj", wanted, "/bin/cat", "cat",
                         "/proc/self/oom_score_adj")
    assert (done.returncode, done.stdout.decode().strip(), failed) == (0, wanted, False)


@pytest.mark.parametrize("path", ["FILE", "/proc/thread-self/attr/nothing",
                                  "/proc/thread-self/status"])
def test_nothing_runs_without_its_label(path, tmp_path):
    """A file that is put over proc's would take the label and do nothing."""
    plain = tmp_path / "exec"
    plain.write_text("")
    done, failed = label(plain if path == "FILE" else path, "unconfined", "/bin/echo", "echo",
                         "it ran")
    assert done.returncode == 126 and failed and b"it ran" not in done.stdout
    assert plain.read_text() == ""


@pytest.mark.parametrize("over", ["/proc/$$/task/$$/oom_score_adj", "/proc/$$/task/$$", "/proc"])
def test_label_goes_to_no_other_file_of_proc(over):
    """One that runs already may have mounted something of proc's over something else of it."""
    with subprocess.Popen(["sleep", "100"]) as other:
        source = {"/proc": "/proc/$$/task/$$"}.get(over, over.replace("$$", str(other.pid)))
        script = (f"mount --bind {source} {over} && exec {INIT} label 9 /proc/thread-self/oom_score_adj 77 "
                  "/bin/echo echo ran 9>/dev/null")
        done = subprocess.run(["unshare", "-m", "sh", "-c", script], stdout=subprocess.PIPE, check=False)
        with open(f"/proc/{other.pid}/oom_score_adj", encoding="ascii") as f:
            got = int(f.read())
        other.kill()
    assert done.returncode == 126 and done.stdout == b"" and got != 77
