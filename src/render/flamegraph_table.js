// SPDX-License-Identifier: GPL-2.0-only
// The flame graph in numbers: a row for each function or line.

const HOTTEST = profile.views ? "largest" : "hottest";

// Whose own a stack's value is. Memory is asked for by Python's code, whatever native functions stand
// between that and the allocator.
function ownerOf(stack) {
	let owner = stack;

	if (!profile.views)
		return stack;
	while (owner && profile.functions[frameFunction(profile.stackFrames[owner])][5] >= NATIVE)
		owner = profile.parents[owner];
	return owner || stack;
}

function tableRows() {
	const self = new Float64Array(keyCount()), total = new Float64Array(keyCount());
	const counts = new Float64Array(keyCount()), seen = new Int32Array(keyCount());
	let sum = 0;

	eachSum((stack, samples, value) => {
		sum++;
		if (stack) {
			const key = frameKey(profile.stackFrames[ownerOf(stack)]);
			self[key] += value;
			counts[key] += samples;
		}
		for (; stack; stack = profile.parents[stack]) {
			const key = frameKey(profile.stackFrames[stack]);
			if (seen[key] !== sum)
				total[key] += value;
			seen[key] = sum;
		}
	});
	return [...total.keys()].filter((key) => total[key] > 0)
		.sort((a, b) => self[b] - self[a] || total[b] - total[a] || a - b)
		.map((key) => ({ key, self: self[key], count: counts[key], total: total[key] }));
}

function tableRow({ key, self, count, total }) {
	const row = document.createElement("tr");
	const numbers = [formatPercent(self, root.value), formatValue(self),
		...profile.views ? [formatNumber(count)] : [],
		formatPercent(total, root.value), formatValue(total)];

	for (const [kind, texts] of [["number", numbers], ["name", [keyFunction(key)[0]]],
		["place", [keyPlace(key)]]]) {
		for (const text of texts) {
			const cell = row.insertCell();
			cell.textContent = text;
			cell.className = kind;
		}
	}
	row.lastChild.title = keyFunction(key)[2];
	row.classList.toggle("found", Boolean(matches && matches[key]));
	return row;
}

function showTable() {
	const all = tableRows();
	const hidden = all.length - TABLE_ROWS;

	element("rows").replaceChildren(...all.slice(0, TABLE_ROWS).map(tableRow));
	element("table-note").textContent = all.length + (state.merge === "line" ? " lines" : " functions") +
		(hidden > 0 ? ", the " + HOTTEST + " " + TABLE_ROWS + " shown" : "") + "; " + HOTTEST +
		" by self first";
	element("counts").hidden = !profile.views;
	element("counts").textContent = capitalised(shown().counts);
}
