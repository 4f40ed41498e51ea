// What every part of the page shares: the report's data, its colours and how plotly is set.
"use strict";

const Page = (() => {
  const report = JSON.parse(document.getElementById("report-data").textContent);
  const element = (id) => document.getElementById(id);
  const AXES = ["x", "y", "z"];
  const CONFIG = { displaylogo: false, responsive: true, modeBarButtons: [["toImage"]] };

  const ink = () => {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const names = ["paper", "panel", "ink", "soft", "line", "grid", "truth", "prediction", "floor"];
    return Object.fromEntries(names.map((name) => [name, colour(name)]));
  };
  const font = (colours) => ({ family: "system-ui, sans-serif", size: 13, color: colours.ink });
  const modebar = (colours) => ({ bgcolor: "rgba(0,0,0,0)", color: colours.soft, activecolor: colours.ink });
  const number = (value, digits) => (value === null ? "–" : value.toFixed(digits).replace("-", "−"));

  return { AXES, CONFIG, element, font, ink, modebar, number, report };
})();
