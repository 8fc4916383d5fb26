/**
 * The observation that is pointed at, by its row in the table or by words of the report; one that is pinned stays.
 *
 * It tells `change`: rows, words and the map follow.
 */

const STEPS = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };

class Pointing extends EventTarget {
  #by = null; // the element that points
  #pointed = null;
  pinned = null;

  /** The observation whose map is wanted, or null. */
  get name() {
    return this.#pointed ?? this.pinned;
  }

  point(by, name) {
    [this.#by, this.#pointed] = [by, name];
    this.dispatchEvent(new Event("change"));
  }

  leave(by) {
    if (this.#by === by) this.point(null, null);
  }

  /** Point at nothing, and let go of what is pinned. */
  clear() {
    this.pinned = null;
    this.point(null, null);
  }

  /** Pin an observation, or no longer. */
  pin(by, name) {
    this.pinned = this.pinned === name ? null : name;
    this.point(by, this.pinned);
  }
}

export const pointing = new Pointing();

/**
 * Let an element point: by mouse and focus; a click, a tap, Enter or the space bar pins.
 * @param name gives its observation, or null where there is no map of it.
 * @param peers gives all elements like it, in order: one is a tab stop, and arrows go from it to the others.
 */
export function letPoint(made, name, peers) {
  const pin = () => name() && pointing.pin(made, name());
  for (const event of ["mouseenter", "focus"]) made.addEventListener(event, () => pointing.point(made, name()));
  for (const event of ["mouseleave", "blur"]) made.addEventListener(event, () => pointing.leave(made));
  made.addEventListener("focus", () => peers().forEach((peer) => (peer.tabIndex = peer === made ? 0 : -1)));
  made.addEventListener("click", pin);
  made.addEventListener("keydown", (event) => {
    const { key } = event;
    if (key in STEPS) peers()[peers().indexOf(made) + STEPS[key]]?.focus();
    else if (key === "Enter" || key === " ") pin();
    else return;
    event.preventDefault();
  });
}
