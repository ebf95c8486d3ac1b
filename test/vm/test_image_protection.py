# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disk images with verity and LUKS, on a kernel that has device-mapper."""

import base64
import hashlib
import pathlib
import subprocess
import zlib

import pytest

from skeplib.protected import Verity

IMAGES = "/var/tmp/images"
RUN = "skep-spawn -q --register=no --console=pipe -M protected"
_UNPACK = "import sys, zlib; sys.stdout.buffer.write(zlib.decompress(sys.stdin.buffer.read()))"


def put(vm, source, name):
    """Copy a file of the host to IMAGES, sparse."""
    packed = base64.b64encode(zlib.compress(source.read_bytes()))
    vm.run(f"base64 -d | python3 -c '{_UNPACK}' | cp --sparse=always /dev/stdin {IMAGES}/{name}",
           input=packed)


@pytest.fixture(scope="module")
def verity(vm, tmp_path_factory):
    made = Verity(tmp_path_factory.mktemp("verity"))
    vm.run(f"mkdir -p {IMAGES}")
    put(vm, made.disk, "disk.raw")
    put(vm, made.damaged(), "damaged.raw")
    root = made.where / "root"
    for name in ("usr", "etc", "dev", "proc", "sys", "run", "tmp", "var", "root"):
        (root / name).mkdir(parents=True)
    (root / "bin").symlink_to("usr/bin")
    subprocess.run(["mksquashfs", root, f"{root}.raw", "-quiet", "-no-progress"], check=True)
    put(vm, made.disk_with("usr.raw", b"", pathlib.Path(f"{root}.raw")), "usr.raw")
    vm.write(f"{IMAGES}/usr.usrhash", made.root_hash)
    put(vm, made.bare, "bare.raw")
    put(vm, made.tree, "bare.verity")
    put(vm, made.certificate, "certificate.crt")
    vm.write(f"{IMAGES}/bare.roothash", made.root_hash)
    return made


@pytest.fixture(scope="module")
def secret(vm, verity):
    """An encrypted image of the same system; its passphrase is in a folder of credentials."""
    vm.write(f"{IMAGES}/key", "sesame")
    vm.run("mkdir -p /run/keys && cp {0}/key /run/keys/image-passphrase; cd {0} && truncate -s 24M secret.raw && "
           "cryptsetup luksFormat -q --pbkdf pbkdf2 --pbkdf-force-iterations 1000 secret.raw key && "
           "cryptsetup open --key-file key secret.raw secret && "
           "cat bare.raw >/dev/mapper/secret && cryptsetup close secret".format(IMAGES), timeout=120)
    return f"{IMAGES}/secret.raw"


@pytest.fixture(autouse=True)
def nothing_left(vm):
    yield
    vm.run("for i in $(seq 50); do [ -z \"$(ls /sys/class/block | grep ^dm-)\" ] && break; sleep 0.1; done")
    assert vm.out("ls /sys/class/block | grep ^dm- || true; ls /dev/mapper") == "control"
    assert vm.out("losetup -a") == ""


def spawn(vm, arguments, command="cat /etc/os-release", environment=""):
    done = vm.run(f"{environment} {RUN} {arguments} /bin/sh -c '{command}'", check=False, timeout=120)
    return done.returncode, done.stdout, done.stderr


def test_verity_of_partitions(vm, verity):
    status, out, err = spawn(vm, f"-i {IMAGES}/disk.raw --root-hash={verity.root_hash} "
                             "--image-policy=root=verity",
                             "md5sum </data; grep \" / \" /proc/self/mountinfo; touch /x || echo ro")
    assert status == 0, err
    assert "ro" in out.split("\n") and " - squashfs /dev/dm-" in out
    assert hashlib.md5(verity.data).hexdigest() in out


def test_verity_of_usr(vm, verity):
    """The hash of a /usr of its own, beside the image; the root is another partition."""
    options = f"-i {IMAGES}/usr.raw --read-only --image-policy=usr=verity:root=unprotected"
    done = vm.run(f"{RUN} {options} /usr/bin/busybox md5sum /usr/data", check=False, timeout=60)
    assert done.stdout.split()[:1] == [hashlib.md5(verity.data).hexdigest()], done.stderr
    status, _, err = spawn(vm, options.replace("usr=verity", "usr=signed"))
    assert status == 125 and "the usr partition is 'signed', but it has verity data" in err


def test_hash_of_something_else(vm, verity):
    other = verity.root_hash[:-1] + ("0" if verity.root_hash[-1] != "0" else "1")
    status, _, err = spawn(vm, f"-i {IMAGES}/disk.raw --root-hash={other}")
    assert status == 125 and "there is no hash tree for it" in err
    status, _, err = spawn(vm, f"-i {IMAGES}/bare.raw --root-hash={other}")
    assert status == 125 and "the root hash is of something else, or the data are damaged" in err


def test_damaged_data(vm, verity):
    status, out, err = spawn(vm, f"-i {IMAGES}/damaged.raw --root-hash={verity.root_hash}",
                             "echo up; cat /data >/dev/null")
    assert (status, out) == (1, "up\n") and "Input/output error" in err
    # Nobody would have noticed otherwise.
    status, _, err = spawn(vm, f"-i {IMAGES}/damaged.raw --image-policy=root=unprotected",
                           "cat /data >/dev/null")
    assert status == 0, err


def test_files_beside_the_image(vm, verity):
    status, out, err = spawn(vm, f"-i {IMAGES}/bare.raw --image-policy=root=verity")
    assert status == 0 and "ID=busybox" in out, err
    status, _, err = spawn(vm, f"-i {IMAGES}/bare.raw --image-policy=root=verity",
                           environment="SYSTEMD_DISSECT_VERITY_SIDECAR=no")
    assert status == 125 and "'verity', but it has no protection" in err


def test_signature(vm, verity):
    signed = f"-i {IMAGES}/disk.raw --image-policy=root=signed"
    status, _, err = spawn(vm, signed)
    assert status == 125 and "nobody whom this host trusts has signed the root hash" in err
    vm.run(f"mkdir -p /run/verity.d && cp {IMAGES}/certificate.crt /run/verity.d/test.crt")
    status, out, err = spawn(vm, signed)
    assert status == 0 and "ID=busybox" in out, err
    # What of an administrator's is empty masks it.
    vm.run("mkdir -p /etc/verity.d && touch /etc/verity.d/test.crt")
    assert spawn(vm, signed)[0] == 125
    vm.run("rm -r /etc/verity.d /run/verity.d")


def test_encrypted(vm, secret):
    options = f"-i {secret} --image-policy=root=encrypted --read-only --no-ask-password"
    status, out, err = spawn(vm, options, environment="CREDENTIALS_DIRECTORY=/run/keys")
    assert status == 0 and "ID=busybox" in out, err
    done = vm.run(f"systemd-run -q --pipe --wait -p SetCredential=image-passphrase:sesame {RUN} "
                  f"{options} /bin/echo from a unit", check=False, timeout=120)
    assert done.stdout == "from a unit\n", done.stderr


def test_encrypted_without_a_key(vm, secret):
    options = f"-i {secret} --no-ask-password"
    status, _, err = spawn(vm, options)
    assert status == 125 and "it is encrypted: there is no passphrase" in err
    vm.run("mkdir -p /run/wrong && echo no >/run/wrong/image-passphrase")
    status, _, err = spawn(vm, options, environment="CREDENTIALS_DIRECTORY=/run/wrong")
    assert status == 125 and "the passphrase is wrong" in err
    status, _, err = spawn(vm, options + " --image-policy=root=unprotected",
                           environment="CREDENTIALS_DIRECTORY=/run/keys")
    assert status == 125 and "'unprotected', but it is encrypted" in err


def test_supervisor_killed(vm, verity):
    """Devices go with the mounts, whoever dies."""
    vm.run(f"{RUN} -i {IMAGES}/disk.raw --root-hash={verity.root_hash} /bin/sleep 1000 & p=$!; "
           "for i in $(seq 100); do ls /sys/class/block | grep -q ^dm- && pgrep -x sleep && break; sleep 0.1; done; "
           "ls /sys/class/block | grep -q ^dm- && kill -9 $p", timeout=60)


@pytest.mark.parametrize("option", ["-x", "--volatile=state"])
def test_throw_away_layers(vm, secret, option):
    """Over an encrypted image, which is then not written to."""
    before = vm.out(["md5sum", secret])
    status, out, err = spawn(vm, f"-i {secret} {option} --no-ask-password",
                             "touch /var/x && echo written", "CREDENTIALS_DIRECTORY=/run/keys")
    assert (status, out) == (0, "written\n"), err
    assert vm.out(["md5sum", secret]) == before


def test_killed_at_any_moment(vm, secret):
    """However far a start has come: the next one is as the first, and then no device and no lock is left."""
    vm.write("/root/kill.sh", f"""
for ms in 20 60 120 200 300 420 560 720 900 1200; do
        CREDENTIALS_DIRECTORY=/run/keys {RUN} -i {secret} --read-only /bin/sleep 1000 &
        p=$!
        sleep $(printf '%d.%03d' $((ms / 1000)) $((ms % 1000)))
        kill -9 $p
        wait $p
done 2>/dev/null
for i in $(seq 100); do
        pgrep -f {secret} >/dev/null || pgrep -x sleep >/dev/null || break
        sleep 0.1
done
pgrep -x sleep && echo 'still running'
CREDENTIALS_DIRECTORY=/run/keys {RUN} -i {secret} --read-only /bin/echo up
for i in $(seq 100); do
        ls /sys/class/block | grep -q ^dm- || break
        sleep 0.1
done
ls /sys/class/block | grep ^dm- && echo 'a device is left'
true
""")
    assert vm.out("bash /root/kill.sh", timeout=120) == "up"


def test_leftovers_are_swept(vm, secret):
    """Who makes a device may die before it is handed out; the next one clears up."""
    vm.run(f"cryptsetup open --readonly --key-file {IMAGES}/key {secret} skep-left && "
           "test -e /dev/mapper/skep-left")
    # One that was to be made, with and without what it was to be.
    vm.run("dmsetup create skep-bare --notable && dmsetup create skep-loaded --notable && "
           "dmsetup load skep-loaded --table '0 8 zero'")
    assert spawn(vm, f"-i {secret} --read-only",
                 environment="CREDENTIALS_DIRECTORY=/run/keys")[0] == 0
    assert vm.out("dmsetup ls") == "No devices found"


_TERMINAL = """
import os, pty, sys
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
seen, answers = b"", [b"wrong\\n", b"sesame\\n"]
while True:
    try:
        piece = os.read(fd, 4096)
    except OSError:
        break
    seen += piece
    if seen.count(b"Passphrase for the root partition of ") == 3 - len(answers) and answers:
        os.write(fd, answers.pop(0))
sys.stdout.buffer.write(seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def test_passphrase_at_the_terminal(vm, secret):
    """Asked for once more after a wrong one, never shown, not asked for against the user's will."""
    vm.write("/root/terminal.py", _TERMINAL)
    start = f"python3 /root/terminal.py {RUN} -i {secret} --read-only"
    done = vm.run(f"{start} /bin/echo up", check=False, timeout=120)
    assert done.returncode == 0 and "up" in done.stdout, done.stdout
    assert done.stdout.count("Passphrase for") == 2 and "sesame" not in done.stdout
    done = vm.run(f"{start} --no-ask-password /bin/echo up", check=False, timeout=120)
    assert done.returncode == 125 and "Passphrase for" not in done.stdout


def test_encrypted_image_of_a_unit(vm, secret):
    """The unit's device policy has room for it, and the credential comes with the unit."""
    vm.write("/etc/systemd/system/skep@secret.service.d/key.conf",
             "[Service]\nSetCredential=image-passphrase:sesame\n")
    # This kernel can idmap no squashfs.
    vm.write("/etc/systemd/nspawn/secret.nspawn",
             "[Exec]\nPrivateUsers=no\n[Files]\nReadOnly=yes\n[Network]\nVirtualEthernet=no\n")
    vm.run(f"ln {secret} /var/lib/machines/secret.raw || cp --sparse=always {secret} /var/lib/machines/secret.raw")
    vm.run("systemctl daemon-reload && systemctl start skep@secret", timeout=120)
    try:
        assert vm.out("systemctl is-active skep@secret") == "active"
        assert vm.out("ls /sys/class/block | grep -c ^dm-") == "1"
        assert "secret" in vm.out("machinectl list --no-legend")
    finally:
        vm.run("systemctl kill -s KILL skep@secret; systemctl stop skep@secret; "
               "rm /var/lib/machines/secret.raw /etc/systemd/nspawn/secret.nspawn", timeout=120)
