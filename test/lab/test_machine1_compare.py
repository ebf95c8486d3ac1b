# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian's own daemon and ours are asked the same; docs/machine1-compat.md has every difference there is."""

import pytest

from skeplib import sidebyside
from skeplib.lab import Lab

LAB_SUITES = ("bookworm", "trixie")

RELEASE = {"bookworm": "252", "trixie": "257"}


@pytest.fixture(scope="module")
def found(lab):
    with Lab(lab.suite, install=False) as theirs:
        return sidebyside.both(theirs, lab)


def test_each_difference_is_documented(lab, found):
    unexplained, unused = sidebyside.compare(found, sidebyside.documented(), RELEASE[lab.suite])
    text = [f"{name}: theirs {their}, ours {our}" for name, (their, our) in unexplained.items()]
    assert not text, "\n".join(text)
    assert not unused, "nothing differs there: " + ", ".join(unused)


def test_the_document_is_read(lab, found):
    """A row that is taken away is missed, and one too many is told."""
    rows = sidebyside.documented()
    assert all(all(row) for row in rows) and {r for row in rows for r in row[1]} <= set(RELEASE.values())
    unexplained, _ = sidebyside.compare(found, [r for r in rows if "UnregisterMachine" not in r[0]], RELEASE[lab.suite])
    assert 'UnregisterMachine(".host")' in unexplained
    extra = ["GetMachine(*)", [RELEASE[lab.suite]], "ok", "*", "-"]
    assert sidebyside.compare(found, [*rows, extra], RELEASE[lab.suite])[1] == ["GetMachine(*)"]
