# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The HTML page's parts: template, style, script. The template escapes all that it prints; style and script are constants."""

from __future__ import annotations

PAGE = """\
{% macro badge(status) %}<span class="badge {{ status }}"><i aria-hidden="true">{{ glyphs[status] }}</i> {{ status }}</span>{% endmacro %}
{% macro certainty(cause) %}{% if cause.certainty %}<span class="certainty">{{ cause.certainty }}</span>{% endif %}{% endmacro %}
{% macro told_cause(cause, rank) %}
<section class="cause{{ " decisive" if rank == 1 else "" }}">
  <h4>{{ cause.title or cause.code }} {{ certainty(cause) }} <code>{{ cause.code }}</code>
    {% if cause.host %}<span class="at">{{ "on the path" if cause.host == "path" else cause.host }}</span>{% endif %}</h4>
  <p>{{ cause.summary }}</p>
  {% if cause.evidence %}
  <table class="evidence"><caption>Evidence</caption>
    <thead><tr><th scope="col">host</th><th scope="col">source</th><th scope="col">observation</th></tr></thead>
    <tbody>
    {% for item in cause.evidence %}
    <tr><td>{{ item.host }}</td><td><code>{{ item.source }}</code></td><td>{{ item.observation }}</td></tr>
    {% endfor %}
    </tbody></table>
  {% endif %}
  {% if cause.steps %}
  <div class="scroll"><table class="rules"><caption>Rules on the packet's way</caption>
    <thead><tr><th scope="col">chain</th><th scope="col">rule</th><th scope="col">condition</th><th scope="col">matches</th>
      <th scope="col">effect</th><th scope="col" class="n">counter</th></tr></thead>
    {% for step in cause.steps %}
    {% set parts = step.parts or [none] %}
    <tbody class="{{ "decides" if loop.last else "way" }}">
    {% for part in parts %}
    <tr>{% if loop.first %}<td rowspan="{{ parts | length }}">{{ step.chain }}{% if step.hook %} <span class="quiet">{{ step.hook }}</span>
      {%- endif %}</td><td rowspan="{{ parts | length }}">{{ step.rule or "policy" }}</td>{% endif %}
      <td><code>{{ part.text if part else step.text }}</code></td>
      <td>{% if part %}{{ words.matches(part) }} <span class="quiet">{{ part.seen }}</span>{% else %}-{% endif %}</td>
      {% if loop.first %}<td rowspan="{{ parts | length }}">{{ words.effect(step) }}</td>
      <td rowspan="{{ parts | length }}" class="n">{{ step.packets if step.packets is not none else "-" }}</td>{% endif %}</tr>
    {% endfor %}
    </tbody>
    {% endfor %}
  </table></div>
  {% endif %}
  {% for sentence in cause.against %}<p class="against"><b>Against it:</b> {{ sentence }}</p>{% endfor %}
  {% if cause.fix %}
  <p class="fix"><b>Fix</b>{% if cause.fix.host and cause.fix.host != "path" %} on {{ cause.fix.host }}{% endif %}: {{ cause.fix.summary }}
    <span class="risk">{{ words.risk(cause.fix) }}</span>
    {% for command in cause.fix.commands %}<code class="command">{{ command }}</code>{% endfor %}
    {% for what, text in words.about(cause.fix) %}<span class="quiet">{{ what }}</span> <code class="command">{{ text }}</code>{% endfor %}
  </p>
  {% endif %}
</section>
{% endmacro %}
{% macro told_flow(flow) %}
{% set cause = flow.cause %}
<details class="flow {{ flow.status }}"{{ " open" if key(flow) in first_of_group else "" }}>
  <summary>{{ badge(flow.status) }} <b>{{ words.route(flow) }}</b>
    <span class="verdict">{{ words.verdict(flow) }}</span> {% if cause %}{{ certainty(cause) }}{% endif %}</summary>
  <div class="body" id="{{ anchors[key(flow)] }}">
    <dl>
      <div><dt>flow</dt><dd>{{ flow.name }}</dd></div>
      <div><dt>attempts</dt><dd>{{ words.connects(flow) }}</dd></div>
      {% if flow.leg %}<div><dt>first packet lost</dt><dd>{{ packet_names.get(flow.leg, flow.leg) }}</dd></div>{% endif %}
      {% if flow.segment %}<div><dt>where</dt><dd><code>{{ flow.segment }}</code>
        {%- if flow.between %} between {{ flow.between[0] }} and {{ flow.between[1] }}{% endif %}</dd></div>{% endif %}
      {% if flow.last_seen %}<div><dt>last seen</dt><dd>{{ flow.last_seen[0] }} {{ flow.last_seen[1] }}</dd></div>{% endif %}
      {% if flow.via %}<div><dt>via</dt><dd>{{ flow.via | join(", ") }}</dd></div>{% endif %}
      {% if words.dialled(flow) %}<div><dt>dialled</dt><dd>{{ words.dialled(flow) }}</dd></div>{% endif %}
      {% set capture = captures.get(flow.id) %}
      {% if capture %}<div><dt>capture</dt><dd><a href="{{ capture }}">{{ capture }}</a></dd></div>{% endif %}
    </dl>
    {% if cause %}{{ told_cause(cause, 1) }}{% endif %}
    {% for drawing in drawings[key(flow)] %}
    <details class="drawing"{{ " open" if drawing.shown else "" }}>
      <summary>What each vantage point saw, attempt {{ drawing.attempt + 1 }}</summary>
      <div class="scroll">{{ drawing.svg }}</div>
      {% if drawing.packets_left_out %}<p class="quiet">{{ words.count(drawing.packets_left_out, "more packet") }} not drawn.</p>{% endif %}
    </details>
    {% endfor %}
    {% if drawings[key(flow)] %}
    <p class="quiet">Times are on the client's clock.
      {% for vantage in flow.vantages if vantage.role != "client" %}
      {% if vantage.offset_ms is not none %}&ensp;Clock of {{ vantage.host }}: {{ "%+.3f" | format(vantage.offset_ms) }} ms
      {%- if vantage.error_ms is not none %} ± {{ "%.3f" | format(vantage.error_ms) }} ms{% endif %}.{% endif %}
      {% if not vantage.recorded and vantage.why %}&ensp;{{ vantage.why }}.{% endif %}
      {% endfor %}</p>
    {% elif flow.packets %}<p class="quiet">The ladder diagram is left out of a page this large; report.json has the timeline.</p>
    {% endif %}
    {% if flow.undecided %}<section class="note"><h4>What would decide</h4>
    <ul>{% for sentence in flow.undecided %}<li>{{ sentence }}</li>{% endfor %}</ul></section>{% endif %}
    {% if flow.not_observed %}<section class="note"><h4>Not observed</h4>
    <ul>{% for sentence in flow.not_observed %}<li>{{ sentence }}</li>{% endfor %}</ul></section>{% endif %}
    {% if flow.causes | length > 1 %}<h4 class="further">Further causes</h4>{% endif %}
    {% for further in flow.causes[1:] %}{{ told_cause(further, 2) }}{% endfor %}
    {% if flow.tries %}
    <details><summary>Attempts as the application saw them</summary><div class="scroll">
    <table><thead><tr><th scope="col">attempt</th><th scope="col">address</th><th scope="col">local port</th><th scope="col">outcome</th>
      <th scope="col">errno</th><th scope="col" class="n">after</th><th scope="col" class="n">late answer</th></tr></thead>
      <tbody>
      {% for attempt in flow.tries %}
      <tr><td>{{ attempt.number + 1 }}</td><td>{{ attempt.address }}</td>
        <td>{{ attempt.local_port if attempt.local_port is not none else "-" }}</td>
        <td>{{ attempt.outcome }}</td><td>{{ attempt.errno or "-" }}</td><td class="n">{{ words.duration(attempt.elapsed_ms) }}</td>
        <td class="n">{{ words.duration(attempt.late_ms) }}</td></tr>
      {% endfor %}
      </tbody></table></div></details>
    {% endif %}
    {% if flow.packets and (flow.status != "ok" or flows | length <= 100) %}
    <details><summary>Packets</summary><div class="scroll">
    <table><thead><tr><th scope="col">attempt</th><th scope="col" class="n">time</th><th scope="col">packet</th><th scope="col">detail</th>
      <th scope="col">seen</th></tr></thead>
      <tbody>
      {% for packet in flow.packets %}
      <tr><td>{{ packet.attempt + 1 }}</td><td class="n">{{ at(packet.t_ms) }}</td>
        <td>{{ packet.label }} {{ retransmission(packet) }}</td><td>{{ packet.detail }}</td>
        <td>{{ sightings(packet) | join(", ") }}{% if packet.lost %} <b class="lost">then lost</b>{% endif %}</td></tr>
      {% endfor %}
      </tbody></table></div>
      {% if flow.packets_left_out %}<p class="quiet">{{ words.count(flow.packets_left_out, "more packet") }} in report.json.</p>{% endif %}
    </details>
    {% endif %}
  </div>
</details>
{% endmacro %}
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src '{{ style_hash }}'; script-src '{{ script_hash }}';
  base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<title>Handshake report: {{ words.totals(report) }}</title>
<style>{{ style }}</style>
</head>
<body>
<header>
  <h1>Handshake report</h1>
  <p class="quiet">{{ words.when(report) }}</p>
  <ul class="tiles">
    <li><b>{{ flows | length }}</b> {{ "flow" if flows | length == 1 else "flows" }}</li>
    {% for status, number in report.counts.items() %}
    <li class="{{ status if number else "none" }}"><b>{{ number }}</b> <i aria-hidden="true">{{ glyphs[status] }}</i> {{ status }}</li>
    {% endfor %}
  </ul>
  {% for line in words.unobserved(report) %}<p class="quiet">{{ line }}</p>
  {% endfor %}
</header>
<main>
{% if report.groups %}
<section>
  <h2>Root causes</h2>
  <ol class="groups">
    {% for group in report.groups %}
    {% set first = group.flows[0] %}
    {% set cause = first.cause %}
    <li class="{{ group.status }}">
      <p class="head">{{ badge(group.status) }} <b>{{ cause.title or cause.code if cause else "Cause not determined" }}</b>
        <span class="at">{{ words.place(first) }}</span> {% if cause %}{{ certainty(cause) }} <code>{{ cause.code }}</code>{% endif %}
        <span class="many">{{ words.count(group.flows | length, "flow") }}</span></p>
      {% if cause %}<p>{{ "For example: " if group.flows | length > 1 else "" }}{{ cause.summary }}</p>{% endif %}
      {% if cause and cause.fix %}<p class="fix"><b>Fix</b>
        {%- if cause.fix.host and cause.fix.host != "path" %} on {{ cause.fix.host }}{% endif %}: {{ cause.fix.summary }}</p>{% endif %}
      {% if not cause and first.undecided %}<p><b>Would decide:</b> {{ first.undecided[0] }}</p>{% endif %}
      <p class="links">{% for flow in group.flows[:8] %}<a href="#{{ anchors[key(flow)] }}">{{ words.route(flow) }}</a>{% endfor %}
        {% if group.flows | length > 8 %}<span class="quiet">and {{ group.flows | length - 8 }} more</span>{% endif %}</p>
    </li>
    {% endfor %}
  </ol>
</section>
{% endif %}
{% if matrix.clients %}
<section>
  <h2>Clients and destinations</h2>
  <div class="scroll"><table class="matrix{{ " dense" if matrix.destinations | length > 8 else "" }}">
    <thead><tr><td></td>
      {%- for destination in matrix.destinations %}<th scope="col"><span>{{ destination }}</span></th>{% endfor %}</tr></thead>
    <tbody>
    {% for client in matrix.clients %}
    <tr><th scope="row">{{ client }}</th>
    {%- for flow in matrix.cells[loop.index0] -%}
    {%- if flow %}<td class="{{ flow.status }}"><a href="#{{ anchors[key(flow)] }}" aria-label="{{ flow.status }}"
      title="{{ words.route(flow) }}: {{ words.verdict(flow) }}">{{ glyphs[flow.status] }}</a></td>
    {%- else %}<td></td>{% endif -%}
    {%- endfor -%}
    </tr>
    {% endfor %}
    </tbody></table></div>
  <p class="quiet">{% for status, glyph in glyphs.items() %}<span class="key {{ status }}">{{ glyph }}</span> {{ status }}&ensp;{% endfor %}
    blank: not asked for. {{ matrix.left_out }}</p>
</section>
{% endif %}
{% if report.changes %}
<section>
  <h2>Changes</h2>
  <div class="scroll"><table>
    <thead><tr><th scope="col">outcome</th><th scope="col">host</th><th scope="col">change</th><th scope="col">flows before and after</th>
      <th scope="col">why</th></tr></thead>
    <tbody>
    {% for change in words.changes(report) %}
    <tr><td>{{ words.outcome(change) }}</td><td>{{ change.where }}</td>
      <td>{{ change.kind }}: {{ change.summary }}{% for step in change.steps %}<code class="command">{{ step }}</code>{% endfor %}</td>
      <td>{% for sentence in words.tried(change) %}{{ sentence }}{% if not loop.last %}<br>{% endif %}{% endfor %}</td>
      <td>{{ change.why }}</td></tr>
    {% endfor %}
    </tbody></table></div>
</section>
{% endif %}
<section id="flows">
  <h2>Flows</h2>
  <p class="filter" hidden><label>Filter <input type="search" placeholder="broken db1 5432"></label> <output></output></p>
  {% for flow in flows %}
  {{ told_flow(flow) }}
  {% endfor %}
</section>
</main>
<footer><p class="quiet">threeway.handshake. The same data for programs: report.json.</p></footer>
<script>{{ script }}</script>
</body>
</html>
"""

STYLE = """
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #fff; --ink: #171b22; --soft: #5a6372; --rule: #dfe3e9; --shade: #f1f3f6; --link: #1a56c4;
  --broken: #c2202c; --broken-soft: #fdebec; --undetermined: #6b3fc0; --undetermined-soft: #f2edfc;
  --degraded: #95560a; --degraded-soft: #fdf2dc; --ok: #17713f; --ok-soft: #e5f5ec;
  --syn: #1a56c4; --syn-ack: #0b7a75; --ack: #4b5563; --icmp: #a35400; --fin: #7a3fb0;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0f1217; --card: #171b22; --ink: #e7eaf0; --soft: #9aa4b2; --rule: #2b323d; --shade: #1e232c; --link: #82b1ff;
    --broken: #ff7b80; --broken-soft: #3a171b; --undetermined: #bda0ff; --undetermined-soft: #281f3f;
    --degraded: #f0b457; --degraded-soft: #35270f; --ok: #5fd08d; --ok-soft: #12301f;
    --syn: #82b1ff; --syn-ack: #4fd1c5; --ack: #b3bcc9; --icmp: #f2a65a; --fin: #cfa2ff;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem clamp(.75rem, 3vw, 2.5rem) 3rem; max-width: 84rem; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; margin: 0; letter-spacing: -.01em; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .7rem; }
h4 { font-size: 1rem; margin: 0 0 .3rem; }
p { margin: .3rem 0; }
a { color: var(--link); }
code { font: .87em/1.4 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; color: var(--soft); }
i { font-style: normal; font-weight: 700; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
.quiet, .at, .risk { color: var(--soft); }
h4 .at { font-weight: 400; }
.quiet { font-size: .87rem; }
.tiles { display: flex; flex-wrap: wrap; gap: .6rem; list-style: none; margin: 1rem 0 0; padding: 0; }
.tiles li { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: .45rem 1.1rem .5rem .9rem; }
.tiles b { font-size: 1.5rem; font-variant-numeric: tabular-nums; margin-right: .25rem; }
.tiles .none, .tiles .none b { color: var(--soft); font-weight: 400; }
.badge, .certainty, .many, .risk { display: inline-block; border-radius: 999px; padding: 0 .6rem; font-size: .82rem; white-space: nowrap; }
.certainty, .many { border: 1px solid var(--rule); color: var(--soft); }
.broken.badge, .tiles .broken, .matrix .broken, .key.broken { color: var(--broken); background: var(--broken-soft); }
.undetermined.badge, .tiles .undetermined, .matrix .undetermined, .key.undetermined {
  color: var(--undetermined); background: var(--undetermined-soft); }
.degraded.badge, .tiles .degraded, .matrix .degraded, .key.degraded { color: var(--degraded); background: var(--degraded-soft); }
.ok.badge, .tiles .ok, .matrix .ok, .key.ok { color: var(--ok); background: var(--ok-soft); }
.badge { font-weight: 600; }
.key { display: inline-block; width: 1.5rem; text-align: center; border-radius: 4px; font-weight: 700; }
.groups { list-style: none; margin: 0; padding: 0; display: grid; gap: .6rem; }
.groups li, details.flow { background: var(--card); border: 1px solid var(--rule); border-left-width: 4px; border-radius: 10px; }
.groups li { padding: .7rem 1rem; }
.groups .broken, details.flow.broken { border-left-color: var(--broken); }
.groups .undetermined, details.flow.undetermined { border-left-color: var(--undetermined); }
.groups .degraded, details.flow.degraded { border-left-color: var(--degraded); }
details.flow.ok { border-left-color: var(--ok); }
.links { font-size: .87rem; }
.links a { margin-right: 1rem; display: inline-block; }
.fix { background: var(--ok-soft); border-radius: 6px; padding: .35rem .7rem; }
.fix b { color: var(--ok); }
.command { display: block; color: var(--ink); }
.rules { margin: .3rem 0 .5rem; }
.rules td { border-bottom: 0; }
.rules tbody { border-bottom: 1px solid var(--rule); }
.rules .decides { background: var(--broken-soft); }
.rules .decides td:first-child { padding-left: .4rem; }
.against b, .lost { color: var(--broken); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
th, td { text-align: left; vertical-align: top; padding: .28rem .8rem .28rem 0; border-bottom: 1px solid var(--rule);
  overflow-wrap: break-word; }
thead th { color: var(--soft); font-weight: 500; white-space: nowrap; }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.evidence { width: 100%; margin: .3rem 0 .5rem; }
.evidence td:first-child, .evidence td:nth-child(2) { white-space: nowrap; max-width: 18rem; overflow: hidden; text-overflow: ellipsis; }
.evidence td:last-child { width: 100%; }
.matrix { background: var(--card); border: 1px solid var(--rule); border-collapse: separate; border-spacing: 2px; }
.matrix th, .matrix td { border: 0; padding: 0 .5rem; font-weight: 500; white-space: nowrap; color: var(--ink); }
.matrix tbody td { padding: 0; text-align: center; border-radius: 4px; min-width: 1.5rem; }
.matrix td a { display: block; color: inherit; text-decoration: none; font-weight: 700; }
.matrix th[scope=row] { position: sticky; left: 0; background: var(--card); }
.matrix.dense { font-size: .8rem; line-height: 1.25; }
.matrix.dense thead th { vertical-align: bottom; padding: .4rem 0; }
.matrix.dense thead span { writing-mode: vertical-rl; transform: rotate(180deg); max-height: 14rem; overflow: hidden; }
details.flow { margin: 0 0 .5rem; }
details.flow > summary { padding: .55rem 1rem; display: flex; flex-wrap: wrap; gap: .2rem .8rem; align-items: baseline; cursor: pointer; }
details.flow > summary::-webkit-details-marker { display: none; }
.verdict { color: var(--soft); flex: 1 1 20rem; }
.body { padding: .2rem 1rem 1rem; scroll-margin-top: 4rem; border-top: 1px solid var(--rule); }
.body dl { display: flex; flex-wrap: wrap; gap: .3rem 2rem; margin: .7rem 0 1rem; }
dt { color: var(--soft); font-size: .8rem; }
dd { margin: 0; }
.cause { margin: .6rem 0; }
.further { margin-top: 1rem; color: var(--soft); }
.note ul { margin: .2rem 0; padding-left: 1.2rem; }
.note { margin: .6rem 0; }
.body details { margin: .5rem 0; }
.body details > summary { cursor: pointer; color: var(--soft); font-size: .9rem; }
.filter input { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--rule); border-radius: 8px;
  padding: .3rem .7rem; width: min(24rem, 60vw); }
.filter output { color: var(--soft); margin-left: .6rem; }
.ladder { display: block; margin: .6rem 0; max-width: 100%; min-width: 44rem; height: auto; font-family: inherit; }
.ladder text { fill: var(--ink); font-size: 12px; paint-order: stroke; stroke: var(--card); stroke-width: 4px; stroke-linejoin: round; }
.ladder .column rect { fill: var(--shade); stroke: var(--rule); }
.ladder .column line { stroke: var(--soft); stroke-width: 1.5; }
.ladder .column text { text-anchor: middle; stroke: none; }
.ladder .column .host { font-weight: 600; font-size: 13px; }
.ladder .column .role, .ladder .time, .ladder .pause, .ladder .more { fill: var(--soft); }
.ladder .role, .ladder .more { font-size: 11px; }
.ladder .time, .ladder .pause { font-variant-numeric: tabular-nums; font-size: 11px; }
.ladder .pause { font-style: italic; }
.ladder .unseen rect, .ladder .unseen line { stroke-dasharray: 4 4; }
.ladder .packet { --tone: var(--soft); }
.ladder .syn { --tone: var(--syn); }
.ladder .syn_ack { --tone: var(--syn-ack); }
.ladder .ack { --tone: var(--ack); }
.ladder .rst { --tone: var(--broken); }
.ladder .icmp, .ladder .arp, .ladder .nd { --tone: var(--icmp); }
.ladder .fin { --tone: var(--fin); }
.ladder polyline { fill: none; stroke: var(--tone); stroke-width: 2; }
.ladder polyline.guess { stroke-dasharray: 3 5; stroke-width: 1.5; }
.ladder polygon, .ladder circle, .ladder .what { fill: var(--tone); }
.ladder .what { font-weight: 700; }
.ladder .again { fill: var(--degraded); font-weight: 600; }
.ladder .doubt { stroke: var(--broken); stroke-width: 9; opacity: .16; stroke-linecap: round; }
.ladder .cross { fill: none; stroke: var(--broken); stroke-width: 3.5; stroke-linecap: round; }
.ladder .packet:hover polyline { stroke-width: 3.5; }
footer { margin-top: 2rem; }
[hidden] { display: none !important; }
@media print {
  :root { color-scheme: light; --page: #fff; }
  body { font-size: 11px; max-width: none; padding: 0; }
  .filter { display: none; }
  details.flow, .groups li { break-inside: avoid-page; }
  .scroll { overflow: visible; }
  .ladder { min-width: 0; }
}
"""

SCRIPT = """
"use strict";
const flows = [...document.querySelectorAll("details.flow")];
const filter = document.querySelector(".filter");
const box = filter.querySelector("input");
const texts = flows.map(flow => flow.firstElementChild.textContent.toLowerCase() + flow.querySelector("dd").textContent.toLowerCase());
filter.hidden = flows.length < 2;
box.addEventListener("input", () => {
  const words = box.value.toLowerCase().split(/\\s+/);
  flows.forEach((flow, n) => { flow.hidden = !words.every(word => texts[n].includes(word)); });
  const left = flows.filter(flow => !flow.hidden).length;
  filter.querySelector("output").textContent = left === flows.length ? "" : left + " of " + flows.length;
});
const reveal = () => {
  const target = document.getElementById(location.hash.slice(1));
  const flow = target && target.closest("details.flow");
  if (flow) { flow.hidden = false; flow.open = true; flow.scrollIntoView(); }
};
window.addEventListener("hashchange", reveal);
reveal();
"""
