// Draws what is in #data: charts by uPlot, one for each panel, with one axis of time for all of them; and the table of verdicts.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const charts = [];

  const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  const POWERS_OF_TWO = Array.from({ length: 60 }, (_, i) => 2 ** i);

  const bytes = (value) => {
    if (value === null || value === undefined) return "";
    let power = 0;
    for (let rest = Math.abs(value); rest >= 1024 && power + 1 < UNITS.length; rest /= 1024) power++;
    const number = value / 1024 ** power;
    return `${Number(number.toFixed(number < 10 && power > 0 ? 2 : 1))} ${UNITS[power]}`;
  };
  const count = (value) => (value === null || value === undefined ? "" : String(Math.round(value)));
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // What begins low is better seen from zero.
  const range = (_, low, high) => {
    if (low === null) return [0, 1];
    const from = low >= 0 && low < high / 2 ? 0 : low;
    const room = (high - from) * 0.05 || Math.abs(high) * 0.05 || 1;
    return [from === 0 ? 0 : from - room, high + room];
  };

  // All charts show the same span of time.
  let isFollowing = false;
  const follow = (chart, key) => {
    if (key !== "x" || isFollowing) return;
    isFollowing = true;
    const { min, max } = chart.scales.x;
    for (const other of charts) if (other !== chart) other.setScale("x", { min, max });
    isFollowing = false;
  };

  // [at least so many seconds between ticks, label, and what is below it when the year, month, day, hour, minute or second is new]
  const DAY = "\n{YYYY}-{MM}-{DD}";
  const TIMES = [
    [86400, "{MM}-{DD}", "\n{YYYY}", null, null, null, null, null, 1],
    [60, "{HH}:{mm}", DAY, null, "\n{MM}-{DD}", null, null, null, 1],
    [1, "{HH}:{mm}:{ss}", DAY, null, "\n{MM}-{DD}", null, null, null, 1],
  ];

  const options = (panel, width) => {
    const format = panel.unit === "bytes" ? bytes : count;
    const axis = { stroke: () => style("--quiet"), grid: { stroke: () => style("--rule"), width: 1 }, ticks: { stroke: () => style("--rule"), width: 1 } };
    const values = { ...axis, size: 80, values: (_, splits) => splits.map(format) };
    if (panel.unit === "bytes") values.incrs = POWERS_OF_TWO;
    return {
      width,
      height: 260,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      cursor: { sync: { key: "orphan" }, drag: { x: true, y: false } },
      scales: { y: { range } },
      axes: [{ ...axis, values: TIMES }, values],
      series: [
        { value: (_, seconds) => (seconds === null ? "" : new Date(seconds * 1000).toISOString().slice(0, 19).replace("T", " ")) },
        ...panel.lines.map((line) => ({ label: line.name, stroke: line.colour, width: 2, value: (_, value) => format(value) })),
      ],
      hooks: { setScale: [follow], setSeries: [(chart, index) => reflect(chart, index)] },
    };
  };

  // A series that is switched in a chart's legend is switched in the table.
  const boxes = new Map();
  const reflect = (chart, index) => {
    if (index === null) return;
    const box = boxes.get(`${charts.indexOf(chart)} ${index - 1}`);
    if (box) box.checked = chart.series[index].show;
  };

  const host = document.getElementById("charts");
  for (const panel of data.panels) {
    const title = document.createElement("h2");
    title.textContent = panel.title;
    const place = document.createElement("div");
    host.append(title, place);
    charts.push(new uPlot(options(panel, host.clientWidth), [data.time, ...panel.lines.map((line) => line.values)], place));
  }
  new ResizeObserver(() => {
    for (const chart of charts) if (chart.width !== host.clientWidth) chart.setSize({ width: host.clientWidth, height: 260 });
  }).observe(host);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts.forEach((chart) => chart.redraw()));

  const cell = (row, text, name = "") => {
    const made = document.createElement("td");
    made.textContent = text;
    made.className = name;
    row.append(made);
    return made;
  };
  const switchFor = (line, name) => {
    const box = document.createElement("input");
    box.type = "checkbox";
    box.checked = true;
    box.setAttribute("aria-label", `show ${name}`);
    box.addEventListener("change", () => charts[line.panel].setSeries(line.index + 1, { show: box.checked }));
    boxes.set(`${line.panel} ${line.index}`, box);
    return box;
  };
  const body = document.querySelector("#verdicts tbody");
  for (const verdict of data.rows) {
    const row = document.createElement("tr");
    if (verdict.leak) row.className = "leak";
    const shown = cell(row, "");
    const name = document.createElement("th");
    name.scope = "row";
    name.textContent = verdict.name;
    if (verdict.line !== null) {
      shown.append(switchFor(verdict.line, verdict.name));
      const swatch = document.createElement("span");
      swatch.className = "swatch";
      swatch.style.background = data.panels[verdict.line.panel].lines[verdict.line.index].colour;
      name.prepend(swatch);
    }
    if (verdict.remark) {
      const remark = document.createElement("span");
      remark.className = "remark";
      remark.textContent = verdict.remark;
      name.append(remark);
    }
    row.append(name);
    cell(row, verdict.verdict, "verdict");
    cell(row, verdict.rate, "number");
    cell(row, verdict.interval, "number");
    cell(row, verdict.r2, "number");
    cell(row, verdict.lasts, "number");
    body.append(row);
  }
  document.getElementById("words").textContent = data.words;
  document.getElementById("others").textContent = data.others;
})();
