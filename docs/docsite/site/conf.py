# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sphinx's settings for dev/docsite: nothing is fetched, and no reference of another collection is looked up."""

import re

from docutils import nodes

project = "threeway.handshake"
copyright = "The threeway.handshake authors"
title = html_short_title = "threeway.handshake"
extensions = ["myst_parser", "sphinx_antsibull_ext"]
html_theme = "alabaster"
html_theme_options = {"page_width": "1300px", "body_max_width": "1060px"}  # an answer is 100 columns wide
html_show_sphinx = False
html_copy_source = False
html_use_smartypants = False
highlight_language = "YAML+Jinja"
myst_heading_anchors = 4
myst_enable_extensions = ["attrs_block"]

_ANSIBLE = "https://docs.ansible.com/projects/ansible/latest"
_PAGES = {
    "ansible_configuration_settings": "reference_appendices/config.html",
    "common_return_values": "reference_appendices/common_return_values.html",
}


def _ansibles_own(app, env, node, contnode):
    """Links to what Ansible documents: antsibull-docs refers to it by labels that only Ansible's own site has."""
    label = node.get("reftarget", "")
    plugin = re.fullmatch(r"ansible_collections\.(ansible|community)\.(\w+)\.(\w+_(?:module|connection|callback))", label)
    kind = re.fullmatch(r"(action|callback|connection|lookup)_plugins", label)
    general = f"plugins/{kind[1]}.html" if kind else _PAGES.get(label)
    page = f"collections/{plugin[1]}/{plugin[2]}/{plugin[3]}.html" if plugin else general
    return nodes.reference("", "", contnode, refuri=f"{_ANSIBLE}/{page}", internal=False) if page else None


def setup(app):
    app.connect("missing-reference", _ansibles_own)
