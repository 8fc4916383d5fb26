/**
 * What the page works on: one study, the pictures that were drawn, and which of all these are shown.
 *
 * It tells `change` whenever any of that changes; the parts of the page draw themselves anew then. When another study
 * begins it tells `begin` first: what they hold of the one before goes.
 */

class Study extends EventTarget {
  #batches = 0;

  /** The parts of the study. */
  views = { frontal: null, lateral: null };
  report = null; // as the service gave it
  questions = []; // each with the picture it is about and what the service gave

  drawings = []; // pictures, the newest batch first
  shown = null; // the picture that is looked at
  layout = "single"; // or `grid` or `compare`

  /** Both views, as far as they are there. */
  get pictures() {
    return Object.values(this.views).filter(Boolean);
  }

  /** What a request about the study sends. */
  get files() {
    return { frontal: this.views.frontal?.file, lateral: this.views.lateral?.file };
  }

  /** Drawings of the newest text. */
  get batch() {
    return this.drawings.filter(({ batch }) => batch === this.drawings[0].batch);
  }

  /** The picture of the study that a drawing compares with: that of its view. */
  get original() {
    return this.views[this.shown?.view] ?? null;
  }

  /** The drawing that the study compares with: the one that is looked at, else the newest of the view. */
  get synthetic() {
    if (this.drawings.includes(this.shown)) return this.shown;
    return this.drawings.find(({ view }) => view === this.shown?.view) ?? null;
  }

  /**
   * Begin another study.
   * @param keep whether drawings stay, since one of them becomes the study.
   */
  begin(keep = false) {
    this.views = { frontal: null, lateral: null };
    this.report = this.shown = null;
    this.questions = [];
    if (!keep) this.drawings = [];
    this.dispatchEvent(new CustomEvent("begin", { detail: { keep } }));
  }

  /** Put a picture into the study; its report is no longer that of the study. */
  place(picture) {
    this.views[picture.view] = picture;
    this.report = null;
    this.show(picture);
  }

  /** Take a picture away. */
  remove(picture) {
    if (this.views[picture.view] === picture) {
      this.views[picture.view] = null;
      this.report = null;
    }
    this.drawings = this.drawings.filter((drawing) => drawing !== picture);
    if (this.shown === picture) this.shown = this.pictures[0] ?? this.drawings[0] ?? null;
    this.arrange(this.layout);
  }

  /** Add pictures that were drawn together. */
  draw(pictures) {
    this.#batches += 1;
    for (const picture of pictures) picture.batch = this.#batches;
    this.drawings = [...pictures, ...this.drawings];
    this.shown = pictures[0];
    this.arrange(pictures.length > 1 ? "grid" : "single");
  }

  show(picture) {
    this.shown = picture;
    this.arrange(this.layout === "compare" && this.drawings.includes(picture) ? "compare" : "single");
  }

  arrange(layout) {
    const possible = { single: true, grid: this.side.length > 1, compare: Boolean(this.original && this.synthetic) };
    this.layout = possible[layout] ? layout : "single";
    this.tell();
  }

  /** What is shown side by side: what was drawn last, else the study with what was drawn. */
  get side() {
    const drawn = this.drawings.length ? this.batch : [];
    return drawn.length > 1 ? drawn : [...this.pictures, ...drawn];
  }

  tell() {
    this.dispatchEvent(new Event("change"));
  }
}

export const study = new Study();
