// The crystal that is looked at: its maps, and how they are looked at.
"use strict";

const PageCrystal = (() => {
  const { report } = Page;
  const KINDS = ["truth", "prediction"];
  const FIRST_VIEW = { eye: { x: 0.85, y: -1.95, z: 0.8 }, up: { x: 0, y: 0, z: 1 }, center: { x: 0, y: 0, z: -0.08 } };
  // Okabe and Ito's colours without those of the surfaces; one an element, in the order of the atomic numbers.
  const ELEMENT_COLOURS = ["#009e73", "#cc79a7", "#f0e442", "#e8e8e8", "#6b5b95", "#8c6d31", "#222222"];

  const state = {
    crystal: 0, drawing: "surface", threshold: 0, axis: 2, position: 0, atoms: true, truthOver: false, camera: FIRST_VIEW,
  };
  const prepared = new Map();

  // Decoded and interpolated maps of a crystal, made when it is first looked at.
  function current() {
    const crystal = report.crystals[state.crystal];
    if (!prepared.has(crystal)) {
      const maps = {};
      for (const kind of KINDS) {
        const voxels = Maps.decode(crystal[kind]);
        const map = Maps.interpolate(voxels, crystal.drawing_shape);
        maps[kind] = { map, highest: Maps.maximum(map), voxels };
      }
      prepared.set(crystal, maps);
    }
    return { crystal, maps: prepared.get(crystal) };
  }

  const cartesian = (crystal, place) => Maps.toCartesian(crystal.lattice, ...place);
  const elementColour = (crystal, symbol) =>
    ELEMENT_COLOURS[crystal.elements.indexOf(symbol) % ELEMENT_COLOURS.length];

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

  return { FIRST_VIEW, KINDS, cartesian, current, elementColour, highestPlane, state };
})();
