/**
 * The viewer: pictures in panes that share one window, zoom and centre, so that they can be compared.
 *
 * Drag: level (up and down) and window (left and right), or pan. Wheel and pinch: zoom. Double click: reset.
 */

import { byId, element } from "./dom.js";
import { heat } from "./heat.js";
import { WHOLE } from "./picture.js";

const ZOOM = { least: 0.5, most: 24 };
const THUMB = 18; // width of the thumb of the slider, in pixels, as the style has it

export class Viewer extends EventTarget {
  #panes = [];
  #drawing = 0;
  #pointers = new Map();
  #overlay = null;
  #fit = "pad";

  constructor() {
    super();
    this.tool = "window";
    this.home();
    new ResizeObserver(() => this.redraw()).observe(byId("panes"));
    byId("divider").addEventListener("input", () => this.redraw());
  }

  /** How the model brings pictures to its square. */
  set fit(fit) {
    this.#fit = fit;
  }

  /** Window, zoom and centre as at first. */
  home() {
    this.look = { ...WHOLE, inverted: false, zoom: 1, x: 0.5, y: 0.5 };
    this.redraw();
  }

  /**
   * Show pictures side by side, or one over the other.
   * @param pictures one a pane.
   * @param over a picture that is shown to the right of the slider, over the only one.
   */
  show(pictures, over = null) {
    byId("divider").hidden = !over;
    byId("panes").dataset.count = pictures.length;
    this.#panes = pictures.map((picture) => this.#pane(picture, over));
    byId("panes").replaceChildren(...this.#panes.map(({ box }) => box));
    this.redraw();
  }

  /** Lay saliency over a picture, or with no map take it away. */
  overlay(picture = null, rows = null, opacity = 1) {
    this.#overlay = rows && { picture, canvas: heat(rows, opacity) };
    this.redraw();
  }

  /**
   * Change how it is looked at: `{zoom: 1.2}` multiplies, `{level, width, x, y}` add, the first two less in a narrow
   * window, and `{inverted: true}` toggles.
   */
  change({ zoom = 1, level = 0, width = 0, x = 0, y = 0, inverted = false }) {
    const look = this.look;
    look.zoom = clamp(look.zoom * zoom, ZOOM.least, ZOOM.most);
    const step = Math.min(1, look.width / 64);
    look.level = clamp(look.level + step * level, 0, 255);
    look.width = clamp(look.width + step * width, 2, 510);
    look.x = clamp(look.x + x, 0, 1);
    look.y = clamp(look.y + y, 0, 1);
    look.inverted = look.inverted !== inverted;
    this.redraw();
  }

  /** Draw again, once a frame at most. */
  redraw() {
    this.#drawing ||= requestAnimationFrame(() => {
      this.#drawing = 0;
      this.#panes.forEach((pane) => this.#draw(pane));
      this.dispatchEvent(new Event("change"));
    });
  }

  #pane(picture, over) {
    const name = `${picture.synthetic ? "Synthetic " : ""}${picture.view} X-ray, ${picture.name}`;
    const canvas = element("canvas", { tabIndex: 0, role: "img", "aria-label": name });
    const written = over ? [...marks(picture, "original"), ...marks(over, "drawing", ".right")] : marks(picture);
    const box = element("div.pane", {}, canvas, ...written);
    const pane = { picture, over, canvas, box };
    this.#listen(pane);
    return pane;
  }

  /** Pixels of the canvas for a pixel of the picture, and where the picture begins. */
  #place({ picture, canvas }) {
    const scale = Math.min(canvas.width / picture.width, canvas.height / picture.height) * this.look.zoom;
    return {
      scale,
      left: canvas.width / 2 - this.look.x * picture.width * scale,
      top: canvas.height / 2 - this.look.y * picture.height * scale,
    };
  }

  #draw(pane) {
    const { picture, over, canvas } = pane;
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.max(1, Math.round(canvas.clientWidth * ratio));
    canvas.height = Math.max(1, Math.round(canvas.clientHeight * ratio));
    const { scale, left, top } = this.#place(pane);
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.imageSmoothingEnabled = scale < 8;
    const put = (source, { x, y, width, height }) =>
      context.drawImage(source, left + x * scale, top + y * scale, width * scale, height * scale);
    put(picture.windowed(this.look), { x: 0, y: 0, width: picture.width, height: picture.height });
    const square = picture.square(this.#fit);
    if (over) {
      const at = this.#dividerAt(canvas);
      context.save();
      context.beginPath();
      context.rect(at, 0, canvas.width, canvas.height);
      context.clip();
      context.fillRect(0, 0, canvas.width, canvas.height);
      put(over.windowed(this.look), square);
      context.restore();
      context.fillStyle = "#fff";
      context.fillRect(at - ratio / 2, 0, ratio, canvas.height);
    } else if (this.#overlay?.picture === picture) {
      put(this.#overlay.canvas, square);
    }
  }

  #dividerAt(canvas) {
    const thumb = (THUMB * canvas.width) / canvas.clientWidth;
    return thumb / 2 + (byId("divider").value / 1000) * (canvas.width - thumb);
  }

  #listen(pane) {
    const { canvas } = pane;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.#pointers.set(event.pointerId, event);
    });
    canvas.addEventListener("pointermove", (event) => this.#pointers.has(event.pointerId) && this.#move(pane, event));
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, (event) => this.#pointers.delete(event.pointerId));
    }
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("dblclick", () => this.home());
    canvas.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        this.#zoomAt(pane, event, Math.exp(-clamp(event.deltaY, -200, 200) / 500));
      },
      { passive: false },
    );
  }

  #move(pane, event) {
    const before = this.#pointers.get(event.pointerId);
    const [dx, dy] = [event.clientX - before.clientX, event.clientY - before.clientY];
    const other = [...this.#pointers.values()].find(({ pointerId }) => pointerId !== event.pointerId);
    this.#pointers.set(event.pointerId, event);
    if (other) {
      this.#pan(pane, dx / 2, dy / 2);
      this.#zoomAt(pane, middle(event, other), distance(event, other) / Math.max(1, distance(before, other)));
    } else if (this.tool === "pan" || event.shiftKey || event.buttons & 6) {
      this.#pan(pane, dx, dy);
    } else {
      this.change({ width: dx * 0.75, level: dy * 0.5 });
    }
  }

  #pan(pane, dx, dy) {
    const { scale } = this.#place(pane);
    const ratio = pane.canvas.width / pane.canvas.clientWidth;
    this.change({ x: (-dx * ratio) / scale / pane.picture.width, y: (-dy * ratio) / scale / pane.picture.height });
  }

  /** Zoom so that what is under the pointer stays there. */
  #zoomAt(pane, { clientX, clientY }, factor) {
    const box = pane.canvas.getBoundingClientRect();
    const before = this.look.zoom;
    this.change({ zoom: factor });
    const grown = this.look.zoom / before;
    const [dx, dy] = [clientX - box.left - box.width / 2, clientY - box.top - box.height / 2];
    this.#pan(pane, -dx * (grown - 1), -dy * (grown - 1));
  }
}

/**
 * What is written over a picture: its caption, and what marks drawings.
 * @param role of a picture that shares its pane; its caption is short.
 * @param corner class of the corners for these.
 */
function marks({ view, seed, text, synthetic }, role = "", corner = "") {
  const words = [role, view, seed !== undefined && `seed ${seed}`, !role && text].filter(Boolean).join(" · ");
  const badge = synthetic ? [element(`span.badge${corner}`, { textContent: "SYNTHETIC" })] : [];
  return [element(`span.caption${corner}`, { textContent: words }), ...badge];
}

const clamp = (value, least, most) => Math.min(most, Math.max(least, value));
const distance = (a, b) => Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
const middle = (a, b) => ({ clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2 });
