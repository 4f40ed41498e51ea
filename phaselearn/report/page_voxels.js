// The map's own voxels as points, larger and brighter where denser: the report's way of drawing.
"use strict";

const PageVoxels = (() => {
  const { ink } = Page;
  const { cartesian, current, state } = PageCrystal;

  // Voxels of a map from a share of its maximum up; none of them below 0.
  function above(kind) {
    const { crystal, maps } = current();
    const { values, shape } = maps[kind].voxels;
    const highest = Maps.maximum(maps[kind].voxels);
    const found = { x: [], y: [], z: [], share: [] };
    for (let index = 0; index < values.length; index++) {
      const share = values[index] / highest;
      if (!(highest > 0) || share <= state.threshold / 100 || share <= 0) continue;
      const [i, j] = [Math.floor(index / (shape[1] * shape[2])), Math.floor(index / shape[2]) % shape[1]];
      const place = cartesian(crystal, [i / shape[0], j / shape[1], (index % shape[2]) / shape[2]]);
      ["x", "y", "z"].forEach((axis, n) => found[axis].push(place[n]));
      found.share.push(share);
    }
    return found;
  }

  function voxelTrace(kind) {
    const { x, y, z, share } = above(kind);
    return {
      type: "scatter3d", mode: "markers", x, y, z, text: share.map((value) => `${Math.round(100 * value)} % of the maximum`),
      hovertemplate: "%{text}<extra></extra>",
      marker: {
        symbol: "square", size: share.map((value) => 1 + 8 * value), color: share.map((value) => 100 * value), cmin: 0, cmax: 100,
        colorscale: "Cividis", line: { width: 0 }, opacity: 0.85,
        colorbar: { thickness: 10, len: 0.5, x: 0.97, outlinewidth: 0, tickvals: [0, 50, 100], ticktext: ["0", "50", "100 %"] },
      },
    };
  }

  function truthTrace() {
    const { x, y, z } = above("truth");
    return {
      type: "scatter3d", mode: "markers", x, y, z, hoverinfo: "skip",
      marker: { symbol: "square-open", size: 4, color: ink().truth, opacity: 0.7 },
    };
  }

  return { truthTrace, voxelTrace };
})();
