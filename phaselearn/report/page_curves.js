// Training curves.
"use strict";

const PageCurves = (() => {
  const { CONFIG, element, font, ink, modebar, report } = Page;

  function drawCurve(id, lines, axis) {
    const colours = ink();
    const ruled = { gridcolor: colours.grid, zeroline: false, linecolor: colours.line };
    const epochs = Object.values(report.curves).flatMap((curve) => curve.epochs);
    const traces = lines
      .filter((line) => report.curves[line.series])
      .map((line) => ({
        type: "scatter",
        mode: report.curves[line.series].epochs.length < 30 ? "lines+markers" : "lines",
        name: line.name,
        x: report.curves[line.series].epochs,
        y: report.curves[line.series].values,
        line: { color: colours[line.colour], dash: line.dash, width: 2 },
      }));
    Plotly.react(
      id,
      traces,
      {
        margin: { l: 60, r: 10, t: 30, b: 45 },
        paper_bgcolor: "rgba(0,0,0,0)",
        plot_bgcolor: "rgba(0,0,0,0)",
        font: font(colours),
        modebar: modebar(colours),
        hovermode: "x unified",
        hoverlabel: { bgcolor: colours.panel, font: { color: colours.ink } },
        legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
        showlegend: true,
        // Between few epochs there would be ticks, too: 1.5 would read 2.
        xaxis: { title: { text: "epoch" }, tickformat: "d", dtick: Math.max(...epochs) < 8 ? 1 : undefined, ...ruled },
        yaxis: { ...ruled, ...axis },
      },
      CONFIG,
    );
  }

  function draw() {
    const logarithmic = element("log-loss").checked;
    drawCurve(
      "curve-loss",
      [
        { series: "train/loss", name: "training", colour: "truth" },
        { series: "val/loss", name: "validation", colour: "prediction" },
      ],
      { title: { text: "loss" }, type: logarithmic ? "log" : "linear", dtick: logarithmic ? "D2" : undefined, tickformat: ".3~g" },
    );
    drawCurve(
      "curve-correlation",
      [
        { series: "val/median_cc", name: "network", colour: "prediction" },
        { series: "val/floor", name: "phase-zero floor", colour: "floor", dash: "dash" },
      ],
      { title: { text: "median CC" } },
    );
  }

  return { draw };
})();
