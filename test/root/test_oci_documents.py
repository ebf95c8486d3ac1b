# SPDX-License-Identifier: LGPL-2.1-or-later
"""Documents of bundles: those that engines write are taken, and of every member docs/oci.md says what becomes of
it. oci-fields.txt has the members that the specification knows."""

import copy
import json
import pathlib
import re
import shutil

import pytest

from skeplib import TOP
from skeplib.bundles import Bundle, Runner, document

HERE = pathlib.Path(__file__).parent
FIELDS = dict(line.split(" ", 1) for line in (HERE / "oci-fields.txt").read_text(encoding="ascii").splitlines()
              if not line.startswith("#"))
CORPUS = sorted((TOP / "test/fuzz/corpus/oci-config").iterdir())
ROW = re.compile(r"^\| `([\w.\[\]]+)` \| (yes|noted|refused|passed over) \| (.*?) ?\|$", re.MULTILINE)

# What a member has to have beside it.
BESIDE = {
    "mounts[].source": {"mounts[].type": "bind", "mounts[].options": ["rbind"]},
    "mounts[].uidMappings": {"mounts[].type": "bind", "mounts[].options": ["bind"], "mounts[].source": "/usr",
                             "mounts[].gidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}]},
    "mounts[].gidMappings": {"mounts[].type": "bind", "mounts[].options": ["bind"], "mounts[].source": "/usr",
                             "mounts[].uidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}]},
    "linux.uidMappings": {"linux.namespaces": [{"type": "user"}, {"type": "mount"}],
                          "linux.gidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}]},
    "linux.gidMappings": {"linux.namespaces": [{"type": "user"}, {"type": "mount"}],
                          "linux.uidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}]},
    "linux.timeOffsets": {"linux.namespaces": [{"type": "time"}, {"type": "mount"}]},
    "linux.namespaces[].path": {"linux.namespaces[].type": "network"},
    "linux.sysctl": {"linux.namespaces": [{"type": "network"}, {"type": "mount"}]},
    "domainname": {"linux.namespaces": [{"type": "uts"}, {"type": "mount"}]},
    "hostname": {"linux.namespaces": [{"type": "uts"}, {"type": "mount"}]},
    "linux.seccomp.defaultErrnoRet": {"linux.seccomp.defaultAction": "SCMP_ACT_ERRNO"},
    "linux.resources.memory.swap": {"linux.resources.memory.limit": 100000000},
    "linux.resources.cpu.burst": {"linux.resources.cpu.quota": 50000},
}
STATES = {m[0]: m[1] for m in ROW.findall((TOP / "docs/oci.md").read_text(encoding="utf-8"))}


def put(config, path, value):
    """Set a member; what it is in, as the list of members has it."""
    at, before = config, ""
    words = path.split(".")
    for word in words[:-1]:
        name = word.removesuffix("[]")
        before += ("." if before else "") + name
        sample = json.loads(FIELDS[before])
        if word.endswith("[]"):
            if not (isinstance(at.get(name), list) and len(at[name]) == 1):
                at[name] = sample
            at = at[name][0]
            before += "[]"
        else:
            at = at.setdefault(name, sample)
    at[words[-1]] = copy.deepcopy(value)


def with_member(path, value):
    config = document("/bin/true")
    del config["hostname"]
    for other, its in BESIDE.get(path, {}).items():
        put(config, other, its)
    put(config, path, value)
    return config


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    where = tmp_path_factory.mktemp("bundle")
    Bundle(where, "/bin/true").write()
    return where


@pytest.fixture
def read(folder, scratch):
    """What the spawner says of a document that it would run, or does."""
    def run(config, options=("--dry-run",)):
        bundle = Bundle.__new__(Bundle)
        bundle.path, bundle.config = folder, config
        return Runner("skep-spawn", scratch).run(bundle, options=options)

    return run


def test_every_member_is_told_of():
    assert set(STATES) == set(FIELDS), set(STATES) ^ set(FIELDS)


@pytest.mark.parametrize("path", [p for p in FIELDS if STATES.get(p) != "refused" and FIELDS[p] != "null"])
def test_member_is_taken(read, path):
    done = read(with_member(path, json.loads(FIELDS[path])))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", [p for p in FIELDS if STATES.get(p) == "refused"])
def test_member_is_refused(read, path):
    done = read(with_member(path, json.loads(FIELDS[path])), options=())
    assert done.returncode != 0 and done.stderr.count("\n") == 1
    assert any(word in done.stderr for word in path.split(".")[1:]), done.stderr


@pytest.mark.parametrize("path", [p for p in FIELDS if "passed" not in STATES.get(p, "") or "Leaf" in p])
def test_member_of_a_wrong_kind(read, path):
    """It is looked at: else a document would say one thing, and the container be another."""
    sample = json.loads(FIELDS[path])
    wrong = 5 if isinstance(sample, (str, list, dict, type(None))) else "word"
    done = read(with_member(path, wrong))
    assert done.returncode != 0 and done.stderr.count("\n") == 1
    assert path.rpartition(".")[2] in done.stderr, done.stderr


@pytest.mark.parametrize("path", [p for p in FIELDS if STATES.get(p) == "passed over"])
def test_member_of_other_systems(read, path):
    assert read(with_member(path, json.loads(FIELDS[path]))).returncode == 0


@pytest.mark.parametrize("name", [p.name for p in CORPUS if p.name not in ("everything", "runc-spec-rootless")])
def test_what_engines_write(read, name):
    """But for where things are on the hosts that they were written on."""
    config = json.loads((TOP / "test/fuzz/corpus/oci-config" / name).read_text(encoding="utf-8"))
    config["root"]["path"] = "rootfs"
    config["process"]["terminal"] = False
    for mount in config["mounts"]:
        if mount["source"].startswith(("/var/lib/", "/run/", "/srv")):
            mount["source"] = "/etc"
    for namespace in config["linux"]["namespaces"]:
        if namespace.get("path"):
            namespace["path"] = "/proc/self/ns/net"
    done = read(config)
    assert done.returncode == 0, done.stderr


def test_cpus_of_an_exec(scratch):
    runtime = Runner("skep-oci", scratch / "state")
    bundle = Bundle(scratch / "bundle", "/bin/sleep", "60")
    runtime.create(bundle, "box")
    runtime("start", "box")
    process = {**bundle.process, "args": ["/bin/grep", "Cpus_allowed_list", "/proc/self/status"]}
    for affinity, cpus in (({"initial": "0", "final": "1"}, "1"), ({"final": "0"}, "0"), ({"initial": "1"}, "1")):
        (scratch / "process.json").write_text(json.dumps({**process, "execCPUAffinity": affinity}))
        assert runtime("exec", "--process", scratch / "process.json", "box").stdout.split()[-1] == cpus
    (scratch / "process.json").write_text(json.dumps({**process, "execCPUAffinity": {"final": "x"}}))
    assert "execCPUAffinity" in runtime("exec", "--process", scratch / "process.json", "box", check=False).stderr
    runtime("delete", "--force", "box")


@pytest.mark.parametrize("who", ["skep-oci", "skep-spawn"])
def test_root_with_one_program(scratch, who):
    """An image made from scratch has neither a /usr nor anything to mount on."""
    bundle = Bundle(scratch / "bundle", "/busybox", "echo", "hello")
    program = (bundle.rootfs / "bin/busybox").read_bytes()
    shutil.rmtree(bundle.rootfs)
    bundle.rootfs.mkdir()
    (bundle.rootfs / "busybox").write_bytes(program)
    (bundle.rootfs / "busybox").chmod(0o755)
    assert Runner(who, scratch / "state").run(bundle, check=True).stdout == "hello\n"
