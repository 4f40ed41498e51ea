// Periodic maps of a unit cell: decoding, Fourier interpolation, isosurfaces and slices. No page in here.
// A map is { values, shape: [n0, n1, n2] }, last axis fastest; voxel (i, j, k) lies at (i/n0, j/n1, k/n2).
// A lattice is [a, b, c], rows in Å.
"use strict";

const Maps = (() => {
  const cross = (u, v) => [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
  const dot = (u, v) => u[0] * v[0] + u[1] * v[1] + u[2] * v[2];
  const length = (u) => Math.sqrt(dot(u, u));
  const determinant = (lattice) => dot(lattice[0], cross(lattice[1], lattice[2]));

  function toCartesian(lattice, x, y, z) {
    return [0, 1, 2].map((i) => x * lattice[0][i] + y * lattice[1][i] + z * lattice[2][i]);
  }

  // 16-bit integers, little endian, spread over low … high.
  function decode(packed) {
    const bytes = Uint8Array.from(atob(packed.base64), (character) => character.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    const step = (packed.high - packed.low) / 65535;
    const values = new Float64Array(bytes.length / 2);
    for (let i = 0; i < values.length; i++) values[i] = packed.low + step * view.getUint16(2 * i, true);
    return { values, shape: packed.shape };
  }

  // Row j holds the weights of the old voxels in new voxel j: the periodic sinc (Dirichlet kernel).
  function interpolationWeights(from, to) {
    const weights = new Float64Array(to * from);
    for (let j = 0; j < to; j++) {
      for (let i = 0; i < from; i++) {
        const angle = Math.PI * (j / to - i / from);
        const below = from * (from % 2 ? Math.sin(angle) : Math.tan(angle));
        weights[j * from + i] = Math.abs(Math.sin(angle)) < 1e-12 ? 1 : Math.sin(from * angle) / below;
      }
    }
    return weights;
  }

  function interpolate(map, shape) {
    let { values } = map;
    const current = [...map.shape];
    for (let axis = 0; axis < 3; axis++) {
      const from = current[axis];
      const to = shape[axis];
      if (from === to) continue;
      const weights = interpolationWeights(from, to);
      const outer = current.slice(0, axis).reduce((product, n) => product * n, 1);
      const inner = current.slice(axis + 1).reduce((product, n) => product * n, 1);
      const finer = new Float64Array(outer * to * inner);
      for (let o = 0; o < outer; o++) {
        for (let j = 0; j < to; j++) {
          const target = (o * to + j) * inner;
          for (let i = 0; i < from; i++) {
            const weight = weights[j * from + i];
            const source = (o * from + i) * inner;
            for (let k = 0; k < inner; k++) finer[target + k] += weight * values[source + k];
          }
        }
      }
      values = finer;
      current[axis] = to;
    }
    return { values, shape: current };
  }

  function maximum(map) {
    let highest = -Infinity;
    for (const value of map.values) if (value > highest) highest = value;
    return highest;
  }

  // Marching tetrahedra: each voxel is cut into six tetrahedra along its main diagonal, the same way everywhere, so
  // that neighbours fit. The surface is closed by caps where it meets the faces of the cell.
  // Returns Cartesian x, y, z of the vertices and i, j, k of the triangles, anticlockwise seen from outside.
  const AXIS_ORDERS = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

  function isosurface(map, lattice, level) {
    const { values, shape } = map;
    const size = shape.map((n) => n + 3); // nodes −1 … n + 1: one layer outside, node n the image of node 0
    const stride = [size[1] * size[2], size[2], 1];
    const above = new Float64Array(size[0] * stride[0]).fill(-1e30);
    for (let i = 0; i <= shape[0]; i++) {
      for (let j = 0; j <= shape[1]; j++) {
        for (let k = 0; k <= shape[2]; k++) {
          const voxel = ((i % shape[0]) * shape[1] + (j % shape[1])) * shape[2] + (k % shape[2]);
          above[(i + 1) * stride[0] + (j + 1) * stride[1] + k + 1] = values[voxel] - level;
        }
      }
    }
    const nodeOf = (index) => [Math.floor(index / stride[0]), Math.floor(index / stride[1]) % size[1], index % size[2]];

    // A vertex this near to a node, as a share of its edge, is put on it: slivers would spoil the shading.
    const SNAP = 0.08;
    const position = []; // fractional coordinates of the vertices, flat
    const known = new Map();
    // The vertex on the edge from a node to the one further along the axes in `steps` (bits).
    function vertexOn(low, high, steps) {
      let t = above[low] / (above[low] - above[high]);
      t = t < SNAP ? 0 : t > 1 - SNAP ? 1 : t;
      const key = t === 0 ? low * 8 : t === 1 ? high * 8 : low * 8 + steps;
      let vertex = known.get(key);
      if (vertex === undefined) {
        const node = nodeOf(low);
        vertex = position.length / 3;
        for (let axis = 0; axis < 3; axis++) {
          const place = (node[axis] - 1 + ((steps >> axis) & 1) * t) / shape[axis];
          position.push(Math.min(1, Math.max(0, place)));
        }
        known.set(key, vertex);
      }
      return vertex;
    }

    const triangles = [];
    // `outward` is from the middle of the nodes inside to that of the nodes outside, in voxels.
    function facing(p, q, r, outward) {
      const side = (a, b) => [0, 1, 2].map((axis) => (position[3 * b + axis] - position[3 * a + axis]) * shape[axis]);
      return dot(cross(side(p, q), side(p, r)), outward);
    }

    // Triangles without area, whose vertices were put on one node, are dropped.
    function addTriangle(p, q, r, outward) {
      const turn = facing(p, q, r, outward);
      if (turn > 0) triangles.push(p, q, r);
      else if (turn < 0) triangles.push(p, r, q);
    }

    // Cut along the diagonal that gives the better triangles, never one along an edge of the quadrilateral.
    function addQuadrilateral(p, q, r, s, outward) {
      const worst = (...pair) => Math.min(...pair.map((corners) => Math.abs(facing(...corners, outward))));
      const cuts = [[[p, q, r], [q, s, r]], [[p, q, s], [p, s, r]]];
      const [first, second] = worst(...cuts[0]) >= worst(...cuts[1]) ? cuts[0] : cuts[1];
      addTriangle(...first, outward);
      addTriangle(...second, outward);
    }

    const node = [0, 0, 0, 0];
    const bits = [0, 0, 0, 0];
    function tetrahedron() {
      const inside = [0, 1, 2, 3].filter((c) => above[node[c]] > 0);
      const outside = [0, 1, 2, 3].filter((c) => !(above[node[c]] > 0));
      if (!inside.length || !outside.length) return;
      const crossing = (c, d) => {
        const [low, high] = c < d ? [c, d] : [d, c];
        return vertexOn(node[low], node[high], bits[high] & ~bits[low]);
      };
      const centre = (some) => {
        const places = some.map((corner) => nodeOf(node[corner]));
        return [0, 1, 2].map((axis) => places.reduce((sum, place) => sum + place[axis], 0) / places.length);
      };
      const from = centre(inside);
      const outward = centre(outside).map((place, axis) => place - from[axis]);
      if (inside.length === 2) {
        const [p, q] = outside.map((corner) => crossing(inside[0], corner));
        const [r, s] = outside.map((corner) => crossing(inside[1], corner));
        addQuadrilateral(p, q, r, s, outward);
      } else {
        const lone = inside.length === 1 ? inside[0] : outside[0];
        const others = inside.length === 1 ? outside : inside;
        addTriangle(...others.map((corner) => crossing(lone, corner)), outward);
      }
    }

    const corners = [0, 1, 2, 3, 4, 5, 6, 7].map(
      (c) => (c & 1) * stride[0] + ((c >> 1) & 1) * stride[1] + ((c >> 2) & 1) * stride[2],
    );
    for (let i = 0; i < size[0] - 1; i++) {
      for (let j = 0; j < size[1] - 1; j++) {
        for (let k = 0; k < size[2] - 1; k++) {
          const origin = i * stride[0] + j * stride[1] + k;
          let inside = 0;
          for (let c = 0; c < 8; c++) if (above[origin + corners[c]] > 0) inside++;
          if (inside === 0 || inside === 8) continue;
          for (const order of AXIS_ORDERS) {
            node[0] = origin;
            for (let step = 0; step < 3; step++) {
              node[step + 1] = node[step] + stride[order[step]];
              bits[step + 1] = bits[step] | (1 << order[step]);
            }
            tetrahedron();
          }
        }
      }
    }
    separateCaps(position, triangles);
    return cartesianMesh(position, triangles, lattice);
  }

  // Gives the caps vertices of their own: a renderer that averages normals then keeps their rims sharp.
  function separateCaps(position, triangles) {
    const copies = new Map();
    for (let t = 0; t < triangles.length; t += 3) {
      for (let axis = 0; axis < 3; axis++) {
        const place = position[3 * triangles[t] + axis];
        if (place !== 0 && place !== 1) continue;
        if (position[3 * triangles[t + 1] + axis] !== place || position[3 * triangles[t + 2] + axis] !== place) continue;
        for (let corner = t; corner < t + 3; corner++) {
          const vertex = triangles[corner];
          const key = vertex * 6 + 2 * axis + place;
          if (!copies.has(key)) {
            copies.set(key, position.length / 3);
            position.push(position[3 * vertex], position[3 * vertex + 1], position[3 * vertex + 2]);
          }
          triangles[corner] = copies.get(key);
        }
        break;
      }
    }
  }

  function cartesianMesh(position, triangles, lattice) {
    const mesh = { x: [], y: [], z: [], i: [], j: [], k: [] };
    for (let v = 0; v < position.length; v += 3) {
      const [x, y, z] = toCartesian(lattice, position[v], position[v + 1], position[v + 2]);
      mesh.x.push(x);
      mesh.y.push(y);
      mesh.z.push(z);
    }
    const mirrored = determinant(lattice) < 0;
    for (let t = 0; t < triangles.length; t += 3) {
      mesh.i.push(triangles[t]);
      mesh.j.push(triangles[t + (mirrored ? 2 : 1)]);
      mesh.k.push(triangles[t + (mirrored ? 1 : 2)]);
    }
    return mesh;
  }

  // The two other lattice vectors in the plane that they span, the first along x; seen from the side of the axis.
  function planeBasis(lattice, axis) {
    const first = lattice[(axis + 1) % 3];
    const second = lattice[(axis + 2) % 3];
    const along = dot(first, second) / length(first);
    return [[length(first), 0], [along, Math.sqrt(Math.max(0, dot(second, second) - along * along))]];
  }

  // Å between the planes 0 and 1 of an axis.
  function planeSpacing(lattice, axis) {
    return Math.abs(determinant(lattice)) / length(cross(lattice[(axis + 1) % 3], lattice[(axis + 2) % 3]));
  }

  // The map in the plane where the fractional coordinate along an axis has a value, on square pixels in Å;
  // null outside the cell. Linear between voxels, periodic.
  function slice(map, lattice, axis, coordinate, pixels = 160) {
    const { values, shape } = map;
    const [u, v] = [(axis + 1) % 3, (axis + 2) % 3];
    const [first, second] = planeBasis(lattice, axis);
    const left = Math.min(0, second[0]);
    const right = first[0] + Math.max(0, second[0]);
    const pixel = Math.max(right - left, second[1]) / pixels;
    const columns = Math.max(2, Math.round((right - left) / pixel));
    const rows = Math.max(2, Math.round(second[1] / pixel));
    const stride = [shape[1] * shape[2], shape[2], 1];

    const split = (fractional, n) => {
      const place = (((fractional * n) % n) + n) % n;
      const below = Math.floor(place) % n;
      return [below, (below + 1) % n, place - Math.floor(place)];
    };
    const depth = split(coordinate, shape[axis]);
    const x = Array.from({ length: columns }, (_, c) => left + ((c + 0.5) * (right - left)) / columns);
    const y = Array.from({ length: rows }, (_, r) => ((r + 0.5) * second[1]) / rows);
    const z = y.map((height) => {
      const q = height / second[1];
      const alongV = split(q, shape[v]);
      return x.map((place) => {
        const p = (place - q * second[0]) / first[0];
        if (p < 0 || p > 1) return null;
        const alongU = split(p, shape[u]);
        let sum = 0;
        for (let corner = 0; corner < 8; corner++) {
          const [d, e, f] = [corner & 1, (corner >> 1) & 1, corner >> 2];
          const weight =
            (d ? depth[2] : 1 - depth[2]) * (e ? alongU[2] : 1 - alongU[2]) * (f ? alongV[2] : 1 - alongV[2]);
          sum += weight * values[depth[d] * stride[axis] + alongU[e] * stride[u] + alongV[f] * stride[v]];
        }
        return sum;
      });
    });
    return { x, y, z };
  }

  return { decode, interpolate, isosurface, maximum, planeBasis, planeSpacing, slice, toCartesian };
})();

if (typeof module !== "undefined") module.exports = Maps;
