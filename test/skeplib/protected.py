# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disk images with verity data, as small as can be."""

import base64
import json
import os
import shutil
import subprocess

from . import trees

DATA = 128 << 10    # bytes of a file /data that no compression makes smaller
# Data, hash tree and signature of x86-64.
_ROOT = ("4f68bce3-e8cd-4db1-96e7-fbcaf984b709", "2c7357ed-ebd2-46d9-aec1-23d437ec2bf5",
         "41092b05-9fc8-4523-994f-2def0408b176")
_USR = ("8484680c-9521-48c6-9c11-b0720656f69e", "77ff5f63-e7b6-4633-acf4-1565b864c0e6",
        "e7bb33fb-06cf-4e81-8273-e543b413e2e2")


def _must(*argv, **options):
    return subprocess.run([str(a) for a in argv], check=True, stdout=subprocess.PIPE, text=True,
                          **options).stdout


def _uuid(digits):
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]))


class Verity:
    """A squashfs of busybox with a file /data, its hash tree, and a signature of the root hash by a
    key of its own; in the folder @where: bare.raw, bare.verity, disk.raw (a GPT with all three),
    signature, certificate.crt. They are gone with the folder."""

    def __init__(self, where):
        self.where = where
        self.bare, self.tree = where / "bare.raw", where / "bare.verity"
        self.signature, self.certificate = where / "signature", where / "certificate.crt"
        self.data = os.urandom(DATA)
        source = where / "source"
        _must("cp", "-a", trees.tree("busybox"), source)
        (source / "data").write_bytes(self.data)
        _must("mksquashfs", source, self.bare, "-noappend", "-quiet", "-no-progress")
        shutil.rmtree(source)
        told = _must("veritysetup", "format", self.bare, self.tree)
        self.root_hash = told.split("Root hash:")[1].split()[0]
        self._sign()
        document = {"rootHash": self.root_hash, "signature":
                    base64.b64encode(self.signature.read_bytes()).decode()}
        self.disk = self.disk_with("disk.raw", json.dumps(document).encode())

    def _sign(self):
        key = self.where / "key"
        _must("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=skep test",
              "-keyout", key, "-out", self.certificate, stderr=subprocess.DEVNULL)
        _must("openssl", "smime", "-sign", "-binary", "-noattr", "-outform", "der", "-signer",
              self.certificate, "-inkey", key, "-out", self.signature, input=self.root_hash)

    def disk_with(self, name, signature, root=None):
        """A GPT of data, hash tree and the bytes of a signature partition; they are those of /usr if there is
        a @root besides."""
        disk, types = self.where / name, _USR if root else _ROOT
        parts = [self.bare.read_bytes(), self.tree.read_bytes(), signature]
        ids = [f", uuid={_uuid(self.root_hash[:32])}", f", uuid={_uuid(self.root_hash[32:])}", ""]
        lines = [f"size={max(-(-len(p) // 512), 1)}, type={t}{i}" for p, t, i in zip(parts, types, ids)]
        if root:
            parts.append(root.read_bytes())
            lines.append(f"size={-(-len(parts[3]) // 512)}, type={_ROOT[0]}")
        with open(disk, "wb") as f:
            f.truncate(sum(len(p) for p in parts) + (6 << 20))
        _must("sfdisk", "-q", disk, input="label: gpt\n" + "\n".join(lines) + "\n")
        table = json.loads(_must("sfdisk", "-J", disk))["partitiontable"]["partitions"]
        with open(disk, "r+b") as f:
            for part, entry in zip(parts, table):
                f.seek(entry["start"] * 512)
                f.write(part)
        return disk

    def damaged(self):
        """A copy of the disk in which one byte of /data is another."""
        image = bytearray(self.disk.read_bytes())
        image[image.index(self.data[DATA // 2:DATA // 2 + 64])] ^= 1
        path = self.where / "damaged.raw"
        path.write_bytes(image)
        return path
