// A plane of the diffraction pattern.
"use strict";

const PagePattern = (() => {
  const { CONFIG, element, font, ink, modebar } = Page;
  const { current } = PageCrystal;

  // The plane l = 0, and the planes that there are.
  function reset() {
    const { crystal } = current();
    const slider = element("pattern-plane");
    slider.min = crystal.first_index[2];
    slider.max = crystal.first_index[2] + crystal.pattern.shape[2] - 1;
    slider.value = 0;
  }

  function draw() {
    const { crystal } = current();
    const colours = ink();
    const plane = Number(element("pattern-plane").value);
    element("pattern-value").textContent = String(plane).replace("-", "−");
    const { values, shape } = Maps.decode(crystal.pattern);
    const [alongH, alongK] = [0, 1].map((axis) =>
      Array.from({ length: shape[axis] }, (_, place) => place + crystal.first_index[axis]));
    const place = plane - crystal.first_index[2];
    // Rows of a heat map run along its vertical axis, k.
    const z = alongK.map((_, k) => alongH.map((_, h) => values[(h * shape[1] + k) * shape[2] + place]));
    const ruled = { showgrid: false, zeroline: false, color: colours.soft, constrain: "domain", tickformat: "d" };
    Plotly.react(
      "pattern",
      [
        {
          type: "heatmap", x: alongH, y: alongK, z, zmin: 0, zmax: crystal.pattern.high || 1, colorscale: "Cividis",
          hovertemplate: `h %{x}, k %{y}, l ${plane}: %{z:.2f}<extra></extra>`,
          colorbar: { thickness: 12, outlinewidth: 0, title: { text: "log₁₀(1 + I)" } },
        },
      ],
      {
        margin: { l: 55, r: 10, t: 26, b: 45 },
        paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: font(colours), modebar: modebar(colours),
        xaxis: { title: { text: "h" }, ...ruled },
        yaxis: { title: { text: "k" }, scaleanchor: "x", ...ruled },
      },
      CONFIG,
    );
  }

  return { draw, reset };
})();
