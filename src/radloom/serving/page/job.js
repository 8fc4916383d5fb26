/** Work that can be watched and cancelled: a line that says what goes on, a bar, and a button. */

import { button, complain, element } from "./dom.js";

const POPOVERS = CSS.supports("selector(:popover-open)");

/** One place on the page where work is shown; it does one thing at a time. */
export class Job {
  #place;
  #notice;
  #controller = null;

  /**
   * @param place element to show it in, hidden while nothing is done.
   * @param notice element for what goes wrong.
   */
  constructor(place, notice) {
    this.#place = place;
    this.#notice = notice;
    this.#text = element("span");
    this.#bar = element("progress", { max: 1 });
    place.append(this.#text, this.#bar, button("Cancel", () => this.cancel()));
    addEventListener("keydown", ({ key }) => {
      if (key === "Escape" && !(POPOVERS && document.querySelector(":popover-open"))) this.cancel();
    });
  }

  #text;
  #bar;

  get running() {
    return this.#controller !== null;
  }

  cancel() {
    this.#controller?.abort();
  }

  /**
   * Do something; what was being done here before is cancelled.
   * @param what it is, in words.
   * @param work gets `signal` and callbacks as `api.follow` takes them.
   * @returns what the work gives; undefined if it was cancelled or went wrong, of which the page tells.
   */
  async run(what, work) {
    this.cancel();
    const controller = (this.#controller = new AbortController());
    complain(this.#notice);
    this.#show(what);
    try {
      return await work({
        signal: controller.signal,
        onProgress: ({ done, total }) => this.#show(what, done / total),
        onWait: (message, seconds) => this.#show(waiting(message, seconds)),
      });
    } catch (error) {
      if (controller.signal.aborted) return undefined;
      console.error(error);
      complain(this.#notice, error.message);
      return undefined;
    } finally {
      if (this.#controller === controller) {
        this.#controller = null;
        this.#place.hidden = true;
      }
    }
  }

  #show(text, share) {
    this.#place.hidden = false;
    this.#text.textContent = text;
    this.#bar.setAttribute("aria-label", text);
    if (share === undefined) this.#bar.removeAttribute("value");
    else this.#bar.value = share;
  }
}

/** `All 32 places are taken; trying again in 3 s.` */
function waiting(message, seconds) {
  return `${message.split(";")[0]}; trying again in ${seconds} s.`;
}
