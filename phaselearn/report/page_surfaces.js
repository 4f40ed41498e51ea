// Truth and prediction in the cell, as isosurfaces or as voxels, side by side under one camera.
"use strict";

const PageSurfaces = (() => {
  const { AXES, CONFIG, element, font, ink, modebar } = Page;
  const { KINDS, cartesian, current, elementColour, state } = PageCrystal;

  function surfaceTrace(kind) {
    const { crystal, maps } = current();
    const { map, highest } = maps[kind];
    const mesh =
      highest > 0
        ? Maps.isosurface(map, crystal.lattice, (state.threshold / 100) * highest)
        : { x: [], y: [], z: [], i: [], j: [], k: [] };
    return {
      type: "mesh3d",
      ...mesh,
      visible: mesh.i.length > 0,
      color: ink()[kind],
      opacity: state.atoms ? 0.7 : 1,
      flatshading: false,
      lighting: { ambient: 0.6, diffuse: 0.6, specular: 0.05, roughness: 0.8, fresnel: 0 },
      lightposition: { x: 2000, y: -3000, z: 4000 },
      hoverinfo: "skip",
    };
  }

  function edgeTrace(crystal) {
    const line = { x: [], y: [], z: [] };
    const push = (place) => AXES.forEach((axis, i) => line[axis].push(place ? place[i] : null));
    for (let axis = 0; axis < 3; axis++) {
      for (let corner = 0; corner < 4; corner++) {
        const start = [0, 0, 0];
        start[(axis + 1) % 3] = corner & 1;
        start[(axis + 2) % 3] = corner >> 1;
        const end = [...start];
        end[axis] = 1;
        push(cartesian(crystal, start));
        push(cartesian(crystal, end));
        push(null);
      }
    }
    return {
      type: "scatter3d", mode: "lines", ...line, line: { color: ink().soft, width: 3 }, hoverinfo: "skip",
    };
  }

  function edgeNames(crystal) {
    const beyond = crystal.lattice.map((edge) => 1 + 0.35 / Math.hypot(...edge));
    const ends = [[beyond[0], 0, 0], [0, beyond[1], 0], [0, 0, beyond[2]], [-0.04, -0.04, -0.04]];
    const places = ends.map((end) => cartesian(crystal, end));
    return {
      type: "scatter3d", mode: "text", text: ["<b>a</b>", "<b>b</b>", "<b>c</b>", "0"],
      x: places.map((p) => p[0]), y: places.map((p) => p[1]), z: places.map((p) => p[2]),
      textfont: { size: 16, color: ink().ink }, hoverinfo: "skip",
    };
  }

  function atomTrace(crystal) {
    const places = crystal.atoms.map((atom) => cartesian(crystal, atom.position));
    return {
      type: "scatter3d", mode: "markers", visible: state.atoms,
      x: places.map((p) => p[0]), y: places.map((p) => p[1]), z: places.map((p) => p[2]),
      text: crystal.atoms.map((atom) => `${atom.symbol} (${atom.position.map((x) => x.toFixed(3)).join(", ")})`),
      hovertemplate: "%{text}<extra></extra>",
      marker: {
        size: 7, color: crystal.atoms.map((atom) => elementColour(crystal, atom.symbol)),
        line: { color: "#222222", width: 1 },
      },
    };
  }

  function sceneLayout(crystal) {
    const colours = ink();
    const corners = [0, 1, 2, 3, 4, 5, 6, 7].map((c) => cartesian(crystal, [c & 1, (c >> 1) & 1, c >> 2]));
    const low = [0, 1, 2].map((i) => Math.min(...corners.map((p) => p[i])));
    const high = [0, 1, 2].map((i) => Math.max(...corners.map((p) => p[i])));
    const margin = 0.09 * Math.max(...[0, 1, 2].map((i) => high[i] - low[i]));
    const sides = [0, 1, 2].map((i) => high[i] - low[i] + 2 * margin);
    // One scale on all axes, and a diagonal that fits the view however long the cell is.
    const scale = Math.sqrt(3) / Math.hypot(...sides);
    const axis = (name, i) => ({
      title: { text: `${name} / Å` },
      range: [low[i] - margin, high[i] + margin],
      showbackground: false, showspikes: false, gridcolor: colours.grid, zeroline: false, color: colours.soft,
      linecolor: colours.line, nticks: 6,
    });
    return {
      margin: { l: 0, r: 0, t: 0, b: 0 },
      paper_bgcolor: "rgba(0,0,0,0)",
      font: font(colours),
      modebar: modebar(colours),
      showlegend: false,
      hoverlabel: { bgcolor: colours.panel, font: { color: colours.ink } },
      scene: {
        xaxis: axis("x", 0), yaxis: axis("y", 1), zaxis: axis("z", 2),
        aspectmode: "manual", aspectratio: { x: scale * sides[0], y: scale * sides[1], z: scale * sides[2] }, camera: state.camera, dragmode: "turntable",
      },
    };
  }

  // The truth as it is seen through the prediction.
  function truthOver() {
    if (state.drawing === "voxels") return PageVoxels.truthTrace();
    return { ...surfaceTrace("truth"), opacity: 0.35 };
  }

  function draw() {
    const { crystal } = current();
    for (const kind of KINDS) {
      const map = state.drawing === "voxels" ? PageVoxels.voxelTrace(kind) : surfaceTrace(kind);
      const traces = [map, edgeTrace(crystal), edgeNames(crystal), atomTrace(crystal)];
      if (state.truthOver && kind === "prediction") traces.push(truthOver());
      Plotly.react(`surface-${kind}`, traces, sceneLayout(crystal), CONFIG);
    }
  }

  function update() {
    if (state.drawing === "voxels" || state.truthOver) {
      draw();
      return;
    }
    for (const kind of KINDS) {
      const { x, y, z, i, j, k, visible, opacity } = surfaceTrace(kind);
      const change = { visible, opacity };
      for (const [name, values] of Object.entries({ x, y, z, i, j, k })) change[name] = [values];
      Plotly.restyle(`surface-${kind}`, change, [0]);
    }
  }

  function linkCameras() {
    let busy = false;
    for (const kind of KINDS) {
      const other = KINDS.find((name) => name !== kind);
      const follow = (event) => {
        const camera = event && event["scene.camera"];
        if (!camera || busy) return;
        state.camera = camera;
        busy = true;
        requestAnimationFrame(() => {
          Plotly.relayout(`surface-${other}`, { "scene.camera": state.camera }).then(() => (busy = false));
        });
      };
      element(`surface-${kind}`).on("plotly_relayouting", follow);
      element(`surface-${kind}`).on("plotly_relayout", follow);
    }
  }

  return { draw, linkCameras, update };
})();
