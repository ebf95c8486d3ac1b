# SPDX-License-Identifier: LGPL-2.1-or-later
"""The test beds: trees, builds, labs and virtual machines that system tests run in."""

import os
import pathlib

TOP = pathlib.Path(__file__).resolve().parents[2]

# How much longer than it should take one waits for something: the processors may be busy with other things.
PATIENCE = 4


def must_run(reason):
    """Skip the test for want of something; a failure instead where all has to be there (MUST_RUN=1)."""
    import pytest  # tools/lab uses this package too, and needs no pytest

    if os.environ.get("MUST_RUN") == "1":
        pytest.fail("cannot run here: " + reason, pytrace=False)
    pytest.skip(reason)
