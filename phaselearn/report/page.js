// The report's page: curves, crystals and their controls. The mathematics is in maps.js, the drawing plotly's.
"use strict";

(() => {
  const report = JSON.parse(document.getElementById("report-data").textContent);
  const element = (id) => document.getElementById(id);
  const KINDS = ["truth", "prediction"];
  const AXES = ["x", "y", "z"];
  const NEAR_PLANE = 0.4; // Å
  // Okabe and Ito's colours without those of the surfaces; one an element, in the order of the atomic numbers.
  const ELEMENT_COLOURS = ["#009e73", "#cc79a7", "#f0e442", "#e8e8e8", "#6b5b95", "#8c6d31", "#222222"];
  const FIRST_VIEW = { eye: { x: 0.85, y: -1.95, z: 0.8 }, up: { x: 0, y: 0, z: 1 }, center: { x: 0, y: 0, z: -0.08 } };
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

  // ---- training curves -------------------------------------------------------------------------------------------

  function drawCurve(id, lines, axis) {
    const colours = ink();
    const ruled = { gridcolor: colours.grid, zeroline: false, linecolor: colours.line };
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
        xaxis: { title: { text: "epoch" }, tickformat: "d", ...ruled },
        yaxis: { ...ruled, ...axis },
      },
      CONFIG,
    );
  }

  function drawCurves() {
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

  // ---- crystals --------------------------------------------------------------------------------------------------

  const state = { crystal: 0, threshold: 0, axis: 2, position: 0, atoms: true, camera: FIRST_VIEW };
  const prepared = new Map();

  // Decoded and interpolated maps of a crystal, made when it is first looked at.
  function current() {
    const crystal = report.crystals[state.crystal];
    if (!prepared.has(crystal)) {
      const maps = {};
      for (const kind of KINDS) {
        const map = Maps.interpolate(Maps.decode(crystal[kind]), crystal.drawing_shape);
        maps[kind] = { map, highest: Maps.maximum(map) };
      }
      prepared.set(crystal, maps);
    }
    return { crystal, maps: prepared.get(crystal) };
  }

  const cartesian = (crystal, place) => Maps.toCartesian(crystal.lattice, ...place);
  const elementColour = (crystal, symbol) =>
    ELEMENT_COLOURS[crystal.elements.indexOf(symbol) % ELEMENT_COLOURS.length];

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

  function drawSurfaces() {
    const { crystal } = current();
    for (const kind of KINDS) {
      const traces = [surfaceTrace(kind), edgeTrace(crystal), edgeNames(crystal), atomTrace(crystal)];
      Plotly.react(`surface-${kind}`, traces, sceneLayout(crystal), CONFIG);
    }
  }

  function updateSurfaces() {
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

  // ---- slices ----------------------------------------------------------------------------------------------------

  function drawSlices() {
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

  // ---- controls --------------------------------------------------------------------------------------------------

  function drawChoices() {
    report.crystals.forEach((crystal, index) => {
      const label = document.createElement("label");
      const input = Object.assign(document.createElement("input"), { type: "radio", name: "crystal", value: index });
      input.checked = index === state.crystal;
      const chip = document.createElement("span");
      const small = document.createElement("small");
      small.textContent = `CC ${number(crystal.correlation, 2)} · floor ${number(crystal.correlation_floor, 2)}`;
      chip.append(formula(crystal.formula), small);
      label.append(input, chip);
      input.addEventListener("change", () => choose(index));
      element("crystal-choices").append(label);
    });
  }

  // A formula with its numbers as subscripts.
  function formula(text) {
    const fragment = document.createDocumentFragment();
    for (const part of text.match(/[\d.]+|[^\d.]+/g) ?? []) {
      if (/^[\d.]+$/.test(part)) {
        const subscript = document.createElement("sub");
        subscript.textContent = part;
        fragment.append(subscript);
      } else fragment.append(part);
    }
    return fragment;
  }

  function describe(crystal) {
    const facts = [
      ["crystal", crystal.id],
      ["structure type", `${crystal.prototype || "–"} (${crystal.prototype_seen ? "seen" : "not seen"} in training)`],
      ["space group", crystal.space_group_name],
      ["map correlation", `${number(crystal.correlation, 3)} (floor ${number(crystal.correlation_floor, 3)})`],
      ["gain over the floor", number(crystal.gain, 3)],
      ["phase error", crystal.phase_error === null ? "–" : `${number(crystal.phase_error, 0)}°`],
      ["verdict", crystal.verdict],
    ];
    element("crystal-facts").replaceChildren(
      ...facts.map(([term, text]) => {
        const group = document.createElement("div");
        const dt = Object.assign(document.createElement("dt"), { textContent: term });
        const dd = Object.assign(document.createElement("dd"), { textContent: text });
        group.append(dt, dd);
        return group;
      }),
    );
    element("element-legend").replaceChildren(
      "Atoms:",
      ...crystal.elements.flatMap((symbol) => {
        const swatch = Object.assign(document.createElement("span"), { className: "swatch" });
        swatch.style.background = elementColour(crystal, symbol);
        return [swatch, symbol];
      }),
    );
    element("map-files").textContent = `maps/${crystal.file_stem}_{truth,prediction}.{ccp4,cube}`;
  }

  function showControls() {
    element("threshold").value = state.threshold;
    element("threshold-value").textContent = `${state.threshold} %`;
    element("slice-position").value = state.position;
    element("slice-value").textContent = state.position.toFixed(2);
    element("slice-name").textContent = AXES[state.axis];
  }

  // The plane of the true map's highest voxel is worth a first look.
  function highestPlane() {
    const { maps } = current();
    const { map, highest } = maps.truth;
    let index = map.values.indexOf(highest);
    if (index < 0) return 0;
    const place = [];
    for (const axis of [2, 1, 0]) {
      place[axis] = (index % map.shape[axis]) / map.shape[axis];
      index = Math.floor(index / map.shape[axis]);
    }
    return Math.round(100 * place[state.axis]) / 100;
  }

  function choose(index) {
    state.crystal = index;
    state.position = highestPlane();
    describe(current().crystal);
    showControls();
    drawSurfaces();
    drawSlices();
  }

  // Runs at most once a frame, however often a slider moves.
  function oncePerFrame(action) {
    let waiting = false;
    return () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => {
        waiting = false;
        action();
      });
    };
  }

  function listen() {
    const redrawBoth = oncePerFrame(() => {
      updateSurfaces();
      drawSlices();
    });
    const redrawSlices = oncePerFrame(drawSlices);
    element("threshold").addEventListener("input", (event) => {
      state.threshold = Number(event.target.value);
      showControls();
      redrawBoth();
    });
    element("slice-position").addEventListener("input", (event) => {
      state.position = Number(event.target.value);
      showControls();
      redrawSlices();
    });
    element("slice-axis").addEventListener("change", (event) => {
      state.axis = Number(event.target.value);
      state.position = highestPlane();
      showControls();
      redrawSlices();
    });
    element("show-atoms").addEventListener("change", (event) => {
      state.atoms = event.target.checked;
      drawSurfaces();
      drawSlices();
    });
    element("reset-view").addEventListener("click", () => {
      state.camera = FIRST_VIEW;
      drawSurfaces();
    });
  }

  const hasCurves = Boolean(report.curves);
  const hasCrystals = report.crystals.length > 0;
  if (hasCurves) {
    drawCurves();
    element("log-loss").addEventListener("change", drawCurves);
  }
  if (hasCrystals) {
    state.threshold = Number(element("threshold").value);
    drawChoices();
    choose(0);
    linkCameras();
    listen();
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    if (hasCurves) drawCurves();
    if (hasCrystals) {
      drawSurfaces();
      drawSlices();
    }
  });
})();
