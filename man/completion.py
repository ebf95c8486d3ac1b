# SPDX-License-Identifier: LGPL-2.1-or-later
"""completion.py PROGRAM NAME SHELL: print the completion of a program for one of the names that it goes by."""

import os
import sys

program, name, shell = sys.argv[1:]
os.execv(program, [name, f"--print-completion={shell}"])
