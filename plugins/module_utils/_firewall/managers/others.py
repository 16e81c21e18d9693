# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Rules of programs that manage firewalls for a special purpose: containers, clusters, bans, virtual machines, tunnels."""

from __future__ import annotations

import re
import typing as t

from .flow import Flow, quoted
from .iptables import binary, inserted

_COMMENT = re.compile(r"""(?:^|\s)(?:--comment|comment) (?!-)("(?:[^"\\]|\\.){0,256}"|[^\s"]{1,256})""")
_SERVICE = re.compile(r"([a-z0-9.-]{1,63})/([a-z0-9.-]{1,63})(?::([\w.-]{1,63}))?(?= |$)")
_SERVICE_CHAIN = re.compile(
    r"[a-z-]+-[A-Z0-9]{8}-([a-z0-9.-]{1,63})/([a-z0-9.-]{1,63})/tcp/([\w.-]{0,63})(?:__.*)?"
)  # of the nftables mode
_POD = re.compile(r"\bPOD name:([a-z0-9.-]{1,253}) namespace: ([a-z0-9-]{1,63})(?=\s|$)")
_JAIL = re.compile(r"(?:@addr6?-set-|--match-set f2b-|^f2b-)([\w.-]{1,64})")
_BANNED = re.compile(r"(?:-s|ip6? saddr) ([0-9a-f.:]+)(?:/(?:32|128))?(?=\s|$)")

Details = t.Optional[t.Dict[str, t.Any]]


class Other:
    def __init__(self, manager: str) -> None:
        self._manager = manager

    def origin(self, reference: t.Mapping[str, t.Any]) -> Details:
        """What the rule itself says of where it comes from; its keys depend on the program."""
        known: dict[str, t.Callable[[t.Mapping[str, t.Any]], Details]] = {
            "docker": _container,
            "podman": _container,
            "kube-proxy": _service,
            "kube-router": _pod,
            "fail2ban": _jail,
        }
        find = known.get(self._manager)
        return find(reference) if find else None

    def change(self, reference: t.Mapping[str, t.Any], flow: Flow) -> Details:
        known: dict[str, t.Callable[[t.Mapping[str, t.Any], Flow], Details]] = {
            "docker": _in_docker_user,
            "libvirt": _ahead_of_libvirt,
            "kube-proxy": _of_service,
            "kube-router": _of_pod,
            "fail2ban": _unban,
            "crowdsec": lambda _reference, flow: _one(
                f"end the decision about {flow.source}", "cscli", "decisions", "delete", "--ip", flow.source
            ),
            "csf": lambda _reference, flow: _one(f"allow {flow.source}", "csf", "-a", flow.source),
            "shorewall": _in_shorewall,
        }
        advise = known.get(self._manager)
        return advise(reference, flow) if advise else _by_words(self._manager, flow)


_ADVICE = {
    "calico": "a NetworkPolicy or GlobalNetworkPolicy must allow it",
    "cilium": "a NetworkPolicy or CiliumNetworkPolicy must allow it",
    "flannel": "the pod network of flannel must contain it",
    "weave": "a NetworkPolicy must allow it",
    "libvirt": "the network's definition must allow it: virsh net-edit, forward mode route or open",
    "podman": "the container must publish the port: podman run --publish",
    "tailscale": "what has an address of 100.64.0.0/10 must come through tailscale's own interface: use other addresses beside it, or make "
    "the rules yourself (tailscale set --netfilter-mode=nodivert)",
    "wireguard": "the packet must come through the tunnel: see AllowedIPs of the interface, or write the rule into PreUp",
    "keepalived": "its vrrp_instance must say `accept` (or take vrrp_strict out of global_defs) in /etc/keepalived/keepalived.conf, and be "
    "reloaded: it drops what is for its virtual addresses otherwise",
    "mullvad": "what does not go through its tunnel is refused: turn local network sharing on (mullvad lan set allow) for a private "
    "address, or lockdown mode off",
    "proxmox": "the firewall of the guest or of the node must have a rule for it (/etc/pve/firewall, qm config); what is dropped for its "
    "link or IP address must be sent from the one in the guest's configuration, or the guest's MAC filter or IP filter be off",
    "sshguard": "sshguard must not block the address: add it to its whitelist, and restart it to end the block",
}


_FROM_OUTSIDE = {
    "mullvad": "it takes no connections of others beside its tunnel, also with local network sharing: a table of one's own must mark them "
    "first, with a hook of priority -100 (ct mark set 0x00000f41 meta mark set 0x6d6f6c65)",
}
"""Of connections that others begin, where that is another matter."""


def _by_words(manager: str, flow: Flow) -> Details:
    """Rules that the program writes again at its next occasion are not to be changed by hand."""
    advice = (_FROM_OUTSIDE if flow.direction == "in" and flow.packet == "syn" else {}).get(manager) or _ADVICE.get(manager)
    return {"summary": f"let {flow.words()} through with {manager}: {advice}", "commands": []} if advice else None


def _one(summary: str, *command: str) -> Details:
    return {"summary": summary, "commands": [quoted(*command)]}


def _container(reference: t.Mapping[str, t.Any]) -> Details:
    """The container's address and port, and the port of this host at which it is published, as far as the rule has them."""
    text = str(reference["text"])
    to = re.search(r"(?:--to-destination|dnat (?:ip6? )?to) \[?([0-9a-f.:]+?)\]?:(\d+)(?=\s|$)", text)
    port = re.search(r"(?:--dport|tcp dport) (\d+)", text)
    address = re.search(r"(?:-d|ip6? daddr) ([0-9a-f.:]+)(?:/(?:32|128))?(?=\s|$)", text)
    bridge = re.search(r"(?<!! )(?:-o|oifname) \"?([\w.-]{1,15})", text)
    if to:
        return {"container": to[1], "container_port": int(to[2]), "published_port": int(port[1]) if port else None, "bridge": None}
    if address and port and bridge:
        return {"container": address[1], "container_port": int(port[1]), "published_port": None, "bridge": bridge[1]}
    return None


def _in_docker_user(reference: t.Mapping[str, t.Any], flow: Flow) -> Details:
    """Docker keeps DOCKER-USER for rules of others and enters it before its own; what direct rules of others drop is theirs."""
    if not flow.opens:
        return None
    if reference["chain"] == "DOCKER-USER" and reference["number"] is not None:
        command, where = inserted(binary(reference, flow), reference, flow)
        return {"summary": f"accept {flow.words()} {where}", "commands": [command]}
    if reference["table"] == "raw":  # of what dials the container's own address; a published port's is another one there
        summary = f"publish port {flow.port} of the container (docker run --publish) and dial the host, or have its network take direct "
        return {"summary": f"{summary}connections (option com.docker.network.bridge.gateway_mode_ipv4 nat-unprotected)", "commands": []}
    if reference["table"] != "filter" or not flow.met("DOCKER-USER"):  # a chain that packets do not come to helps none of them
        return {"summary": f"publish port {flow.port} of the container (docker run --publish)", "commands": []}
    start = f"{binary(reference, flow)} -I DOCKER-USER 1 -p tcp"
    ends = f"--ctorigdst {flow.dialled['destination']} --ctorigdstport {flow.dialled['port']}"  # its port may be another now
    there = f"{start} -s {flow.source} -m conntrack --ctdir ORIGINAL {ends} -j ACCEPT"
    # Docker lets answers through on its own bridges only.
    back = f"{start} -d {flow.source} -m conntrack --ctdir REPLY --ctstate ESTABLISHED {ends} -j ACCEPT"
    summary = f"accept {flow.words()} and what answers it in chain DOCKER-USER, which precedes docker's own rules"
    return {"summary": summary, "commands": [there, back]}


def _ahead_of_libvirt(reference: t.Mapping[str, t.Any], flow: Flow) -> Details:
    """Its chains keep new connections from guests behind NAT; what is to be forwarded to one stands ahead of them, by its hook script.

    Its own table of nftables drops whatever others accept.
    """
    if not (flow.opens and reference["chain"].startswith("LIBVIRT_FW") and flow.met("FORWARD")):
        return _by_words("libvirt", flow)
    ends = ("-p", "tcp", "-s", flow.source, "-d", flow.destination, "--dport", str(flow.port))
    return {
        "summary": f"accept {flow.words()} in chain FORWARD ahead of libvirt's own, and have a hook script of it do so "
        "(/etc/libvirt/hooks/qemu, as it writes its rules again when a network starts); or have the network not be behind NAT "
        "(virsh net-edit, forward mode route or open)",
        "commands": [quoted(binary(reference, flow), "-I", "FORWARD", "1", *ends, "-j", "ACCEPT")],
    }


def _comment(reference: t.Mapping[str, t.Any]) -> str:
    found = _COMMENT.search(str(reference["text"]))
    return found[1].strip('"') if found else ""


def _service(reference: t.Mapping[str, t.Any]) -> Details:
    """The service's namespace, name and port, which kube-proxy writes into comments."""
    comment = _comment(reference)
    match = _SERVICE.match(comment) or _SERVICE_CHAIN.fullmatch(str(reference["chain"]))
    return {"namespace": match[1], "service": match[2], "port": match[3] or None, "comment": comment} if match else None


def _of_service(reference: t.Mapping[str, t.Any], _flow: Flow) -> Details:
    service = reference.get("origin")
    if not service:
        return None
    namespace, name = service["namespace"], service["service"]
    slices = quoted("kubectl", "-n", namespace, "get", "endpointslices", "-l", f"kubernetes.io/service-name={name}")
    if "no endpoints" in service["comment"]:
        return {
            "summary": f"service {namespace}/{name} has no endpoints: are its pods ready, and does its selector name them?",
            "commands": [slices],
        }
    if "no local endpoints" in service["comment"]:
        return {"summary": f"service {namespace}/{name} has no pod on this node, and its traffic policy is Local", "commands": [slices]}
    wide = quoted("kubectl", "-n", namespace, "get", "service", name, "-o", "yaml")
    return {"summary": f"see loadBalancerSourceRanges and traffic policies of service {namespace}/{name}", "commands": [wide]}


def _pod(reference: t.Mapping[str, t.Any]) -> Details:
    """The pod whose network policies the rule enforces, which kube-router writes into comments."""
    match = _POD.search(_comment(reference))
    return {"namespace": match[2], "pod": match[1]} if match else None


def _of_pod(reference: t.Mapping[str, t.Any], flow: Flow) -> Details:
    """Its chains drop or reject what no policy has marked."""
    pod = reference.get("origin")
    if not pod:
        return None
    policies = quoted("kubectl", "-n", pod["namespace"], "get", "networkpolicies", "-o", "yaml")
    labels = quoted("kubectl", "-n", pod["namespace"], "get", "pod", pod["pod"], "--show-labels")
    which = f"one of namespace {pod['namespace']} selects pod {pod['pod']}, and none allows this"
    return {
        "summary": f"allow {flow.words()} in a NetworkPolicy: {which}",
        "commands": [policies, labels],
    }


def _jail(reference: t.Mapping[str, t.Any]) -> Details:
    """The jail, and the banned address where the rule is of one address."""
    match = _JAIL.search(str(reference["text"])) or _JAIL.search(str(reference["chain"]))
    banned = _BANNED.search(str(reference["text"]))
    return {"jail": match[1], "address": banned[1] if banned else None} if match else None


def _unban(reference: t.Mapping[str, t.Any], flow: Flow) -> Details:
    jail = (reference.get("origin") or {}).get("jail")
    if not jail or flow.direction == "out":
        return None
    return _one(f"end the ban of {flow.source} in jail {jail}", "fail2ban-client", "set", jail, "unbanip", flow.source)


def _in_shorewall(_reference: t.Mapping[str, t.Any], flow: Flow) -> Details:
    """See shorewall-rules(5)."""
    ends = {"in": f"all:{flow.source} fw", "out": f"fw all:{flow.destination}", "forward": f"all:{flow.source} all:{flow.destination}"}[
        flow.direction
    ]
    file = "/etc/shorewall6/rules" if flow.ipv6 else "/etc/shorewall/rules"
    reload = "shorewall6 reload" if flow.ipv6 else "shorewall reload"
    return {"summary": f"write ACCEPT {ends} tcp {flow.port} into {file}", "commands": [reload]}
