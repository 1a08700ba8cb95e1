// Layered layout of a graph (Sugiyama's method): causes above effects, long edges routed between the boxes through
// a stop in each layer, order within a layer by barycenters.

const BOX = { width: 168, height: 34 };
const GAP = { box: 22, route: 14, down: 84 };
const SWEEPS = 16;
const WIDTH = 1180; // of the drawing on a page of 1440 pixels; what is wider scrolls

/** Return {boxes: name -> {x, y}, lines: [{edge, points}], width, height, loose: names without an edge, size}. */
export function layered(graph) {
  const linked = new Set(graph.edges.flatMap((edge) => [edge.source, edge.target]));
  const depth = depths(graph, linked);
  const rows = [];
  const nodes = new Map();
  const add = (id, row, width) => {
    const node = { id, row, width, near: [] };
    nodes.set(id, node);
    (rows[row] ??= []).push(node);
    return node;
  };
  for (const name of graph.order) if (linked.has(name)) add(name, depth[name], BOX.width);
  const lines = graph.edges.map((edge, index) => ({ edge, stops: route(edge, index, depth, nodes, add) }));
  order(rows);
  place(rows);
  pack(rows, nodes);
  return drawing(nodes, lines, graph.order.filter((name) => !linked.has(name)));
}

/** The longest path that leads to a column, along the edges taken from earlier to later in the causal order. */
function depths(graph, linked) {
  const rank = Object.fromEntries(graph.order.map((name, index) => [name, index]));
  const depth = {};
  for (const name of graph.order) {
    const above = graph.edges.map(({ source, target }) => rank[source] < rank[target] ? [source, target] : [target, source]).filter(([, below]) => below === name);
    if (linked.has(name)) depth[name] = Math.max(-1, ...above.map(([one]) => depth[one])) + 1;
  }
  return depth;
}

/** Put a stop in each layer between the ends of an edge; returns the nodes from upper to lower end. */
function route(edge, index, depth, nodes, add) {
  const [upper, lower] = depth[edge.source] < depth[edge.target] ? [edge.source, edge.target] : [edge.target, edge.source];
  const stops = [nodes.get(upper)];
  for (let row = depth[upper] + 1; row < depth[lower]; row++) stops.push(add(`${index}/${row}`, row, 0));
  stops.push(nodes.get(lower));
  for (let at = 1; at < stops.length; at++) {
    stops[at - 1].near.push(stops[at]);
    stops[at].near.push(stops[at - 1]);
  }
  return stops;
}

/** Order each layer by the mean place of the neighbors in the layer before, downwards and upwards in turn. */
function order(rows) {
  const number = (row) => row.forEach((node, index) => { node.place = index - (row.length - 1) / 2; });
  rows.forEach(number);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const down = sweep % 2 === 0;
    for (const row of down ? rows : [...rows].reverse()) {
      for (const node of row) {
        const before = node.near.filter((other) => (other.row < node.row) === down);
        node.wish = before.length ? before.reduce((sum, other) => sum + other.place, 0) / before.length : node.place;
      }
      row.sort((a, b) => a.wish - b.wish);
      number(row);
    }
  }
}

/** Give each node an x: close to its neighbors, in order, and clear of the next one. */
function place(rows) {
  const apart = (a, b) => (a.width + b.width) / 2 + (a.width && b.width ? GAP.box : GAP.route);
  for (const row of rows) row.forEach((node, index) => { node.x = index ? row[index - 1].x + apart(row[index - 1], node) : 0; });
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    for (const row of sweep % 2 ? [...rows].reverse() : rows) {
      const wishes = row.map((node) => node.near.reduce((sum, other) => sum + other.x, 0) / node.near.length);
      row.forEach((node, index) => { node.x = index ? Math.max(wishes[index], row[index - 1].x + apart(row[index - 1], node)) : wishes[0]; });
      const off = row.reduce((sum, node, index) => sum + wishes[index] - node.x, 0) / row.length;
      for (const node of row) node.x += off;
    }
  }
}

/** Put parts of the graph that no edge connects side by side, the largest first, and below each other beyond WIDTH. */
function pack(rows, nodes) {
  let taken = rows.map(() => -Infinity);
  let [first, last] = [0, -1]; // the layers of the parts that are side by side
  for (const part of parts(nodes)) {
    const leftOf = (node) => node.x - node.width / 2;
    let shift = Math.max(...part.map((node) => taken[node.row] + 2 * GAP.box - leftOf(node)));
    if (shift === -Infinity || Math.max(...part.map((node) => node.x + node.width / 2)) + shift > WIDTH) {
      taken = rows.map(() => -Infinity);
      first = last + 1;
      shift = -Math.min(...part.map(leftOf));
    }
    for (const node of part) {
      node.x += shift;
      node.layer = first + node.row;
      taken[node.row] = Math.max(taken[node.row], node.x + node.width / 2);
      last = Math.max(last, node.layer);
    }
  }
}

/** The nodes that edges connect, as lists, the longest first. */
function parts(nodes) {
  const seen = new Set();
  return [...nodes.values()].map((first) => {
    const part = [];
    for (const open = [first]; open.length;) {
      const node = open.pop();
      if (seen.has(node)) continue;
      seen.add(node);
      part.push(node);
      open.push(...node.near);
    }
    return part;
  }).filter((part) => part.length).sort((a, b) => b.length - a.length);
}

function drawing(nodes, lines, loose) {
  const all = [...nodes.values()];
  const left = Math.min(...all.map((node) => node.x - node.width / 2)) - 6;
  const right = Math.max(...all.map((node) => node.x + node.width / 2)) + 6;
  const spot = (node) => ({ x: node.x - left, y: node.layer * GAP.down + BOX.height / 2 + 6 });
  const boxes = Object.fromEntries(all.filter((node) => node.width).map((node) => [node.id, spot(node)]));
  return { boxes, lines: lines.map(({ edge, stops }) => ({ edge, path: pathOf(edge, stops, spot) })), loose, size: BOX, width: right - left, height: Math.max(...all.map((node) => node.layer)) * GAP.down + BOX.height + 12 };
}

/** A smooth line from the edge's source to its target that is vertical at every stop. */
function pathOf(edge, stops, spot) {
  const half = BOX.height / 2;
  const points = stops.map((stop, index) => {
    const { x, y } = spot(stop);
    return { x, top: stop.width ? y + (index ? -half - 2 : half) : y - half, bottom: stop.width ? y + half : y + half };
  });
  if (stops[0].id !== edge.source) points.reverse();
  const down = stops[0].id === edge.source;
  const [near, far] = down ? ["bottom", "top"] : ["top", "bottom"];
  let line = `M${points[0].x} ${points[0][near]}`;
  for (let at = 1; at < points.length; at++) {
    const [a, b] = [points[at - 1], points[at]];
    const bend = (b[far] - a[near]) / 2;
    line += `C${a.x} ${a[near] + bend} ${b.x} ${b[far] - bend} ${b.x} ${b[far]}`;
    if (at < points.length - 1) line += `V${b[near]}`;
  }
  return line;
}
