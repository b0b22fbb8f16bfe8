// SPDX-License-Identifier: GPL-2.0-only
// The flame graph's page: layout, drawing, pointer and keys. The last part of the page's one script.
// Touches no network. Names come from strangers: they reach the page through textContent and
// fillText() alone.

// ---- layout: boxes by row, in pixels ----

const canvas = element("graph");
const scroll = element("scroll");
const context = canvas.getContext("2d");
let rows = [];
let zoomRow = 0;
let colors = {};
let labelWidths = new Map();

function addBox(row, node, left, width) {
	while (rows.length <= row)
		rows.push([]);
	rows[row].push({ node, left, width });
}

// What is too narrow leaves no hole, which would look like time of its caller's own.
function layOutRest(node, from, row, left, width) {
	for (let at = from; at < childrenOf(node).length; at += REST_CHILDREN) {
		const rest = restOf(node, at);
		const restWidth = rest.value * width / zoomed.value;
		if (restWidth < NARROWEST_PX)
			return;
		addBox(row, rest, left, restWidth);
		left += restWidth;
	}
}

function layOut() {
	const width = scroll.clientWidth;
	const path = [];
	const open = [];

	rows = [];
	for (let node = zoomed; node; node = node.parent)
		path.unshift(node);
	path.forEach((node, row) => addBox(row, node, 0, width));
	zoomRow = path.length - 1;
	open.push([zoomed, 0, zoomRow + 1]);
	while (open.length && zoomed.value) {
		const [node, left, row] = open.pop();
		const children = childrenOf(node);
		let at = left;
		for (let i = 0; i < children.length; i++) {
			const childWidth = children[i].value * width / zoomed.value;
			if (childWidth < NARROWEST_PX) {
				layOutRest(node, i, row, at, width);
				break;
			}
			addBox(row, children[i], at, childWidth);
			open.push([children[i], at, row + 1]);
			at += childWidth;
		}
	}
	element("content").style.height = Math.max(rows.length * ROW_PX, scroll.clientHeight) + "px";
}

// ---- drawing ----

function readColors() {
	const style = getComputedStyle(document.documentElement);
	for (const name of [...ORIGINS, "text", "quiet", "panel", "match", "accent"])
		colors[name] = style.getPropertyValue("--" + name).trim();
	colors.fills = new Map();
}

// Both "#rrggbb".
function mixColors(one, other, percent) {
	const channel = (color, at) => parseInt(color.slice(at, at + 2), 16);
	return "rgb(" + [1, 3, 5].map((at) => Math.round(channel(one, at) * percent / 100 +
		channel(other, at) * (100 - percent) / 100)).join(",") + ")";
}

// Neighbours of one origin must be told apart: shade by a hash of the name, always the same one.
function fillOf(key) {
	if (key < 0)
		return colors.note;
	let fill = colors.fills.get(key);
	if (!fill) {
		const [name, , , , , origin] = keyFunction(key);
		let hash = 7;
		for (let i = 0; i < name.length; i++)
			hash = (hash * 31 + name.charCodeAt(i)) | 0;
		fill = mixColors(colors[ORIGINS[origin]], colors.panel, 76 + Math.abs(hash) % 25);
		colors.fills.set(key, fill);
	}
	return fill;
}

function labelOf(node) {
	if (node.key === REST)
		return node.children.length + " more, too narrow to draw";
	return node.key === ROOT ? "all" : keyLabel(node.key);
}

function labelWidth(label) {
	let width = labelWidths.get(label);
	if (width === undefined) {
		width = context.measureText(label).width;
		labelWidths.set(label, width);
	}
	return width;
}

function fitLabel(label, room) {
	if (labelWidth(label) <= room)
		return label;
	let fits = 0, over = label.length;
	while (over - fits > 1) {
		const tried = (fits + over) >> 1;
		if (context.measureText(label.slice(0, tried) + "\u2026").width <= room)
			fits = tried;
		else
			over = tried;
	}
	const next = label.charCodeAt(fits);
	if (next >= 0xdc00 && next <= 0xdfff)
		fits--; // never half a character
	return fits < 2 ? "" : label.slice(0, fits) + "\u2026";
}

function rowTop(row) {
	const height = parseFloat(element("content").style.height);
	return (state.icicle ? row * ROW_PX : height - (row + 1) * ROW_PX) - scroll.scrollTop;
}

function drawBox(box, row) {
	const { node, left, width } = box;
	const top = rowTop(row);
	const found = matches && node.key >= 0 && matches[node.key];

	context.globalAlpha = (matches && !found) || row < zoomRow || node.key === REST ? 0.45 : 1;
	context.fillStyle = found ? colors.match : fillOf(node.key);
	context.fillRect(left, top, Math.max(width - (width > 3 ? 1 : 0), 0.5), ROW_PX - 1);
	if (width > 28) {
		context.globalAlpha = 1;
		context.fillStyle = found ? colors.panel : colors.text;
		context.fillText(fitLabel(labelOf(node), width - 8), left + 4, top + ROW_PX / 2);
	}
	if (node === selected) {
		context.globalAlpha = 1;
		context.strokeStyle = colors.accent;
		context.lineWidth = 2;
		context.strokeRect(left + 1, top + 1, Math.max(width - 3, 1), ROW_PX - 3);
	}
}

function draw() {
	const width = scroll.clientWidth, height = scroll.clientHeight;
	const scale = window.devicePixelRatio || 1;

	canvas.width = Math.round(width * scale);
	canvas.height = Math.round(height * scale);
	canvas.style.width = width + "px";
	canvas.style.height = height + "px";
	context.setTransform(scale, 0, 0, scale, 0, 0);
	context.font = "12px system-ui, 'Noto Sans', 'DejaVu Sans', sans-serif";
	context.textBaseline = "middle";
	rows.forEach((boxes, row) => {
		const top = rowTop(row);
		if (top > -ROW_PX && top < height)
			boxes.forEach((box) => drawBox(box, row));
	});
	context.globalAlpha = 1;
}

let drawing = 0;
function drawSoon() {
	cancelAnimationFrame(drawing);
	drawing = requestAnimationFrame(draw);
}

function describe(node) {
	return labelOf(node) + ": " + formatAmount(node, countOf(node), root.value);
}

function showStatus() {
	const node = selected || zoomed;
	element("status").textContent = describe(node) +
		(zoomed === root ? "" : " \u2014 zoomed into " + labelOf(zoomed));
}

// ---- state ----

function readAddress() {
	const given = new URLSearchParams(location.hash.slice(1));

	for (const name of ["scope", "merge", "view", "show", "search", "zoom"]) {
		if (given.has(name))
			state[name] = given.get(name);
	}
	for (const name of ["invert", "icicle"]) {
		if (given.has(name))
			state[name] = given.get(name) === "1";
	}
	if (![...element("scope").options].some((option) => option.value === state.scope))
		state.scope = "all";
	if (state.merge !== "line" || profile.counts === "calls")
		state.merge = "function";
	if (state.view !== "table")
		state.view = "graph";
	if (!viewNamed(state.show))
		state.show = profile.show || "";
}

function writeAddress() {
	const kept = new URLSearchParams();

	for (const [name, value] of Object.entries(state)) {
		const usual = { scope: "all", merge: "function", invert: false, icicle: true, view: "graph",
			show: profile.show || "" };
		if (value !== (name in usual ? usual[name] : ""))
			kept.set(name, value === true ? "1" : value === false ? "0" : value);
	}
	try {
		history.replaceState(null, "", "#" + kept);
	} catch {
		// Some browsers refuse this for pages from files; the view is right all the same.
	}
}

// For whoever reads the page without eyes: a screen reader, a test.
function publish() {
	const facts = document.documentElement.dataset;

	canvas.setAttribute("aria-label", "Flame graph: " + describe(root));
	facts.show = state.show;
	facts.total = root.value;
	facts.samples = root.samples;
	facts.rows = rows.length;
	facts.boxes = rows.reduce((count, boxes) => count + boxes.length, 0);
	facts.matched = matches ? matchedValue : "";
	facts.widest = rows.map((boxes) => labelOf(boxes.reduce((widest, box) =>
		box.width > widest.width ? box : widest).node)).join(" > ");
	facts.ready = "1";
}

// Brings everything in line with `state`; `rebuild` when the tree itself changes.
function show(rebuild) {
	if (rebuild || !root) {
		root = state.invert ? buildInverted() : buildTree();
		colors.fills = new Map();
		selected = null;
	}
	zoomed = nodeAtPath(state.zoom);
	showViews();
	runSearch();
	element("scope").value = state.scope;
	element("merge").value = state.merge;
	if (element("search").value !== state.search)
		element("search").value = state.search;
	for (const [id, on] of [["invert", state.invert], ["icicle", state.icicle],
		["view-graph", state.view === "graph"], ["view-table", state.view === "table"]])
		element(id).setAttribute("aria-pressed", String(on));
	element("reset").disabled = zoomed === root;
	scroll.hidden = state.view !== "graph";
	element("table").hidden = state.view !== "table";
	if (state.view === "table")
		showTable();
	layOut();
	drawSoon();
	showStatus();
	publish();
}

function change(changes, rebuild) {
	Object.assign(state, changes);
	if (rebuild)
		state.zoom = "";
	show(rebuild);
	writeAddress();
	if (!state.icicle && (rebuild || "icicle" in changes))
		scroll.scrollTop = scroll.scrollHeight;
}

// What is looked at stays so as far as it is in the other view, too.
function changeShow(name) {
	const keys = zoomKeys(zoomed);
	change({ show: name }, true);
	if (keys.length)
		zoomTo(nodeAtKeys(keys));
}

function zoomTo(node) {
	selected = null;
	change({ zoom: zoomPath(node) }, false);
}

// ---- pointer and keys ----

function nodeAt(event) {
	const bounds = canvas.getBoundingClientRect();
	const x = event.clientX - bounds.left, y = event.clientY - bounds.top;
	const row = rows.findIndex((boxes, at) => y >= rowTop(at) && y < rowTop(at) + ROW_PX);
	const box = row < 0 ? undefined :
		rows[row].find(({ left, width }) => x >= left && x < left + width);

	return box ? box.node : null;
}

function placeTip(x, y) {
	const tip = element("tip");
	const right = Math.max(4, window.innerWidth - tip.offsetWidth - 4);
	const below = y + 18 + tip.offsetHeight < window.innerHeight;

	tip.style.left = Math.min(x + 12, right) + "px";
	tip.style.top = (below ? y + 18 : y - tip.offsetHeight - 10) + "px";
}

function showTip(event) {
	const tip = element("tip");
	const node = nodeAt(event);

	tip.hidden = !node;
	if (!node)
		return;
	const name = document.createElement("b");
	const lines = [formatAmount(node, countOf(node), root.value)];
	if (zoomed !== root)
		lines.push(formatPercent(node.value, zoomed.value) + " of " + labelOf(zoomed));
	if (node.self)
		lines.push("self " + formatValue(node.self) + ", " + formatPercent(node.self, root.value));
	if (node.key >= 0) {
		const [, module, file, , , origin] = keyFunction(node.key);
		lines.push(...[file, module, ORIGIN_WORDS[origin]].filter(Boolean));
	}
	name.textContent = labelOf(node);
	tip.replaceChildren(name, document.createTextNode(lines.join("\n")));
	placeTip(event.clientX, event.clientY);
}

function reveal(node) {
	const row = rows.findIndex((boxes) => boxes.some((box) => box.node === node));
	const top = rowTop(Math.max(row, 0));

	if (top < 0)
		scroll.scrollTop += top;
	else if (top + ROW_PX > scroll.clientHeight)
		scroll.scrollTop += top + ROW_PX - scroll.clientHeight;
}

function walk(key) {
	const node = selected || zoomed;
	const siblings = node.parent ? childrenOf(node.parent) : [node];
	const at = siblings.indexOf(node);
	const inward = state.icicle ? "ArrowDown" : "ArrowUp";
	let next;

	if (key === "ArrowLeft" || key === "ArrowRight")
		next = siblings[at + (key === "ArrowRight" ? 1 : -1)];
	else
		next = key === inward ? childrenOf(node)[0] : node.parent;
	if (!next)
		return;
	selected = next;
	reveal(next);
	drawSoon();
	showStatus();
}

canvas.addEventListener("click", (event) => {
	const node = nodeAt(event);
	if (node && event.detail === 1)
		zoomTo(node);
});
canvas.addEventListener("dblclick", () => zoomTo(root));
canvas.addEventListener("mousemove", showTip);
canvas.addEventListener("mouseleave", () => { element("tip").hidden = true; });
canvas.addEventListener("keydown", (event) => {
	if (event.key.startsWith("Arrow")) {
		walk(event.key);
		event.preventDefault();
	} else if (event.key === "Enter" && selected) {
		zoomTo(selected);
	}
});
document.addEventListener("keydown", (event) => {
	const typing = event.target === element("search");

	if (event.key === "/" && !typing) {
		element("search").focus();
		event.preventDefault();
	} else if (event.key === "Escape") {
		if (typing && state.search)
			change({ search: "" }, false);
		else
			zoomTo(root);
	}
});
scroll.addEventListener("scroll", drawSoon);
element("scope").addEventListener("change", (event) => change({ scope: event.target.value }, true));
element("merge").addEventListener("change", (event) => change({ merge: event.target.value }, true));
element("invert").addEventListener("click", () => change({ invert: !state.invert }, true));
element("icicle").addEventListener("click", () => change({ icicle: !state.icicle }, false));
element("reset").addEventListener("click", () => zoomTo(root));
element("view-graph").addEventListener("click", () => change({ view: "graph" }, false));
element("view-table").addEventListener("click", () => change({ view: "table" }, false));
element("search").addEventListener("input", (event) => change({ search: event.target.value }, false));
window.addEventListener("hashchange", () => { readAddress(); show(true); });
window.addEventListener("resize", () => { drawCharts(); layOut(); drawSoon(); });
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
	readColors();
	drawSoon();
});

// ---- what stays ----

function option(parent, value, text) {
	const made = document.createElement("option");
	made.value = value;
	made.textContent = text;
	parent.append(made);
}

function paragraphs(parent, lines) {
	parent.replaceChildren(...lines.map((text) => {
		const line = document.createElement("p");
		line.textContent = text;
		return line;
	}));
}

function showFrame() {
	const scope = element("scope");

	element("title").textContent = profile.title;
	element("summary").textContent = profile.summary;
	paragraphs(element("targets"), profile.targets);
	paragraphs(element("closing"), profile.closing);
	for (const line of element("closing").children)
		line.classList.toggle("loss", !line.textContent.startsWith("cost: "));
	element("invert").textContent = "Callers of the " + HOTTEST;
	// Calls are known by their function's first line alone.
	element("merge").parentNode.hidden = profile.counts === "calls";
	option(scope, "all", profile.processes.length > 1 ? "all processes" : "the whole process");
	profile.processes.forEach(([pid, command], process) => {
		const group = document.createElement("optgroup");
		group.label = "pid " + pid + " " + command;
		option(group, "p" + process, "pid " + pid + ": all threads");
		profile.threads.forEach(([owner, tid, name], thread) => {
			if (owner === process)
				option(group, "t" + thread, "thread " + tid + (name ? " " + name : ""));
		});
		scope.append(group);
	});
	const used = new Set(profile.functions.map((fields) => fields[5]));
	element("legend").replaceChildren(...ORIGINS.map((name, origin) => {
		const entry = document.createElement("span");
		entry.textContent = ORIGIN_WORDS[origin];
		entry.style.setProperty("--swatch", "var(--" + name + ")");
		entry.hidden = !used.has(origin);
		return entry;
	}));
}

showFrame();
prepareViews();
readColors();
readAddress();
show(true);
