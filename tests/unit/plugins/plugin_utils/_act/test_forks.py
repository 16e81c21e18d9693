# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done once before Ansible forks: Jinja's plugins are loaded, and what is loaded is nothing that forked processes go through."""

from __future__ import annotations

import json
import os
import subprocess
import sys

SCRIPT = """
import gc, json
from ansible.plugins.loader import init_plugin_loader
init_plugin_loader()
from ansible.plugins import loader
from ansible_collections.threeway.handshake.plugins.plugin_utils._act import forks

def followed():
    return len(gc.get_objects())

def opened(name):
    # A plugin that is loaded is found without a look at any file.
    files = []
    import sys
    sys.addaudithook(lambda event, arguments: files.append(arguments[0]) if event == "open" else None)
    assert loader.filter_loader.get(name) and loader.test_loader.get("failed")
    return len(files)

before = followed()
forks.prepare()
print(json.dumps([before, followed(), opened("to_json")]))
"""


def test_what_is_loaded_is_loaded_once_and_not_gone_through_again() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=os.environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    before, after, opened = json.loads(done.stdout)
    assert after < before / 100
    assert opened == 0
