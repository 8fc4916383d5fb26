/** A picture that the viewer shows: its grey values, and what is known of it. */

const MOST = 16e6; // pixels; some browsers show no larger canvas
const GREYS = 65536;
let made = 0;

/** Level and width of the window that leaves grey values as they are; 255 is white, also of deeper pictures. */
export const WHOLE = { level: 127.5, width: 255 };

export class Picture {
  #grey;
  #image;
  #canvas;
  #key = "";

  /**
   * @param bitmap its pixels, 16-bit grey: red is the high byte, green the low one, which is the same where it has 8.
   * @param about `view`, `name`, `file` (what is sent to the service), `synthetic`, and of a drawing `seed`, `text`,
   *   `dicom`.
   */
  constructor(bitmap, about) {
    Object.assign(this, about);
    this.id = ++made;
    this.found = null; // what the classifier finds
    this.maps = new Map(); // observation -> rows
    const scale = Math.min(1, Math.sqrt(MOST / (bitmap.width * bitmap.height)));
    this.width = Math.round(bitmap.width * scale);
    this.height = Math.round(bitmap.height * scale);
    this.size = `${bitmap.width} × ${bitmap.height}`;
    this.#canvas = Object.assign(document.createElement("canvas"), { width: this.width, height: this.height });
    const context = this.#canvas.getContext("2d", { willReadFrequently: true });
    context.imageSmoothingEnabled = false; // bytes of a grey value cannot be mixed one by one
    context.drawImage(bitmap, 0, 0, this.width, this.height);
    this.#image = context.getImageData(0, 0, this.width, this.height);
    const { data } = this.#image;
    this.#grey = Uint16Array.from({ length: this.width * this.height }, (_, i) => (data[4 * i] << 8) | data[4 * i + 1]);
  }

  /** From a PNG. */
  static async of(png, about) {
    return new Picture(await createImageBitmap(png), { file: png, ...about });
  }

  /** A canvas of its own size with its grey values in a window. */
  windowed({ level, width, inverted }) {
    const key = `${level} ${width} ${inverted}`;
    if (key !== this.#key) {
      this.#key = key;
      const table = lookup(level, width, inverted);
      const pixels = new Uint32Array(this.#image.data.buffer);
      for (let i = 0; i < pixels.length; i++) pixels[i] = table[this.#grey[i]];
      this.#canvas.getContext("2d").putImageData(this.#image, 0, 0);
    }
    return this.#canvas;
  }

  /** A small canvas of it. */
  thumbnail(side) {
    const scale = side / Math.max(this.width, this.height);
    const small = Object.assign(document.createElement("canvas"), {
      width: Math.max(1, Math.round(this.width * scale)),
      height: Math.max(1, Math.round(this.height * scale)),
    });
    const context = small.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(this.windowed({ ...WHOLE, inverted: false }), 0, 0, small.width, small.height);
    return small;
  }

  /**
   * The square that the model sees of it, `{x, y, side}` in its pixels; larger than the picture where that is padded.
   * @param fit how a model brings pictures to its square.
   */
  square(fit) {
    if (fit === "squash") return { x: 0, y: 0, width: this.width, height: this.height };
    const side = (fit === "crop" ? Math.min : Math.max)(this.width, this.height);
    return { x: (this.width - side) / 2, y: (this.height - side) / 2, width: side, height: side };
  }
}

/** 16-bit grey value -> opaque pixel, as 32 bits of a little-endian machine. */
function lookup(level, width, inverted) {
  return Uint32Array.from({ length: GREYS }, (_, grey) => {
    const share = Math.min(1, Math.max(0, ((grey * 255) / (GREYS - 1) - level) / width + 0.5));
    const shown = Math.round(255 * (inverted ? 1 - share : share));
    return (0xff000000 | (shown << 16) | (shown << 8) | shown) >>> 0;
  });
}
