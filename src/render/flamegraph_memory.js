// SPDX-License-Identifier: GPL-2.0-only
// Memory: which of its views the graph is of, and the chart of live and resident bytes over time.
// Everything that names a place in time is in nanoseconds since the start.

const CHART_LEFT_PX = 74;
const CHART_RIGHT_PX = 24; // half of the last time's label
const CHART_TOP_PX = 18; // the peak's label stands there
const CHART_BOTTOM_PX = 18;
const PANEL_PX = [84, 46]; // of live bytes, of resident ones where they have a scale of their own
// Live bytes below this share of the resident ones cannot be seen beside them.
const LEAST_SHARE = 0.25;
const POINT_NUMBERS = 4; // time, live, most live since the one before, resident

const memory = profile.memory;
let cursor = -1; // point that is pointed at

// ---- words ----

const capitalised = (word) => word[0].toUpperCase() + word.slice(1);

function formatTime(ns) {
	const seconds = ns / 1e9;
	const pad = (number) => String(Math.floor(number)).padStart(2, "0");
	if (seconds < 1)
		return (seconds * 1000).toFixed(0) + " ms";
	if (seconds < 120)
		return seconds.toFixed(decimals(seconds)) + " s";
	return (seconds < 3600 ? "" : Math.floor(seconds / 3600) + ":") +
		pad(seconds % 3600 / 60) + ":" + pad(seconds % 60) + (seconds < 3600 ? " min" : " h");
}

// ---- views ----

function viewTotal(view) {
	let total = 0;
	for (let i = 0; i < view.sums.length; i += 4)
		total += inScope(view.sums[i]) ? view.sums[i + 3] : 0;
	return total;
}

function prepareViews() {
	if (!profile.views)
		return;
	element("memory").hidden = false;
	element("views").replaceChildren(...profile.views.map(({ name, words }) => {
		const button = document.createElement("button");
		button.type = "button";
		button.id = "show-" + name;
		button.title = words;
		button.addEventListener("click", () => changeShow(name));
		return button;
	}));
	prepareTimeline();
	prepareLifetimes();
	prepareGc();
}

// Brings buttons, note and chart in line with `state`.
function showViews() {
	if (!profile.views)
		return;
	for (const view of profile.views) {
		const button = element("show-" + view.name);
		const amount = document.createElement("span");
		amount.textContent = formatValue(viewTotal(view), unitOf(view));
		button.replaceChildren(capitalised(view.name) + " ", amount);
		button.setAttribute("aria-pressed", String(view.name === state.show));
	}
	const counted = formatCount(root.samples);
	element("view-note").textContent = (unitOf(shown()) === "samples" ? counted :
		formatEstimate(root.value, root.variance) + " in " + counted) + ": " + shown().words;
	drawCharts();
}

// Of those there may be, the one there is.
function drawCharts() {
	drawTimeline();
	drawLifetimes();
	drawGc();
}

// ---- the points of the timeline ----

const pointCount = () => memory.timeline.length / POINT_NUMBERS;
const pointAt = (index) => {
	const [time, live, most, resident] =
		memory.timeline.slice(index * POINT_NUMBERS, (index + 1) * POINT_NUMBERS);
	return { time, live, most, resident };
};
const largest = (field) => {
	let most = 0;
	for (let i = 0; i < pointCount(); i++)
		most = Math.max(most, pointAt(i)[field]);
	return most;
};

function pointNear(time) {
	let low = 0, high = pointCount() - 1;
	while (low < high) {
		const middle = (low + high) >> 1;
		if (pointAt(middle).time < time)
			low = middle + 1;
		else
			high = middle;
	}
	return low && time - pointAt(low - 1).time < pointAt(low).time - time ? low - 1 : low;
}

// ---- the chart: panels above each other with one axis of time ----

let chart = null; // panels and scales as they were drawn last

function shape(name, attributes, text) {
	const made = document.createElementNS(element("timeline").namespaceURI, name);
	for (const [key, value] of Object.entries(attributes))
		made.setAttribute(key, typeof value === "number" ? value.toFixed(1) : value);
	if (text !== undefined)
		made.textContent = text;
	return made;
}

// The smallest of the steps that gives at most `count` of them.
function niceStep(most, count, steps) {
	return steps.find((step) => most / step <= count) || most;
}

function byteSteps() {
	return Array.from({ length: 60 }, (_, power) => 2 ** power);
}

function timeSteps() {
	const steps = [];
	for (let decade = 1e6; decade < 6e10; decade *= 10)
		steps.push(decade, 2 * decade, 5 * decade);
	return [...steps.filter((step) => step < 6e10),
		...[1, 2, 5, 10, 30, 60, 120, 360, 720, 1440].map((minutes) => minutes * 6e10)];
}

function tickText(bytes) {
	const scale = [[2 ** 30, " GiB"], [2 ** 20, " MiB"], [2 ** 10, " KiB"]].find(([least]) => bytes >= least);
	return scale ? Number((bytes / scale[0]).toPrecision(4)) + scale[1] : bytes ? bytes + " B" : "0";
}

// "2 s", not "2.00 s".
function tickTime(ns) {
	return ns ? formatTime(ns).replace(/(\.\d*?)0+ /, "$1 ").replace(". ", " ") : "0";
}

// One panel where live and resident bytes can be read off one scale, else two. A line may start above
// zero, an area may not.
function makePanels() {
	const live = Math.max(largest("live"), largest("most"), memory.peak_bytes, 1);
	const resident = largest("resident");
	const together = !resident || live >= resident * LEAST_SHARE;
	const panels = [{ live: true, resident: together && resident > 0,
		from: 0, to: Math.max(live, together ? resident : 0), height: PANEL_PX[0] }];
	if (!together) {
		const resident_start = pointAt(0).resident;
		let least = resident_start;
		for (let i = 0; i < pointCount(); i++)
			least = Math.min(least, pointAt(i).resident);
		const from = least > resident / 2 ? least - (resident - least) / 4 : 0;
		panels.push({ live: false, resident: true, from: Math.max(from, 0), to: resident,
			height: PANEL_PX[1] });
	}
	let top = CHART_TOP_PX;
	for (const panel of panels) {
		const step = niceStep(panel.to - panel.from, panel.height / 18, byteSteps());
		panel.ticks = [];
		for (let tick = Math.ceil(panel.from / step) * step; tick <= panel.to; tick += step)
			panel.ticks.push(tick);
		panel.top = top;
		panel.y = (bytes) => panel.top + panel.height -
			(bytes - panel.from) / Math.max(panel.to - panel.from, 1) * panel.height;
		top += panel.height + CHART_BOTTOM_PX;
	}
	return panels;
}

function linePath(panel, field) {
	let path = "";
	for (let i = 0; i < pointCount(); i++) {
		const point = pointAt(i);
		path += (i ? "L" : "M") + chart.x(point.time).toFixed(1) + " " + panel.y(point[field]).toFixed(1);
	}
	return path;
}

// What was live for a moment between two readings: a step up to it from the reading before.
function mostPath(panel) {
	let path = "M" + chart.x(pointAt(0).time).toFixed(1) + " " + panel.y(0).toFixed(1);
	for (let i = 0; i < pointCount(); i++) {
		const point = pointAt(i);
		path += "V" + panel.y(Math.max(point.most, point.live)).toFixed(1);
		path += "H" + chart.x(point.time).toFixed(1);
		if (i + 1 < pointCount())
			path += "V" + panel.y(Math.max(pointAt(i + 1).most, pointAt(i + 1).live)).toFixed(1);
	}
	return path + "V" + panel.y(0).toFixed(1) + "Z";
}

function drawPanel(panel) {
	const svg = element("timeline");
	const first = chart.x(pointAt(0).time), last = chart.x(pointAt(pointCount() - 1).time);

	for (const tick of panel.ticks) {
		const y = panel.y(tick);
		svg.append(shape("line", { class: "grid", x1: CHART_LEFT_PX, x2: chart.right, y1: y, y2: y }),
			shape("text", { class: "y", x: CHART_LEFT_PX - 8, y: y + 4 }, tickText(tick)));
	}
	if (panel.live) {
		svg.append(shape("path", { class: "most", d: mostPath(panel) }),
			shape("path", { class: "live-area", d: linePath(panel, "live") +
				`V${panel.y(0).toFixed(1)}H${first.toFixed(1)}Z` }),
			shape("path", { class: "live", d: linePath(panel, "live") }));
	}
	if (panel.resident)
		svg.append(shape("path", { class: "resident", d: linePath(panel, "resident") }));
	svg.append(shape("line", { class: "axis", x1: CHART_LEFT_PX, x2: chart.right,
		y1: panel.top + panel.height, y2: panel.top + panel.height }),
	shape("line", { class: "grid", x1: last, x2: last, y1: panel.top, y2: panel.top + panel.height }));
}

function drawTimes() {
	const svg = element("timeline");
	const step = niceStep(chart.end, Math.max((chart.right - CHART_LEFT_PX) / 90, 2), timeSteps());

	for (let time = 0; time <= chart.end; time += step)
		svg.append(shape("text", { class: "x", x: chart.x(time), y: chart.height - 4 }, tickTime(time)));
}

// Where the two views of a moment are: the peak, and the end.
function drawPeak() {
	const svg = element("timeline");
	const panel = chart.panels[0];
	const x = chart.x(memory.peak_at_ns), y = panel.y(memory.peak_bytes);
	const bottom = chart.height - CHART_BOTTOM_PX;
	const onRight = x > (CHART_LEFT_PX + chart.right) / 2;

	svg.append(shape("line", { class: "peak", x1: x, x2: x, y1: 4, y2: bottom }),
		shape("circle", { class: "peak", cx: x, cy: y, r: 3.5 }),
		shape("text", { class: "peak", x: onRight ? x - 6 : x + 6, y: 13,
			"text-anchor": onRight ? "end" : "start" },
		"peak " + formatValue(memory.peak_bytes) + " at " + formatTime(memory.peak_at_ns)));
}

function drawTimeline() {
	const svg = element("timeline");
	const width = svg.clientWidth;

	if (!memory || pointCount() < 2 || !width)
		return;
	const panels = makePanels();
	const bottom = panels[panels.length - 1];
	chart = { panels, right: width - CHART_RIGHT_PX, height: bottom.top + bottom.height + CHART_BOTTOM_PX,
		end: Math.max(memory.end_ns, pointAt(pointCount() - 1).time, 1) };
	chart.x = (time) => CHART_LEFT_PX + time / chart.end * (chart.right - CHART_LEFT_PX);
	svg.style.height = chart.height + "px";
	svg.replaceChildren();
	panels.forEach(drawPanel);
	drawTimes();
	if (memory.peak_bytes)
		drawPeak();
	drawCursor();
}

// ---- pointing at a moment ----

function pointWords(index) {
	const point = pointAt(index);
	const words = ["live " + formatValue(point.live)];
	if (point.most > point.live)
		words.push("up to " + formatValue(point.most) + " since " + formatTime(pointAt(Math.max(index - 1, 0)).time));
	if (largest("resident"))
		words.push("resident " + formatValue(point.resident));
	return words;
}

function drawCursor() {
	const svg = element("timeline");

	svg.querySelectorAll(".cursor").forEach((old) => old.remove());
	if (cursor < 0 || !chart)
		return;
	const point = pointAt(cursor);
	const x = chart.x(point.time);
	svg.append(shape("line", { class: "cursor", x1: x, x2: x, y1: CHART_TOP_PX,
		y2: chart.height - CHART_BOTTOM_PX }));
	for (const panel of chart.panels) {
		for (const field of ["live", "resident"]) {
			if (panel[field])
				svg.append(shape("circle", { class: "cursor", cx: x, cy: panel.y(point[field]), r: 3 }));
		}
	}
}

function pointTo(index) {
	const svg = element("timeline"), tip = element("tip");
	const bounds = svg.getBoundingClientRect();

	cursor = index;
	drawCursor();
	tip.hidden = cursor < 0;
	if (cursor < 0)
		return;
	const { time } = pointAt(cursor);
	const title = document.createElement("b");
	title.textContent = formatTime(time);
	tip.replaceChildren(title, document.createTextNode(pointWords(cursor).join("\n")));
	placeTip(bounds.left + chart.x(time), bounds.bottom - CHART_BOTTOM_PX);
	svg.setAttribute("aria-valuenow", cursor);
	svg.setAttribute("aria-valuetext", [formatTime(time), ...pointWords(cursor)].join(", "));
}

function prepareTimeline() {
	const svg = element("timeline");

	if (!memory)
		return;
	const series = [["live", "live"], ["most", "most between two readings"], ["resident", "resident (RSS)"]];

	element("timeline-box").hidden = pointCount() < 2;
	element("timeline-title").textContent = ["Over time", ...profile.processes.length > 1 ?
		["all processes together"] : [], ...memory.selected ? ["all functions"] : []].join(", ");
	svg.setAttribute("aria-valuemin", 0);
	svg.setAttribute("aria-valuemax", Math.max(pointCount() - 1, 0));
	element("timeline-legend").replaceChildren(...series.map(([name, words]) => {
		const entry = document.createElement("span");
		entry.textContent = words;
		entry.className = name;
		entry.hidden = name === "resident" && !largest("resident");
		return entry;
	}));
	svg.addEventListener("mousemove", (event) => {
		const part = (event.clientX - svg.getBoundingClientRect().left - CHART_LEFT_PX) /
			(chart.right - CHART_LEFT_PX);
		pointTo(part < 0 || part > 1 ? -1 : pointNear(part * chart.end));
	});
	svg.addEventListener("mouseleave", () => pointTo(-1));
	svg.addEventListener("blur", () => pointTo(-1));
	svg.addEventListener("keydown", (event) => {
		const last = pointCount() - 1;
		const next = { ArrowLeft: Math.max(cursor - 1, 0), ArrowRight: Math.min(cursor + 1, last),
			Home: 0, End: last }[event.key];
		if (next === undefined)
			return;
		pointTo(next);
		event.preventDefault();
	});
	element("timeline-box").addEventListener("toggle", () => { drawTimeline(); layOut(); drawSoon(); });
}
