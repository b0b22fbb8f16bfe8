// SPDX-License-Identifier: GPL-2.0-only
// The flame graph's data: the profile as it lies in the page, what the page shows of it, the trees
// and the search. The first half of the page's one script; flamegraph.js is the other.
"use strict";

const profile = JSON.parse(document.getElementById("profile").textContent);
const element = (id) => document.getElementById(id);

const ROW_PX = 19;
const NARROWEST_PX = 0.6; // boxes below this are not drawn, nor is anything inside them
const REST_CHILDREN = 500;
const TABLE_ROWS = 500;
const ORIGINS = ["application", "library", "standard", "native", "kernel", "note"];
const ORIGIN_WORDS = ["the program's Python", "site-packages", "standard library", "native code",
	"kernel", "not a function"];
const NATIVE = ORIGINS.indexOf("native"); // and what follows: not Python
const ROOT = -1;
const REST = -2; // stands for the children of a node that are too narrow to be drawn

// What the page shows; all of it is in the address behind "#", so that a view can be sent on.
const state = { scope: "all", merge: "function", invert: false, icicle: true, view: "graph",
	show: profile.show || "", search: "", zoom: "" };

// Of memory there are several views, each with sums of its own; of time there is one.
const viewNamed = (name) => profile.views && profile.views.find((view) => view.name === name);
const shown = () => viewNamed(state.show) || profile;
const unitOf = (view) => view.unit || profile.unit;

// ---- numbers ----

function decimals(value) {
	return value >= 100 ? 0 : value >= 10 ? 1 : 2;
}

// What would round to 1000 of a unit is 1.00 of the next.
function formatValue(value, unit = unitOf(shown())) {
	const scales = unit === "ns" ? [[1e9, " s"], [1e6, " ms"], [1e3, " \u00b5s"], [1, " ns"]] :
		unit === "bytes" ? [[2 ** 30, " GiB"], [2 ** 20, " MiB"], [2 ** 10, " KiB"], [1, " B"]] :
		[[1, ""]];
	const [step, words] = scales.find(([least]) => value >= least * 0.9995) || scales[scales.length - 1];
	return (value / step).toFixed(step === 1 ? 0 : decimals(value / step)) + words;
}

function formatPercent(part, whole) {
	const percent = whole ? part * 100 / whole : 0;
	return percent.toFixed(percent >= 0.1 || percent === 0 ? 1 : 2) + " %";
}

function formatNumber(number) {
	return String(number).replace(/\B(?=(\d{3})+$)/g, ",");
}

function formatCount(count) {
	const words = shown().counts;
	return formatNumber(count) + " " + (count === 1 ? words.slice(0, -1) : words);
}

// With half the width of its 95 % interval where it is an estimate that knows its error.
function formatEstimate(value, variance) {
	return formatValue(value) + (variance ? " \u00b1 " + formatValue(Math.sqrt(variance)) : "");
}

function formatAmount(node, count, whole) {
	const counted = unitOf(shown()) === "samples" ? "" : ", " + formatCount(count);
	return formatEstimate(node.value, node.variance) + counted + ", " + formatPercent(node.value, whole);
}

// ---- keys: what is merged into one box ----

const frameCount = profile.frames.length / 2;
const frameFunction = (frame) => profile.frames[frame * 2];
const frameLine = (frame) => profile.frames[frame * 2 + 1];
const frameKey = (frame) => state.merge === "line" ? frame : frameFunction(frame);
const keyFunction = (key) => profile.functions[state.merge === "line" ? frameFunction(key) : key];
const keyCount = () => state.merge === "line" ? frameCount : profile.functions.length;

function keyPlace(key) {
	const [, module, , place, line] = keyFunction(key);
	const at = state.merge === "line" ? frameLine(key) : line;
	return (place || module) + (at > 0 ? ":" + at : "");
}

function keyLabel(key) {
	const place = keyPlace(key);
	return keyFunction(key)[0] + (place ? " (" + place + ")" : "");
}

// ---- sums in scope: flat [thread, stack, samples, value]; `errors` one for each ----

function inScope(thread) {
	if (state.scope === "all")
		return true;
	const id = Number(state.scope.slice(1));
	return state.scope[0] === "t" ? thread === id : profile.threads[thread][0] === id;
}

function eachSum(visit) {
	const { sums, errors } = shown();
	for (let i = 0; i < sums.length; i += 4) {
		if (inScope(sums[i]))
			visit(sums[i + 1], sums[i + 2], sums[i + 3], errors ? errors[i / 4] ** 2 : 0);
	}
}

// ---- trees ----

function newNode(key, parent) {
	return { key, parent, value: 0, samples: 0, variance: 0, own: 0, self: 0, children: [], pending: null };
}

function addTo(node, samples, value, variance) {
	node.value += value;
	node.samples += samples;
	node.variance += variance;
}

// Callers above callees: each stack finds its node once, after its parent (parents are older).
function buildTree() {
	const root = newNode(ROOT, null);
	const nodes = new Array(profile.parents.length);
	const known = new Map();
	const keys = keyCount();
	let count = 1;

	root.number = 0;
	nodes[0] = root;
	for (let stack = 1; stack < nodes.length; stack++) {
		const parent = nodes[profile.parents[stack]];
		const key = frameKey(profile.stackFrames[stack]);
		const code = parent.number * keys + key;
		let node = known.get(code);
		if (!node) {
			node = newNode(key, parent);
			node.number = count++;
			known.set(code, node);
			parent.children.push(node);
		}
		nodes[stack] = node;
	}
	eachSum((stack, samples, value, variance) => {
		nodes[stack].self += value;
		nodes[stack].own += samples;
		for (let node = nodes[stack]; node; node = node.parent)
			addTo(node, samples, value, variance);
	});
	return root;
}

// The innermost function first, below it who called it. Such a tree can be far larger than the
// stacks it is made of, so a node is opened only when it is looked at: `pending` are its stacks.
function buildInverted() {
	const root = newNode(ROOT, null);

	root.pending = [];
	eachSum((stack, samples, value, variance) => {
		addTo(root, samples, value, variance);
		if (stack)
			root.pending.push(stack, samples, value, variance);
		else
			root.self += value;
	});
	return root;
}

function openNode(node) {
	const pending = node.pending;
	const byKey = new Map();

	if (!pending)
		return;
	node.pending = null;
	for (let i = 0; i < pending.length; i += 4) {
		const stack = pending[i], samples = pending[i + 1], value = pending[i + 2];
		const variance = pending[i + 3];
		const key = frameKey(profile.stackFrames[stack]);
		let child = byKey.get(key);
		if (!child) {
			child = newNode(key, node);
			child.pending = [];
			byKey.set(key, child);
			node.children.push(child);
		}
		addTo(child, samples, value, variance);
		if (node.key === ROOT)
			child.self += value;
		if (profile.parents[stack])
			child.pending.push(profile.parents[stack], samples, value, variance);
	}
}

// The children, largest first, so that drawing can stop at the first that is too narrow.
function childrenOf(node) {
	openNode(node);
	if (!node.sorted) {
		node.children = node.children.filter((child) => child.value > 0);
		node.children.sort((a, b) => b.value - a.value || (keyLabel(a.key) < keyLabel(b.key) ? -1 : 1));
		node.sorted = true;
	}
	return node.children;
}

// The children from the `from`th on as one node, so that they can be zoomed into together; no more
// of them than a window is wide.
function restOf(node, from) {
	node.rests = node.rests || new Map();
	let rest = node.rests.get(from);
	if (!rest) {
		rest = newNode(REST, node);
		rest.from = from;
		rest.children = childrenOf(node).slice(from, from + REST_CHILDREN);
		rest.sorted = true;
		for (const child of rest.children) {
			addTo(rest, child.samples, child.value, child.variance);
			rest.own += child.own;
		}
		node.rests.set(from, rest);
	}
	return rest;
}

// How many samples had the node's stack at least, or how many calls the node stands for: those it made
// are its children's. Callers of the hottest have the calls of the hottest.
function countOf(node) {
	return shown().counts === "calls" && !state.invert && node.parent ? node.own : node.samples;
}

let root = null;
let zoomed = null;
let selected = null;

function zoomPath(node) {
	const path = [];
	for (; node.parent; node = node.parent)
		path.unshift(node.key === REST ? "r" + node.from : childrenOf(node.parent).indexOf(node));
	return path.join(".");
}

function nodeAtPath(path) {
	let node = root;
	for (const index of path === "" ? [] : path.split(".")) {
		const rest = index.startsWith("r");
		const at = Number(rest ? index.slice(1) : index);
		if (!childrenOf(node)[at])
			return root;
		node = rest ? restOf(node, at) : childrenOf(node)[at];
	}
	return node;
}

// The functions on the way to a node, and the node that such a way leads to as far as it goes, in a
// tree with other values in which the same functions stand in another order.
function zoomKeys(node) {
	const keys = [];
	for (; node.parent; node = node.parent) {
		if (node.key !== REST)
			keys.unshift(node.key);
	}
	return keys;
}

function nodeAtKeys(keys) {
	let node = root;
	for (const key of keys) {
		const child = childrenOf(node).find((candidate) => candidate.key === key);
		if (!child)
			break;
		node = child;
	}
	return node;
}

// ---- search ----

let matches = null; // by key: does it match; null: nothing is searched
let matchedValue = 0;
let matchedSamples = 0;

function searchTest() {
	try {
		const expression = new RegExp(state.search, "i");
		return (text) => expression.test(text);
	} catch {
		const wanted = state.search.toLowerCase();
		return (text) => text.toLowerCase().includes(wanted);
	}
}

function runSearch() {
	matches = null;
	if (state.search) {
		const test = searchTest();
		matches = new Uint8Array(keyCount());
		for (let key = 0; key < matches.length; key++)
			matches[key] = test(keyLabel(key)) || test(keyFunction(key)[1]) ? 1 : 0;
		const hit = new Uint8Array(profile.parents.length);
		for (let stack = 1; stack < hit.length; stack++)
			hit[stack] = hit[profile.parents[stack]] | matches[frameKey(profile.stackFrames[stack])];
		matchedValue = matchedSamples = 0;
		eachSum((stack, samples, value) => {
			matchedValue += hit[stack] ? value : 0;
			matchedSamples += hit[stack] ? samples : 0;
		});
	}
	element("matched").textContent = matches ?
		"matched " + formatPercent(matchedValue, root.value) + " (" + formatValue(matchedValue) + ")" : "";
}
