// The controls, and the first drawing of everything.
"use strict";

(() => {
  const { AXES, element, number, report } = Page;
  const { FIRST_VIEW, current, elementColour, highestPlane, state } = PageCrystal;

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
    for (const block of document.querySelectorAll("[data-crystal]")) {
      block.hidden = Number(block.dataset.crystal) !== state.crystal;
    }
    const files = ["truth", "prediction"].flatMap((map) => ["ccp4", "cube"].map((kind) => `${map}.${kind}`));
    element("map-files").replaceChildren(
      ...files.flatMap((name, place) => {
        const href = `maps/${encodeURIComponent(`${crystal.file_stem}_${name}`)}`;
        const link = Object.assign(document.createElement("a"), { href, download: "", textContent: name });
        return place ? [" · ", link] : [link];
      }),
    );
  }

  function showControls() {
    const voxels = state.drawing === "voxels";
    // All voxels are drawn at 0; a surface at 0 is that of the noise.
    element("threshold").min = voxels ? 0 : 5;
    state.threshold = Math.max(state.threshold, Number(element("threshold").min));
    element("threshold-name").textContent = voxels ? "Voxels above" : "Surface at";
    element("threshold").value = state.threshold;
    element("threshold-value").textContent = `${state.threshold} %`;
    element("slice-position").value = state.position;
    element("slice-value").textContent = state.position.toFixed(2);
    element("slice-name").textContent = AXES[state.axis];
  }

  function choose(index) {
    state.crystal = index;
    state.position = highestPlane();
    describe(current().crystal);
    showControls();
    PageSurfaces.draw();
    PageSlices.draw();
    PagePattern.reset();
    PagePattern.draw();
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
      PageSurfaces.update();
      PageSlices.draw();
    });
    const redrawSlices = oncePerFrame(PageSlices.draw);
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
      PageSurfaces.draw();
      PageSlices.draw();
    });
    element("drawing").addEventListener("change", (event) => {
      state.drawing = event.target.value;
      showControls();
      PageSurfaces.draw();
      PageSlices.draw();
    });
    element("show-truth").addEventListener("change", (event) => {
      state.truthOver = event.target.checked;
      PageSurfaces.draw();
    });
    element("pattern-plane").addEventListener("input", oncePerFrame(PagePattern.draw));
    element("reset-view").addEventListener("click", () => {
      state.camera = FIRST_VIEW;
      PageSurfaces.draw();
    });
  }

  const hasCurves = Boolean(report.curves);
  const hasSeconds = report.seconds.length > 0;
  const hasCrystals = report.crystals.length > 0;
  if (hasSeconds) PageSeconds.draw();
  if (hasCurves) {
    PageCurves.draw();
    element("log-loss").addEventListener("change", PageCurves.draw);
  }
  if (hasCrystals) {
    state.threshold = Number(element("threshold").value);
    drawChoices();
    choose(0);
    PageSurfaces.linkCameras();
    listen();
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    if (hasSeconds) PageSeconds.draw();
    if (hasCurves) PageCurves.draw();
    if (hasCrystals) {
      PageSurfaces.draw();
      PageSlices.draw();
      PagePattern.draw();
    }
  });
})();
