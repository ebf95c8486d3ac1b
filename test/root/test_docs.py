# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/nspawn-compat.md says of every option, key and variable what skep-spawn does with it: it has to be
so, and to be all. nspawn-names.txt has the names that systemd-nspawn knows; what is not in the document,
or not as it says, is named by these tests."""

import pathlib
import re
import subprocess

import pytest

from skeplib import TOP

ROW = re.compile(r"^\| (.*?) \| (.*?) \| (yes|own|differs|refused: .*?|only .*?) \| (any|trusted|) ?\|$")
NAMES = [line.split() for line in
         (pathlib.Path(__file__).parent / "nspawn-names.txt").read_text(encoding="ascii").splitlines()
         if not line.startswith("#")]


def rows():
    """(options, section and key, state, trust) of each row of the table."""
    found = []
    for line in (TOP / "docs/nspawn-compat.md").read_text(encoding="utf-8").splitlines():
        match = ROW.match(line)
        if match:
            options = re.findall(r"`(-[^`]+)`", match[1])
            key = re.match(r"`\[(\w+)\] (\w+)=`", match[2])
            found.append((options, key and key.groups(), match[3], match[4]))
    assert len(found) > 100
    return found


def works(state):
    return state in ("yes", "own", "differs")


def told_of():
    """Options and keys that the list of differences is about: those in its first column."""
    text = (TOP / "docs/nspawn-compat.md").read_text(encoding="utf-8")
    text = text.partition("\n## What is different\n")[2].partition("\n## ")[0]
    about = re.findall(r"^\| (.*?) \| ", text, re.MULTILINE)
    found = {n for a in about for n in re.findall(r"`(--?[\w-]+|[A-Z]\w+(?==))", a)}
    assert len(found) > 10
    return found


def names(kind):
    found = [n[1:] for n in NAMES if n[0] == kind]
    assert found
    return found


@pytest.fixture(scope="module")
def spawn(program):
    return program("skep-spawn")


def printed(spawn, what):
    return subprocess.run([spawn, what], check=True, stdout=subprocess.PIPE, text=True).stdout


def run(spawn, *argv):
    return subprocess.run([spawn, "--dry-run", *argv], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)


def test_every_option_and_key_is_in_the_table(spawn):
    text = printed(spawn, "--print-man-options").replace("\\", "")
    options = set(re.findall(r"\*(--?[\w-]+)\*(?:,|=| |\n|\[)", text))
    text = printed(spawn, "--print-man-keys").replace("\\", "")
    keys, section = set(), None
    for line in text.splitlines():
        heading = re.match(r"## \[(\w+)\]", line)
        name = re.match(r"\*(\w+)=\*", line)
        if heading:
            section = heading[1]
        elif name:
            keys.add((section, name[1]))
    assert len(options) > 30 and len(keys) > 15

    table = [r for r in rows() if works(r[2])]
    assert options - {o for r in table for o in r[0]} == set()
    assert keys == {r[1] for r in table if r[1]}
    # And the reverse: what is neither systemd-nspawn's nor told by the program is nothing.
    told = options | {o for n in names("option") for o in n}
    assert {o for r in rows() for o in r[0]} - told == set()
    assert {r[1] for r in rows() if r[1]} - keys - {tuple(n[:2]) for n in names("key")} == set()


def test_every_name_of_systemd_nspawn_is_in_the_document():
    table = rows()
    missing = [n for n in names("option") if not any(set(n) <= set(r[0]) for r in table)]
    assert not missing
    trust = {r[1]: r[3] for r in table if r[1]}
    assert {tuple(n[:2]): n[2] for n in names("key") if trust.get(tuple(n[:2])) != n[2]} == {}
    text = (TOP / "docs/nspawn-compat.md").read_text(encoding="utf-8")
    assert [v for [v] in names("variable") if f"`{v}`" not in text] == []


def test_differences_are_told(spawn):
    """What differs is told of below the table, and what is told of is marked; what is ours alone, too."""
    theirs = {o for n in names("option") for o in n} | {n[1] for n in names("key")}
    for options, key, state, _ in rows():
        mine = {*options, *([key[1]] if key else [])}
        assert (state == "own") == (not mine & theirs), mine
        assert (state == "differs") == bool(mine & told_of()) or state == "own", mine


def test_keys_need_the_trust_that_the_table_says(spawn):
    text = printed(spawn, "--print-man-keys").replace("\\", "")
    for _, key, state, trust in rows():
        if key and works(state):
            entry = re.search(rf"^\*{key[1]}=\*\n\t(.*)$", text, re.MULTILINE)[1]
            assert ("Needs a trusted file" in entry) == (trust == "trusted"), key


def test_what_is_refused_is_refused_by_name(spawn, fresh_tree):
    tree = fresh_tree("busybox")
    for options, _, state, _ in rows():
        if works(state):
            continue
        for option in options:
            # With and without an argument: one of the two is how the option is written.
            forms = [[option]] + ([[option + "=x"]] if option.startswith("--") else [[option, "x"]])
            results = [run(spawn, "-D", tree, *form) for form in forms]
            assert any(r.returncode == 125 and "not supported" in r.stderr for r in results), (
                option, [r.stderr for r in results])


def test_what_works_is_not_refused(spawn, fresh_tree):
    """Some want another value than the one given here; none says that it is not supported at all."""
    tree = fresh_tree("busybox")
    for options, _, state, _ in rows():
        for option in options if works(state) else ():
            for form in [option], ([option + "=x"] if option.startswith("--") else [option, "x"]):
                done = run(spawn, "-D", tree, *form)
                assert "not supported yet" not in done.stderr, form


def test_keys_that_are_refused_name_file_and_line(spawn, scratch):
    (scratch / "tree/usr").mkdir(parents=True)
    settings = scratch / "tree.nspawn"
    for _, key, state, _ in rows():
        if not key or works(state):
            continue
        settings.write_text(f"[{key[0]}]\n{key[1]}=x\n", encoding="ascii")
        done = run(spawn, "-D", scratch / "tree", "--settings=trusted")
        assert done.returncode == 125 and f"{settings}:2" in done.stderr, (key, done.stderr)
        assert "not supported" in done.stderr, key
