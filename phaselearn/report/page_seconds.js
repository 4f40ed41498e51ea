// What each method solves, and what that takes.
"use strict";

const PageSeconds = (() => {
  const { CONFIG, element, font, ink, modebar, report } = Page;

  function draw() {
    const colours = ink();
    const ruled = { gridcolor: colours.grid, zeroline: false, linecolor: colours.line };
    const colour = { network: colours.prediction, floor: colours.floor, other: colours.truth };
    Plotly.react(
      "solved-seconds",
      report.seconds.map((point) => ({
        type: "scatter",
        mode: "markers+text",
        name: point.method,
        x: [point.seconds],
        y: [point.solved],
        text: [point.method],
        textposition: "top center",
        marker: { color: colour[point.kind], size: 11 },
        hovertemplate: "%{y:.0f} % in %{x:.3g} s<extra>%{text}</extra>",
      })),
      {
        margin: { l: 60, r: 10, t: 10, b: 45 },
        paper_bgcolor: "rgba(0,0,0,0)",
        plot_bgcolor: "rgba(0,0,0,0)",
        font: font(colours),
        modebar: modebar(colours),
        showlegend: false,
        xaxis: { title: { text: "processor seconds per crystal" }, type: "log", dtick: "D2", tickformat: ".3~g", range: range(), ...ruled },
        yaxis: { title: { text: "solved / %" }, range: [-4, 109], ...ruled },
      },
      CONFIG,
    );
  }

  // In powers of ten, with room for the names beside the outermost points.
  function range() {
    const places = report.seconds.map((point) => Math.log10(point.seconds));
    return [Math.min(...places) - 0.4, Math.max(...places) + 0.4];
  }

  return { draw };
})();
