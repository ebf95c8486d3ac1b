# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian's own importer and ours are asked the same; docs/import1-compat.md has every difference there is."""

import pytest

from skeplib import import_calls
from skeplib import sidebyside
from skeplib.lab import Lab

LAB_SUITES = ("bookworm", "trixie")

RELEASE = {"bookworm": "252", "trixie": "257"}


@pytest.fixture(scope="module")
def found(lab):
    with Lab(lab.suite, install=False) as theirs:
        return sidebyside.both(theirs, lab, import_calls)


def test_each_difference_is_documented(lab, found):
    rows = sidebyside.documented(import_calls)
    unexplained, unused = sidebyside.compare(found, rows, RELEASE[lab.suite])
    text = [f"{name}: theirs {their}, ours {our}" for name, (their, our) in unexplained.items()]
    assert not text, "\n".join(text)
    assert not unused, "nothing differs there: " + ", ".join(unused)
