# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any host's variables as Ansible itself has them, from every place where they can be set, and in time for a fleet."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible import context
from ansible.inventory.manager import InventoryManager
from ansible.module_utils.common.collections import ImmutableDict
from ansible.parsing.dataloader import DataLoader
from ansible.playbook import Playbook
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar
from ansible.utils.collection_loader import AnsibleCollectionConfig
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager

from ansible_collections.threeway.handshake.plugins.plugin_utils._act.host_variables import HostVariables, VariableError
from ansible_collections.threeway.handshake.plugins.plugin_utils._values.plain import plain

INVENTORY = """
all:
  hosts: {alone: {in_host: alone}}
  children:
    web:
      hosts: {web1: {in_host: web1, address: 10.0.0.1}, web2: {in_everything: host}, web3: , web4: }
      vars: {in_group: web, twice: group}
    db:
      hosts: {db1: {in_host: db1}, db2: , db3: , db4: {ansible_host: 10.0.2.4}}
      vars: {in_group: db}
    both: {hosts: {web1: , db1: , web3: , web4: }}
  vars: {in_all: everywhere, mine: "{{ inventory_hostname }}/{{ in_group | default('none') }}", reference: "{{ in_host | default('') }}"}
"""
FILES = {
    "inventory/hosts.yml": INVENTORY,
    "inventory/group_vars/all.yml": "from_file: all\nnested: {list: [1, '{{ in_all }}'], plain: [1, 2]}\ntwice: file\n",
    "inventory/group_vars/web.yml": "from_file: web\nin_everything: group_vars\nflows: '{{ base + more | default([]) }}'\n",
    "inventory/group_vars/both/main.yml": "from_file: both\nmore: [{name: both}]\n",
    "inventory/host_vars/web2.yml": "from_file: web2\nrole_default: host\nplay_var: host\nextra: host\nrole_var: host\nparameter: host\n",
    "inventory/host_vars/db1.yml": "broken: '{{ nothing_of_that_name }}'\nmore: [{name: db1}]\n",
    "inventory/host_vars/db3.yml": "by_facts: '{{ ansible_facts.eth1.mtu }}'\nby_fact: '{{ ansible_eth1.mtu }}'\n",
    "playbook/group_vars/db.yml": "from_file: db beside the playbook\nflows: '{{ base }}'\n",
    "playbook/host_vars/db2.yml": "from_file: db2 beside the playbook\nin_everything: host_vars\n",
    "playbook/roles/r/defaults/main.yml": "role_default: role\nin_everything: role\nbase: [{name: base}]\nfollowed: '{{ reference }}'\n",
    "playbook/roles/r/vars/main.yml": "role_var: var\nfrom_vars: '{{ hostvars[inventory_hostname].in_all }} {{ vars.in_all }}'\n",
    "playbook/roles/r/tasks/main.yml": "- debug:\n  run_once: true\n  vars: {task_var: '{{ play_var }} of {{ inventory_hostname }}'}\n",
}
PLAY = """
- name: p
  hosts: {hosts}
  gather_facts: false
  vars: {{play_var: play, asked: "{{{{ flows | default([]) }}}}", handed: "{{{{ flows | default('none') }}}}"}}
  tasks:
    - import_role: {{name: r}}
      vars: {{parameter: "given {{{{ in_host | default('nowhere') }}}}"}}
"""


@pytest.fixture(autouse=True, scope="module")
def _plugins() -> Iterator[None]:
    before = context.CLIARGS
    context.CLIARGS = ImmutableDict(extra_vars=['{"extra": "given", "from_extra": "{{ in_group | default(0) }}"}'], check=False)
    if AnsibleCollectionConfig.collection_finder is None:
        init_plugin_loader([])
    yield
    context.CLIARGS = before
    _AnsibleCollectionFinder._remove()  # it takes over all imports of collections, and refuses what Python itself finds at two places


class Scene:
    """A task of a play over an inventory, as an action plugin finds it."""

    def __init__(self, place: Path, files: dict[str, str], hosts: str = "web") -> None:
        for name, text in {**files, "playbook/play.yml": PLAY.format(hosts=hosts)}.items():
            path = place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        loader = DataLoader()
        loader.set_basedir(str(place / "playbook"))
        self.inventory = InventoryManager(loader, sources=[str(place / "inventory")])
        self.manager = VariableManager(loader, self.inventory)
        hostvars = HostVars(self.inventory, self.manager, loader)
        (self.play,) = Playbook.load(str(place / "playbook/play.yml"), variable_manager=self.manager, loader=loader).get_plays()
        blocks = self.play.compile()
        self.task = next(task for block in blocks for task in _tasks(block) if task.action.endswith("debug"))
        self.hosts = [str(host.name) for host in self.inventory.get_hosts("all")]
        self.templar = Templar(loader=loader, variables={})
        self.action = SimpleNamespace(_loader=loader, _templar=self.templar, _task=self.task)
        playing = [str(host.name) for host in self.inventory.get_hosts(hosts)]
        self.task_vars = {"hostvars": hostvars, "ansible_play_hosts_all": playing, "ansible_play_batch": playing}

    def variables(self) -> HostVariables:
        return HostVariables(self.action, self.task_vars)

    def all_of(self, host: str) -> dict[str, Any]:
        """By Ansible alone."""
        found: dict[str, Any] = self.manager.get_vars(play=self.play, host=self.inventory.get_host(host), task=self.task)
        return found

    def expected(self, host: str, name: str) -> Any:
        everything = self.all_of(host)
        return plain(self.templar.copy_with_new_env(available_variables=everything).template(everything[name]))


def _tasks(block: Any) -> Iterator[Any]:
    for each in block.block:
        if hasattr(each, "block"):
            yield from _tasks(each)
        else:
            yield each


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path, FILES)


NAMES = (
    "in_host in_group in_all twice mine reference from_file nested in_everything flows more role_default play_var extra role_var"
    " parameter base followed from_vars task_var handed from_extra inventory_hostname group_names ansible_host address absent groups"
    " ansible_play_hosts_all role_name"
)


@pytest.mark.parametrize("learned", [False, True])
def test_every_variable_of_every_host_is_what_ansible_says(scene: Scene, learned: bool) -> None:
    if learned:
        scene.manager.set_nonpersistent_facts("web1", {"in_everything": "set_fact", "parameter": "set_fact", "flows": []})
        scene.manager.set_host_variable("web2", "from_file", "include_vars")
        scene.manager.set_host_facts("web3", {"in_host": "a fact"})
    variables = scene.variables()
    assert variables.hosts == list(scene.inventory.hosts)
    for host in scene.hosts:
        everything = scene.all_of(host)
        for name in NAMES.split():
            found = variables.of(host, name)
            assert (found is not None) == (name in everything), (host, name)
            if found is not None:
                assert found.value == scene.expected(host, name), (host, name)


def test_what_hosts_have_from_one_place_is_one_object(scene: Scene) -> None:
    variables = scene.variables()
    handed = {host: variables.of(host, "handed") for host in ("web2", "web3", "web4", "db2", "db3")}
    values = {host: found.value for host, found in handed.items() if found}
    assert values["web3"] is values["web4"] and values["web3"] == [{"name": "base"}, {"name": "both"}]
    assert values["db2"] is values["db3"] and values["web2"] == [{"name": "base"}]


def test_the_variable_that_holds_a_value_is_named(scene: Scene) -> None:
    followed = scene.variables().of("web1", "followed")
    assert followed and (followed.value, followed.variable) == ("web1", "in_host")


def test_a_template_that_fails_is_a_sentence(scene: Scene) -> None:
    with pytest.raises(VariableError, match=r"^The variable broken of host db1 cannot be evaluated: .*nothing_of_that_name.* is undefined"):
        scene.variables().of("db1", "broken")


@pytest.mark.parametrize("name", ["by_facts", "by_fact"])
def test_a_template_that_lacks_facts_is_told_as_that(scene: Scene, name: str) -> None:
    with pytest.raises(VariableError, match=r"It asks for facts, and none of this host are known: gather them"):
        scene.variables().of("db3", name)
    scene.manager.set_host_facts("db3", {"ansible_eth0": {"mtu": 1500}})
    with pytest.raises(VariableError) as caught:
        scene.variables().of("db3", name)
    assert "It asks for facts" not in str(caught.value)
    scene.manager.set_host_facts("db3", {"ansible_eth1": {"mtu": 1500}})
    found = scene.variables().of("db3", name)
    assert found and found.value == 1500


def test_what_a_host_says_is_no_template(scene: Scene) -> None:
    from ansible.utils.unsafe_proxy import wrap_var

    for name in ("web3", "web4"):
        scene.manager.set_nonpersistent_facts(name, {"said": wrap_var("{{ in_all }}"), "again": "{{ in_all }}"})
        found = scene.variables().of(name, "said")
        assert found and found.value == "{{ in_all }}"


LIES = {
    "handshake_flows": [{"name": "lie"}],
    "remediate_apply": True,
    "in_all": "lie",
    "in_host": "lie",
    "role_default": "lie",
    "extra": "lie",
    "__drift_compare": False,
}


def test_facts_are_neither_variables_of_ours_nor_those_of_the_inventory(scene: Scene) -> None:
    """Ansible lets them override both."""
    for host in ("web1", "web2", "db3"):
        scene.manager.set_host_facts(host, {"ansible_distribution": "Debian", **LIES})
    variables = scene.variables()
    assert {name: found.value for name in (*LIES, "mine") if (found := variables.of("web1", name))} == {
        "in_all": "everywhere",
        "in_host": "web1",
        "role_default": "role",
        "extra": "given",
        "mine": "web1/web",
    }
    assert scene.expected("web1", "in_all") == "lie"
    found = variables.of("web2", "in_host")
    assert found and found.value == "lie", "no variable of the inventory, and none of ours"
    assert variables.claimed("web1") == variables.claimed("db3") == ["handshake_flows", "remediate_apply", "__drift_compare"]
    assert variables.claimed("web3") == []
    found = variables.of("db3", "ansible_distribution")
    assert found and found.value == "Debian"


def test_what_the_user_asks_facts_for_is_theirs(tmp_path: Path) -> None:
    asking = "remediate_apply: \"{{ ansible_distribution == 'Debian' }}\"\nremediate_allow: ['{{ ansible_facts.extra }}']\n"
    scene = Scene(tmp_path, {**FILES, "inventory/host_vars/web4.yml": asking})
    scene.manager.set_host_facts("web4", {"ansible_distribution": "Debian", "extra": "a fact", "remediate_apply": False})
    variables = scene.variables()
    found = [variables.of("web4", f"remediate_{name}") for name in ("apply", "allow")]
    assert [each.value for each in found if each] == [True, ["a fact"]]
    assert variables.claimed("web4") == ["remediate_apply"]


def test_out_of_the_play_variables_are_those_of_the_inventory(scene: Scene) -> None:
    variables = HostVariables(scene.action, scene.task_vars, in_play=False)
    assert variables.of("web1", "play_var") is None and variables.of("web1", "role_default") is None
    found = {host: variables.of(host, "from_file") for host in ("web1", "db2")}
    assert {host: each.value for host, each in found.items() if each} == {"web1": "web", "db2": "db2 beside the playbook"}


@pytest.mark.parametrize(("own", "facts"), [(False, False), (True, False), (False, True)], ids=["two groups", "each its own", "facts"])
def test_a_fleet_of_a_thousand_hosts(tmp_path: Path, own: bool, facts: bool) -> None:
    hosts = "".join(
        f"    h{n}: {{ansible_host: 10.0.{n // 250}.{n % 250}{f', flows: [{{name: h{n}}}]' if own else ''}}}\n" for n in range(1000)
    )
    halves = "".join(
        f"    {name}:\n      hosts: {{{', '.join(f'h{n}: ' for n in numbers)}}}\n"
        for name, numbers in (("a", range(500)), ("b", range(500, 1000)))
    )
    files = {
        **{name: text for name, text in FILES.items() if name.startswith("playbook/roles")},
        "inventory/hosts.yml": f"all:\n  hosts:\n{hosts}  children:\n{halves}",
        "inventory/group_vars/a.yml": "flows: [{name: a}]\n",
        "inventory/group_vars/b.yml": 'flows: \'{{ [{"name": "b"}] + base }}\'\n',
        "inventory/host_vars/h7.yml": "flows: [{name: h7}]\n",
    }
    scene = Scene(tmp_path, files, "all")
    for host in scene.hosts if facts else ():
        scene.manager.set_host_facts(host, {f"ansible_fact_{n}": {"of": [host, n]} for n in range(100)})
    began = time.process_time()
    variables = scene.variables()
    found = [variables.of(host, "asked") for host in variables.hosts]
    assert not any(variables.claimed(host) for host in variables.hosts)
    took = time.process_time() - began
    assert len({id(each.value) for each in found if each}) == (1000 if own else 3)
    assert took < 1.0, took
