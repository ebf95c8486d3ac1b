# SPDX-License-Identifier: LGPL-2.1-or-later
"""skep at a terminal: widths, colours, the pager, the progress bar, the terminal as it was afterwards."""

import re

import pytest

from skeplib import trees
from skeplib.terminal import Terminal

LAB_SUITES = ("bookworm",)


def shown(lab, command, **options):
    with Terminal(lab, command, **options) as terminal:
        status, text = terminal.end()
    assert status == 0
    return text.replace("\r\n", "\n")


def plain(text):
    return re.sub(r"\033\[[0-9;]*m", "", text)


@pytest.fixture(scope="module", autouse=True)
def images(lab):
    lab.run("cd /var/lib/machines && mkdir -p image-with-a-very-long-name-{01..30}")


def test_heading_is_underlined(lab):
    text = shown(lab, "skep --no-pager list-images")
    assert text.startswith("\033[0;4mNAME ")
    assert not shown(lab, "skep --no-pager list-images", NO_COLOR="1").startswith("\033")


def test_tables_fit_the_terminal(lab):
    for columns in (50, 70):
        text = plain(shown(lab, "skep --no-pager list-images", columns=columns))
        lines = text.splitlines()
        assert len(lines) > 30 and max(map(len, lines)) == columns
        assert any("…" in line for line in lines)
    text = plain(shown(lab, "skep --no-pager --full list-images", columns=50))
    assert "…" not in text and max(map(len, text.splitlines())) > 70
    assert "..." in shown(lab, "LC_ALL=C skep --no-pager list-images", columns=50)


def test_pager_for_long_output_only(lab):
    pager = {"SYSTEMD_PAGER": "sed 's/^/PAGED /'"}
    assert shown(lab, "skep list-images", rows=10, **pager).startswith("PAGED ")
    assert "PAGED" not in shown(lab, "skep list-images", rows=60, **pager)
    assert "PAGED" not in shown(lab, "skep --no-pager list-images", rows=10, **pager)
    assert "PAGED" not in shown(lab, "skep list-images | cat", rows=10, **pager)
    assert "PAGED" not in shown(lab, "skep list-images", rows=10, SYSTEMD_PAGER="", PAGER="x")
    assert "NAME" in shown(lab, "skep list-images", rows=10, PAGER="/no/such/pager")


def test_progress_bar(lab):
    archive = lab.shared(trees.tar("bookworm-guest", "xz"))
    with Terminal(lab, f"skep import-tar {archive} bar", columns=70) as terminal:
        status, text = terminal.end(timeout=120)
    assert status == 0
    drawings = text.split("\r\033[K")
    assert len(drawings) > 3 and drawings[-1] == ""
    assert re.search(r"^bar \[=+>? *\] +\d+%", drawings[-2])
    assert all(len(d) < 70 for d in drawings)
    assert "\n" not in text
    lab.run("skep remove bar")


def test_interrupted_import_goes_on(lab):
    with Terminal(lab, "(head -c 10240 /dev/zero; sleep 5) | skep import-tar - behind; "
                  "exit ${PIPESTATUS[1]}") as terminal:
        terminal.expect("behind ")   # from then on it minds signals
        lab.run("pkill -INT -x skep")
        terminal.expect("Cancel the transfer")
        terminal.type("n")
        terminal.expect(r"skep: the transfer goes on; \"skep cancel-transfer (\d+)\" ends it")
        assert terminal.end()[0] == 130
    lab.wait_for("test \"$(skep list-transfers)\" = 'No transfers.'", timeout=20)
    lab.run("rm -rf /var/lib/machines/behind")


def test_interrupted_twice_is_cancelled(lab):
    for answer in ("y", "\x03"):
        with Terminal(lab, "(head -c 10240 /dev/zero; exec sleep 60) | skep import-tar - behind; "
                      "exit ${PIPESTATUS[1]}") as terminal:
            terminal.expect("behind ")
            lab.run("pkill -INT -x skep")
            terminal.expect("Cancel the transfer")
            terminal.type(answer)
            terminal.expect("skep: the transfer was cancelled")
            lab.run("pkill -f '^sleep 60'", check=False)
            assert terminal.end()[0] == 130
        assert lab.out("skep list-transfers") == "No transfers."
        assert "behind" not in lab.out("ls -A /var/lib/machines")


def test_status_fits(lab):
    lab.add_machine("web", "bookworm-guest")
    lab.run("skep start web", timeout=60)
    text = plain(shown(lab, "skep --no-pager status -n 0 web", columns=60))
    inside = [line for line in text.splitlines() if "─" in line]
    assert inside and all(len(line.expandtabs(8)) <= 60 for line in inside)
    assert any(line.endswith("…") for line in inside)
    text = plain(shown(lab, "LC_ALL=C skep --no-pager status -n 0 web", columns=60))
    assert re.search(r"\|-payload\n", text) and text.isascii()


def test_password_is_asked_for(lab):
    """Somebody who is not root, at a terminal: pkttyagent asks, and the call waits for the answer."""
    lab.run("useradd -m visitor")
    with Terminal(lab, "su --pty - visitor -c 'skep terminate --wait web'") as terminal:
        terminal.expect("Password: ")
        terminal.type("skep\r")
        status, text = terminal.end()
        assert status == 0, text
    assert lab.out("skep list --no-legend") == ""
    lab.run("skep start web", timeout=60)
    with Terminal(lab, "su --pty - visitor -c 'skep --no-ask-password terminate web'") as terminal:
        status, text = terminal.end()
        assert status == 1 and "need to be root" in text
