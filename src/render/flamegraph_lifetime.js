// SPDX-License-Identifier: GPL-2.0-only
// Objects: how many of the largest classes were alive over time. The views are those of memory.

const LIFETIME_PANEL_PX = 110;
// Told apart by hue and, where that fails, by the order of the legend: the largest first.
const LIFETIME_COLOURS = ["#3b7dd8", "#d9730d", "#2f9e64", "#c2417c", "#8a63d2", "#a48a1f", "#3aa3b5",
	"#8b8b8b"];

const lifetimes = profile.lifetimes;
let lifetimeChart = null; // scales as they were drawn last
let lifetimeCursor = -1; // span that is pointed at

const spanCount = () => lifetimes.classes.length ? lifetimes.classes[0].alive.length : 0;
// What a span ends with is known at its end; the last one ends with the run.
const spanTime = (span) => Math.min((span + 1) * lifetimes.span_ns, Math.max(lifetimes.end_ns, 1));

function countText(count) {
	const scale = [[1e9, " G"], [1e6, " M"], [1e3, " k"]].find(([least]) => count >= least);
	return scale ? Number((count / scale[0]).toPrecision(3)) + scale[1] : String(count);
}

function countSteps() {
	const steps = [];
	for (let decade = 1; decade < 1e15; decade *= 10)
		steps.push(decade, 2 * decade, 5 * decade);
	return steps;
}

function drawLifetimeGrid(most) {
	const svg = element("timeline");
	const step = niceStep(most, LIFETIME_PANEL_PX / 18, countSteps());
	const bottom = lifetimeChart.y(0);

	for (let tick = 0; tick <= most; tick += step) {
		const y = lifetimeChart.y(tick);
		svg.append(shape("line", { class: "grid", x1: CHART_LEFT_PX, x2: lifetimeChart.right, y1: y, y2: y }),
			shape("text", { class: "y", x: CHART_LEFT_PX - 8, y: y + 4 }, countText(tick)));
	}
	svg.append(shape("line", { class: "axis", x1: CHART_LEFT_PX, x2: lifetimeChart.right, y1: bottom,
		y2: bottom }));
	const times = niceStep(lifetimeChart.end, Math.max((lifetimeChart.right - CHART_LEFT_PX) / 90, 2),
		timeSteps());
	for (let time = 0; time <= lifetimeChart.end; time += times)
		svg.append(shape("text", { class: "x", x: lifetimeChart.x(time), y: lifetimeChart.height - 4 },
			tickTime(time)));
}

function drawLifetimes() {
	const svg = element("timeline");
	const width = svg.clientWidth;

	if (!lifetimes || spanCount() < 2 || !width)
		return;
	const most = Math.max(1, ...lifetimes.classes.map(({ alive }) => Math.max(...alive)));
	const top = CHART_BOTTOM_PX / 2;
	lifetimeChart = { right: width - CHART_RIGHT_PX, height: top + LIFETIME_PANEL_PX + CHART_BOTTOM_PX,
		end: spanTime(spanCount() - 1) };
	lifetimeChart.x = (time) => CHART_LEFT_PX + time / lifetimeChart.end *
		(lifetimeChart.right - CHART_LEFT_PX);
	lifetimeChart.y = (count) => top + LIFETIME_PANEL_PX * (1 - count / most);
	svg.style.height = lifetimeChart.height + "px";
	svg.replaceChildren();
	drawLifetimeGrid(most);
	// The largest is drawn last: what it hides can be seen beside it.
	[...lifetimes.classes.entries()].reverse().forEach(([index, { alive }]) => {
		const points = alive.map((count, span) => lifetimeChart.x(spanTime(span)).toFixed(1) + " " +
			lifetimeChart.y(count).toFixed(1));
		svg.append(shape("path", { class: "of-class", stroke: LIFETIME_COLOURS[index],
			d: "M" + points.join("L") }));
	});
	drawLifetimeCursor();
}

// ---- pointing at a moment ----

function lifetimeWords(span) {
	return lifetimes.classes.map(({ name, alive }) => formatNumber(alive[span]) + " " + name);
}

function drawLifetimeCursor() {
	const svg = element("timeline");

	svg.querySelectorAll(".cursor").forEach((old) => old.remove());
	if (lifetimeCursor < 0 || !lifetimeChart)
		return;
	const x = lifetimeChart.x(spanTime(lifetimeCursor));
	svg.append(shape("line", { class: "cursor", x1: x, x2: x, y1: 0, y2: lifetimeChart.y(0) }));
	for (const { alive } of lifetimes.classes)
		svg.append(shape("circle", { class: "cursor", cx: x, cy: lifetimeChart.y(alive[lifetimeCursor]),
			r: 3 }));
}

function pointToSpan(span) {
	const svg = element("timeline"), tip = element("tip");
	const bounds = svg.getBoundingClientRect();

	lifetimeCursor = span;
	drawLifetimeCursor();
	tip.hidden = span < 0;
	if (span < 0)
		return;
	const title = document.createElement("b");
	title.textContent = formatTime(spanTime(span));
	tip.replaceChildren(title, document.createTextNode(lifetimeWords(span).join("\n")));
	placeTip(bounds.left + lifetimeChart.x(spanTime(span)), bounds.bottom - CHART_BOTTOM_PX);
	svg.setAttribute("aria-valuenow", span);
	svg.setAttribute("aria-valuetext", [formatTime(spanTime(span)), ...lifetimeWords(span)].join(", "));
}

function spanNear(part) {
	const time = part * lifetimeChart.end;
	return Math.max(0, Math.min(spanCount() - 1, Math.round(time / lifetimes.span_ns) - 1));
}

function prepareLifetimes() {
	const svg = element("timeline");

	if (!lifetimes)
		return;
	svg.setAttribute("aria-label", "Objects alive over time");
	element("views").setAttribute("aria-label", "What of the objects");
	element("timeline-box").hidden = spanCount() < 2;
	element("timeline-title").textContent = "Alive over time, the largest classes";
	element("timeline-legend").replaceChildren(...lifetimes.classes.map(({ name }, index) => {
		const entry = document.createElement("span");
		entry.textContent = name;
		entry.style.setProperty("--swatch", LIFETIME_COLOURS[index]);
		return entry;
	}));
	svg.setAttribute("aria-valuemin", 0);
	svg.setAttribute("aria-valuemax", Math.max(spanCount() - 1, 0));
	svg.addEventListener("mousemove", (event) => {
		if (!lifetimeChart)
			return;
		const part = (event.clientX - svg.getBoundingClientRect().left - CHART_LEFT_PX) /
			(lifetimeChart.right - CHART_LEFT_PX);
		pointToSpan(part < 0 || part > 1 ? -1 : spanNear(part));
	});
	svg.addEventListener("mouseleave", () => pointToSpan(-1));
	svg.addEventListener("blur", () => pointToSpan(-1));
	svg.addEventListener("keydown", (event) => {
		const last = spanCount() - 1;
		const next = { ArrowLeft: Math.max(lifetimeCursor - 1, 0),
			ArrowRight: Math.min(lifetimeCursor + 1, last), Home: 0, End: last }[event.key];
		if (next === undefined || !lifetimeChart)
			return;
		pointToSpan(next);
		event.preventDefault();
	});
	element("timeline-box").addEventListener("toggle", () => { drawLifetimes(); layOut(); drawSoon(); });
}
