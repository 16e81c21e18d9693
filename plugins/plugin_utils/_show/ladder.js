"use strict";
/* The ladder diagram of one attempt as SVG. ladder.py says where lines start, end and break; here they get their places.
   Time is not to scale: the gap between two events grows with its logarithm, so that 30 microseconds and a retransmission a second
   later both read well; the axis tells the figures. */
const ladder = (() => {
  const AXIS = 10, LEFT = 175, RIGHT = 110, TOP = 92;
  const WIDTH = 860; // what the gaps between columns share, as far as each stays within its own bounds
  const PAUSE = 100; // milliseconds from which on a pause is marked as such
  const KINDS = new Set(["syn", "syn_ack", "ack", "rst", "fin", "icmp", "arp", "nd"]);

  const svg = (tag, attributes, ...children) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  };
  const clip = (text, length) => text.length > length ? text.slice(0, Math.max(length - 3, 0)).trimEnd() + (length > 3 ? "..." : "") : text;
  const round = number => Math.round(number * 10) / 10;

  const at = ms => Math.abs(ms) >= 1000 ? (ms / 1000).toFixed(4) + " s" : ms.toFixed(2) + " ms";
  const duration = ms => {
    const size = Math.abs(ms);
    if (size >= 999.5) return (ms / 1000).toFixed(2) + " s";
    return ms.toFixed(size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2) + " ms";
  };
  const observations = packet => packet.seen.map(each => `${each.host} ${each.interface} ${each.direction} ${at(each.t_ms)}`).join(", ");
  const described = packet => `${packet.label} ${packet.detail}`.trim() + ": " + observations(packet) + (packet.lost ? "; then lost" : "");

  const times = (lines, columns) => {
    const starts = new Set(lines.map(line => line.seen[0][1]));
    const heights = new Map(), pauses = [];
    let y = TOP, before = null;
    for (const ms of [...new Set(lines.flatMap(line => line.seen.map(point => point[1])))].sort((a, b) => a - b)) {
      if (before !== null) {
        const pause = ms - before;
        let step = Math.min(4 + 9 * Math.log10(1 + pause / 0.02), 40);
        if (starts.has(ms)) step = Math.max(step, 26);
        if (pause >= PAUSE) {
          step += 14;
          pauses.push([y + step / 2 + 4, pause]);
        }
        y += step;
      }
      heights.set(ms, y);
      before = ms;
    }
    const gap = Math.min(Math.max(WIDTH / Math.max(columns - 1, 1), 200), 640);
    return {heights, pauses, bottom: y, x: column => LEFT + gap * column, width: LEFT + gap * (columns - 1) + RIGHT};
  };

  const column = (x, {host, note, why, recorded}, height) => svg("g", {class: recorded ? "column" : "column unseen"},
    svg("title", {}, recorded ? host : `${host}: ${why || "not recorded"}`),
    svg("rect", {x: round(x - 85), y: 8, width: 170, height: 42, rx: 7}),
    svg("text", {class: "host", x: round(x), y: 26}, clip(host, 22)),
    svg("text", {class: "role", x: round(x), y: 42}, clip(note, 28)),
    svg("line", {x1: round(x), y1: 50, x2: round(x), y2: round(height - 8)}));

  const stroke = (points, kind) => svg("polyline", {class: kind, points: points.map(point => point.map(round).join(",")).join(" ")});

  const head = (start, end) => {
    const angle = Math.atan2(end[1] - start[1], end[0] - start[0]);
    const corners = [0.4, -0.4].map(side => [end[0] - 10 * Math.cos(angle + side), end[1] - 10 * Math.sin(angle + side)]);
    return svg("polygon", {points: [end, ...corners].map(point => point.map(round).join(",")).join(" ")});
  };

  const cross = (x, y) => svg("path", {class: "cross", d: `M${round(x - 7)} ${round(y - 7)}l14 14m0 -14l-14 14`}, svg("title", {}, "lost here"));

  const label = (line, packet, x, y, room) => {
    const again = packet.again ? " " + packet.again : "";
    const origin = line.stranger && !packet.detail.includes(packet.sender) ? `from ${packet.sender} ` : "";
    const what = clip(packet.label, 32);
    const letters = Math.max(Math.floor((room - 8 * (what + again).length) / 6.5), 0);
    return svg("text", {class: "label", x: round(x + 9 * line.onward), y: round(y - 6), "text-anchor": line.onward > 0 ? "start" : "end"},
      svg("tspan", {class: "what"}, what),
      ...(again ? [svg("tspan", {class: "again"}, again)] : []),
      svg("tspan", {class: "more"}, " " + clip(origin + packet.detail, Math.min(letters, 80))));
  };

  const drawn = (line, packet, canvas) => {
    const points = line.seen.map(([where, ms]) => [canvas.x(where), canvas.heights.get(ms)]);
    const origin = canvas.x(line.origin), end = canvas.x(line.end);
    const [x, y] = points[0], [lastX, lastY] = points.at(-1);
    const group = svg("g", {class: "packet " + (KINDS.has(packet.kind) ? packet.kind : "other")},
      svg("title", {}, described(packet)), svg("text", {class: "time", x: AXIS, y: round(y + 4)}, at(line.seen[0][1])));
    if (origin !== x) group.append(stroke([[origin, y], [x, y]], "guess"));
    if (line.stranger) group.append(svg("circle", {cx: round(origin), cy: round(y), r: 4}));
    if (points.length > 1) group.append(stroke(points, "seen"));
    let tip = lastY;
    if (end !== lastX) {
      tip += 6;
      group.append(stroke([[lastX, lastY], [end, tip]], "guess"));
    }
    if (line.doubt !== null && Math.abs(line.doubt - line.seen.at(-1)[0]) > 1) {
      group.append(stroke([[lastX + 12 * line.onward, tip], [canvas.x(line.doubt) - 12 * line.onward, tip]], "doubt"));
    }
    const way = [[origin, y], ...points, [end, tip]];
    group.append(line.lost ? cross(end, tip) : head(way.findLast(point => point[0] !== end) ?? [origin, y], [end, tip]));
    group.append(label(line, packet, origin, y, line.onward > 0 ? canvas.width - origin : origin - AXIS - 60));
    return group;
  };

  const draw = (attempt, lines, {columns, packets}) => {
    const canvas = times(lines, columns.length);
    const height = canvas.bottom + 30;
    const spoken = lines.slice(0, 12).map(line => packets[line.packet].label + (line.lost ? " lost" : "")).join(", then ");
    return svg("svg", {class: "ladder", role: "img", "aria-label": `Ladder diagram of attempt ${attempt}: ${spoken}`,
      viewBox: `0 0 ${round(canvas.width)} ${round(height)}`, width: round(canvas.width), height: round(height)},
      ...columns.map((each, index) => column(canvas.x(index), each, height)),
      ...canvas.pauses.map(([y, pause]) => svg("text", {class: "pause", x: AXIS, y: round(y)}, duration(pause) + " later")),
      ...lines.map(line => drawn(line, packets[line.packet], canvas)));
  };
  return {draw, at, observations};
})();
