// A plane through truth and prediction.
"use strict";

const PageSlices = (() => {
  const { CONFIG, font, ink, modebar } = Page;
  const { KINDS, current, state } = PageCrystal;
  const NEAR_PLANE = 0.4; // Å

  function draw() {
    const { crystal, maps } = current();
    const colours = ink();
    const [u, v] = [(state.axis + 1) % 3, (state.axis + 2) % 3];
    const [first, second] = Maps.planeBasis(crystal.lattice, state.axis);
    const inPlane = (p, q) => [p * first[0] + q * second[0], q * second[1]];
    const spacing = Maps.planeSpacing(crystal.lattice, state.axis);
    const near = crystal.atoms.filter((atom) => {
      const apart = Math.abs(atom.position[state.axis] - state.position);
      return Math.min(apart, 1 - apart) * spacing <= NEAR_PLANE;
    });
    const spots = near.map((atom) => inPlane(atom.position[u], atom.position[v]));
    const outline = [[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]].map(([p, q]) => inPlane(p, q));
    const name = (i) => "abc"[i];
    for (const kind of KINDS) {
      const { map, highest } = maps[kind];
      const cut = Maps.slice(map, crystal.lattice, state.axis, state.position);
      const share = cut.z.map((row) => row.map((value) => (value === null || !(highest > 0) ? null : (100 * value) / highest)));
      const traces = [
        {
          type: "heatmap", x: cut.x, y: cut.y, z: share, zmin: 0, zmax: 100, colorscale: "Cividis", hoverongaps: false,
          hovertemplate: "%{z:.0f} % of the maximum<extra></extra>",
          colorbar: { thickness: 12, outlinewidth: 0, tickvals: [0, 25, 50, 75, 100], ticktext: ["0", "25", "50", "75", "100 %"] },
        },
        {
          type: "contour", x: cut.x, y: cut.y, z: share, showscale: false, hoverinfo: "skip", line: { color: "#ffffff", width: 2 },
          contours: { coloring: "none", start: state.threshold, end: state.threshold, size: 1 },
          autocontour: false, connectgaps: false,
        },
        {
          type: "scatter", mode: "lines", x: outline.map((p) => p[0]), y: outline.map((p) => p[1]),
          line: { color: colours.soft, width: 1.5 }, hoverinfo: "skip",
        },
        {
          type: "scatter", mode: "markers", x: spots.map((p) => p[0]), y: spots.map((p) => p[1]), visible: state.atoms,
          text: near.map((atom) => atom.symbol), hovertemplate: "%{text}<extra></extra>",
          marker: { symbol: "cross-thin", size: 11, line: { color: "#ffffff", width: 2 } }, cliponaxis: false,
        },
      ];
      const ruled = { showgrid: false, zeroline: false, color: colours.soft, nticks: 6 };
      Plotly.react(
        `slice-${kind}`,
        traces,
        {
          margin: { l: 55, r: 10, t: 26, b: 45 },
          paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: font(colours), showlegend: false,
          modebar: modebar(colours),
          xaxis: { title: { text: `along ${name(u)} / Å` }, constrain: "domain", ...ruled },
          yaxis: {
            title: { text: `across ${name(u)}, towards ${name(v)} / Å` },
            scaleanchor: "x", constrain: "domain", ...ruled,
          },
        },
        CONFIG,
      );
    }
  }

  return { draw };
})();
