/** The parts of the study below the viewer, each there or missing, and what was drawn. */

import { button, byId, element, renew } from "./dom.js";
import { choose } from "./open.js";
import { study } from "./study.js";

let make;

/** @param onMake called with a view that is to be made. */
export function setUpStrip(onMake) {
  make = onMake;
  study.addEventListener("change", show);
  show();
}

function show() {
  const parts = Object.entries(study.views).map(([view, picture]) => (picture ? there(picture) : missing(view)));
  const drawn = study.drawings.map(there);
  renew(byId("strip"), ...parts, ...(drawn.length ? [element("i")] : []), ...drawn);
}

function there(picture) {
  const about = `${picture.synthetic ? "synthetic " : ""}${picture.view}`;
  const label = picture.batch ? `${picture.view[0].toUpperCase()} · seed ${picture.seed}` : picture.view;
  const open = element("button.thumb", { type: "button", title: picture.name, "aria-label": `Show ${about}` });
  open.append(picture.thumbnail(120), element("span.caption", { textContent: label }));
  if (picture.synthetic) open.append(element("span.badge", { textContent: "SYNTHETIC" }));
  open.setAttribute("aria-pressed", String(study.shown === picture));
  open.addEventListener("click", () => study.show(picture));
  const close = element("button.close", { type: "button", textContent: "×", "aria-label": `Remove ${about}` });
  close.addEventListener("click", () => study.remove(picture));
  const part = element("div.part", { "data-key": picture.id }, open, close);
  if (!picture.batch) part.dataset.view = picture.view;
  return part;
}

function missing(view) {
  const open = element("button.thumb.missing", { type: "button", title: `Open a ${view} view`, "data-view": view });
  open.append(element("span", { textContent: "+" }), element("span.caption", { textContent: view }));
  open.setAttribute("aria-label", `Open ${view} view`);
  open.addEventListener("click", () => choose(view));
  const made = button("Make", () => make(view), { className: "make", title: `Make the ${view} view from what is there` });
  return element("div.part", { "data-view": view }, open, made);
}
