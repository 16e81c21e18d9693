# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a command whose standard input and output are one socket, as inetd does, and passes on what comes and goes."""

import os
import select
import socket
import subprocess
import sys


def main() -> None:
    ours, theirs = socket.socketpair()
    with subprocess.Popen(sys.argv[1:], stdin=theirs, stdout=theirs) as process:
        theirs.close()
        ways = {0: ours.fileno(), ours.fileno(): 1}
        while ways:
            for source in select.select(list(ways), [], [])[0]:
                data = os.read(source, 65536)
                if not data:
                    process.terminate()
                    return
                while data:
                    data = data[os.write(ways[source], data) :]


main()
