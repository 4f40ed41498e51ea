// Plots in the colours of the page, light or dark, and tables that a click on a heading sorts.
"use strict";

(() => {
  const MANY_ROWS = 10; // from which on a table is filtered
  const ROW = 190; // pixels: height of a plot among several below one another
  const CONFIG = { displaylogo: false, responsive: true, modeBarButtons: [["toImage"]] };

  function themed(layout) {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const ruled = { gridcolor: colour("grid"), linecolor: colour("line"), zeroline: false };
    return {
      ...layout,
      font: { family: "system-ui, sans-serif", size: 13, color: colour("ink") },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("soft"), activecolor: colour("ink") },
      hoverlabel: { bgcolor: colour("panel"), font: { color: colour("ink") } },
      xaxis: { ...ruled, ...layout.xaxis },
      yaxis: { ...ruled, ...layout.yaxis },
      ...Object.fromEntries(
        Object.keys(layout).filter((key) => /^[xy]axis\d/.test(key)).map((key) => [key, { ...ruled, ...layout[key] }]),
      ),
    };
  }

  // Plotly takes some HTML in the ticks of an axis, and none in those of parallel axes.
  const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

  // Where labels of parallel axes would overlap, each axis is plotted against the last, that of the results.
  function stacked([{ dimensions, line }]) {
    const result = dimensions.at(-1);
    const settings = dimensions.slice(0, -1);
    const layout = {
      showlegend: false,
      height: ROW * settings.length,
      margin: { l: 60, r: 10, t: 30, b: 45 },
      grid: { rows: settings.length, columns: 1, pattern: "independent", ygap: 0.5 },
    };
    const data = settings.map(({ label, values, tickvals, ticktext }, place) => {
      const number = place > 0 ? place + 1 : "";
      layout[`xaxis${number}`] = { title: { text: label, standoff: 4 }, tickvals, ticktext: ticktext?.map(escaped) };
      layout[`yaxis${number}`] = { title: { text: result.label } };
      return {
        type: "scatter",
        mode: "markers",
        x: values,
        y: result.values,
        xaxis: `x${number}`,
        yaxis: `y${number}`,
        marker: { color: line.color, colorscale: line.colorscale },
      };
    });
    return { data, layout };
  }

  function draw() {
    for (const place of document.querySelectorAll(".plot")) {
      const plot = JSON.parse(place.nextElementSibling.textContent);
      const { data, layout } = place.clientWidth < plot.layout.meta?.narrowest ? stacked(plot.data) : plot;
      place.style.height = layout.height ? `${layout.height}px` : "";
      Plotly.react(place, data, themed(layout), CONFIG);
    }
  }

  const value = (row, column) => row.children[column].textContent.trim();
  // "71 %", "−0.03" and "0.95 ± 0.01" are sorted as the numbers that they begin with, what has none last.
  const amount = (text) => Number.parseFloat(text.replace("−", "-").replaceAll(",", ""));

  function sort(table, column, heading) {
    const ascending = heading.getAttribute("aria-sort") === "descending";
    const body = table.tBodies[0];
    const rows = [...body.rows];
    const numeric = rows.some((row) => !Number.isNaN(amount(value(row, column)))) && column > 0;
    const missing = ascending ? Infinity : -Infinity;
    const key = (row) => {
      const number = amount(value(row, column));
      return Number.isNaN(number) ? missing : number;
    };
    rows.sort((one, other) =>
      numeric ? key(one) - key(other) : value(one, column).localeCompare(value(other, column)),
    );
    if (!ascending) rows.reverse();
    body.append(...rows);
    for (const other of heading.parentElement.children) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  }

  // A field above a long table that hides the rows without the words typed there.
  function addFilter(table) {
    const field = Object.assign(document.createElement("input"), { type: "search", placeholder: "filter rows" });
    field.setAttribute("aria-label", "filter rows");
    field.addEventListener("input", () => {
      const words = field.value.toLowerCase().split(/\s+/);
      for (const row of table.tBodies[0].rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
      }
    });
    table.parentElement.before(field);
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    if (table.tBodies[0].rows.length >= MANY_ROWS) addFilter(table);
    [...table.tHead.rows[0].children].forEach((heading, column) =>
      heading.firstElementChild.addEventListener("click", () => sort(table, column, heading)),
    );
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  matchMedia("(orientation: portrait)").addEventListener("change", draw); // a phone was turned
  draw();
})();
