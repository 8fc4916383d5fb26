/** Saliency as a picture that lies over an X-ray: amber where there is some, red where it is strong. */

const SIDE = 192;
const STRONGEST = 4; // saliency that is drawn in full; the same for all pictures, so that they compare
const [AMBER, RED] = [
  [255, 191, 26],
  [255, 26, 13],
];

/**
 * @param rows of a map whose mean is 1.
 * @param opacity of all of it, at most 1.
 * @returns a square canvas, transparent where saliency is low.
 */
export function heat(rows, opacity) {
  const canvas = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
  const context = canvas.getContext("2d");
  const image = context.createImageData(SIDE, SIDE);
  for (let y = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      const value = smooth(rows, ((y + 0.5) * rows.length) / SIDE - 0.5, ((x + 0.5) * rows[0].length) / SIDE - 0.5);
      const strength = Math.min(1, Math.max(0, (value - 1) / (STRONGEST - 1)));
      const colour = AMBER.map((amber, i) => amber * (1 - strength) + RED[i] * strength);
      image.data.set([...colour, 255 * 0.65 * opacity * Math.sqrt(strength)], 4 * (y * SIDE + x));
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** A value between cells, by a cubic B-spline. */
function smooth(rows, y, x) {
  const [top, left] = [Math.floor(y), Math.floor(x)];
  const [down, across] = [spline(y - top), spline(x - left)];
  let sum = 0;
  for (let i = 0; i < 4; i++) {
    const row = rows[Math.min(rows.length - 1, Math.max(0, top - 1 + i))];
    for (let j = 0; j < 4; j++) {
      sum += down[i] * across[j] * row[Math.min(row.length - 1, Math.max(0, left - 1 + j))];
    }
  }
  return sum;
}

function spline(t) {
  return [
    (1 - t) ** 3 / 6,
    (3 * t ** 3 - 6 * t ** 2 + 4) / 6,
    (-3 * t ** 3 + 3 * t ** 2 + 3 * t + 1) / 6,
    t ** 3 / 6,
  ];
}
