// SPDX-License-Identifier: GPL-2.0-only
// Collections: what share of each moment the collector took. The views are those of memory.

const GC_PANEL_PX = 90;
const GC_NUMBERS = 3; // of a span: collections, pause, the longest one

const gc = profile.gc;
let gcChart = null; // scales as they were drawn last
let gcCursor = -1; // span that is pointed at

const gcSpanCount = () => gc.spans.length / GC_NUMBERS;
const gcEnd = () => Math.max(gc.end_ns, gcSpanCount() * gc.span_ns, 1);
const gcSpan = (index) => {
	const [collections, pause, longest] = gc.spans.slice(index * GC_NUMBERS, (index + 1) * GC_NUMBERS);
	return { collections, pause, longest };
};

// Of several processes, or threads with interpreters of their own, there may be more than 100 %.
const gcShare = (index) => gcSpan(index).pause / gc.span_ns * 100;

function gcPath() {
	let path = "M" + gcChart.x(0).toFixed(1) + " " + gcChart.y(0).toFixed(1);
	for (let i = 0; i < gcSpanCount(); i++) {
		path += "V" + gcChart.y(gcShare(i)).toFixed(1);
		path += "H" + gcChart.x((i + 1) * gc.span_ns).toFixed(1);
	}
	return path + "V" + gcChart.y(0).toFixed(1) + "Z";
}

function drawGcGrid(most) {
	const svg = element("timeline");
	const bottom = gcChart.y(0);
	const step = niceStep(most, GC_PANEL_PX / 18, [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]);

	for (let tick = 0; tick <= most; tick += step) {
		const y = gcChart.y(tick);
		svg.append(shape("line", { class: "grid", x1: CHART_LEFT_PX, x2: gcChart.right, y1: y, y2: y }),
			shape("text", { class: "y", x: CHART_LEFT_PX - 8, y: y + 4 }, Number(tick.toFixed(1)) + " %"));
	}
	svg.append(shape("line", { class: "axis", x1: CHART_LEFT_PX, x2: gcChart.right, y1: bottom, y2: bottom }));
	const times = niceStep(gcChart.end, Math.max((gcChart.right - CHART_LEFT_PX) / 90, 2), timeSteps());
	for (let time = 0; time <= gcChart.end; time += times)
		svg.append(shape("text", { class: "x", x: gcChart.x(time), y: gcChart.height - 4 }, tickTime(time)));
}

function drawGc() {
	const svg = element("timeline");
	const width = svg.clientWidth;

	if (!gc || !gcSpanCount() || !width)
		return;
	let most = 0.1;
	for (let i = 0; i < gcSpanCount(); i++)
		most = Math.max(most, gcShare(i));
	const top = CHART_BOTTOM_PX / 2;
	gcChart = { right: width - CHART_RIGHT_PX, height: top + GC_PANEL_PX + CHART_BOTTOM_PX, end: gcEnd() };
	gcChart.x = (time) => CHART_LEFT_PX + time / gcChart.end * (gcChart.right - CHART_LEFT_PX);
	gcChart.y = (share) => top + GC_PANEL_PX * (1 - share / most);
	svg.style.height = gcChart.height + "px";
	svg.replaceChildren();
	drawGcGrid(most);
	svg.append(shape("path", { class: "live-area", d: gcPath() }), shape("path", { class: "live", d: gcPath() }));
	drawGcCursor();
}

// ---- pointing at a moment ----

function gcWords(index) {
	const { collections, pause, longest } = gcSpan(index);
	const words = [formatNumber(collections) + (collections === 1 ? " collection" : " collections")];
	if (pause)
		words.push(formatValue(pause, "ns") + " paused, " + Number(gcShare(index).toPrecision(3)) + " %");
	if (longest)
		words.push("longest " + formatValue(longest, "ns"));
	return words;
}

function drawGcCursor() {
	const svg = element("timeline");

	svg.querySelectorAll(".cursor").forEach((old) => old.remove());
	if (gcCursor < 0 || !gcChart)
		return;
	const x = gcChart.x((gcCursor + 0.5) * gc.span_ns);
	svg.append(shape("line", { class: "cursor", x1: x, x2: x, y1: 0, y2: gcChart.y(0) }),
		shape("circle", { class: "cursor", cx: x, cy: gcChart.y(gcShare(gcCursor)), r: 3 }));
}

function pointToGc(index) {
	const svg = element("timeline"), tip = element("tip");
	const bounds = svg.getBoundingClientRect();

	gcCursor = index < gcSpanCount() ? index : -1;
	drawGcCursor();
	tip.hidden = gcCursor < 0;
	if (gcCursor < 0)
		return;
	const from = gcCursor * gc.span_ns;
	const title = document.createElement("b");
	title.textContent = formatTime(from) + " to " + formatTime(from + gc.span_ns);
	tip.replaceChildren(title, document.createTextNode(gcWords(gcCursor).join("\n")));
	placeTip(bounds.left + gcChart.x(from), bounds.bottom - CHART_BOTTOM_PX);
	svg.setAttribute("aria-valuenow", gcCursor);
	svg.setAttribute("aria-valuetext", [formatTime(from), ...gcWords(gcCursor)].join(", "));
}

function prepareGc() {
	const svg = element("timeline");

	if (!gc)
		return;
	svg.setAttribute("aria-label", "The collector's share of time");
	element("views").setAttribute("aria-label", "What of the collections");
	element("timeline-box").hidden = !gcSpanCount();
	element("timeline-title").textContent = "Share of wall time that the collector took, over time";
	svg.setAttribute("aria-valuemin", 0);
	svg.setAttribute("aria-valuemax", Math.max(gcSpanCount() - 1, 0));
	svg.addEventListener("mousemove", (event) => {
		if (!gcChart)
			return;
		const part = (event.clientX - svg.getBoundingClientRect().left - CHART_LEFT_PX) /
			(gcChart.right - CHART_LEFT_PX);
		pointToGc(part < 0 || part > 1 ? -1 : Math.floor(part * gcChart.end / gc.span_ns));
	});
	svg.addEventListener("mouseleave", () => pointToGc(-1));
	svg.addEventListener("blur", () => pointToGc(-1));
	svg.addEventListener("keydown", (event) => {
		const last = gcSpanCount() - 1;
		const next = { ArrowLeft: Math.max(gcCursor - 1, 0), ArrowRight: Math.min(gcCursor + 1, last),
			Home: 0, End: last }[event.key];
		if (next === undefined || !gcChart)
			return;
		pointToGc(next);
		event.preventDefault();
	});
	element("timeline-box").addEventListener("toggle", () => { drawGc(); layOut(); drawSoon(); });
}
