/** The table of the 14 observations: what the classifier finds, where, and what the report says of each. */

import { ask } from "./api.js";
import { byId, complain, element } from "./dom.js";
import { study } from "./study.js";

const SAID = { positive: "+", negative: "–", uncertain: "?" };
const PAUSE = 120; // ms that a row is pointed at before its map is asked for

let viewer;
let pointed = null; // the row that is pointed at or has the focus
let pinned = null; // the observation whose map stays
let controller = new AbortController();

/** @param shownIn the viewer that maps are laid over. */
export function setUpObservations(shownIn) {
  viewer = shownIn;
  study.addEventListener("change", show);
  show();
}

function show() {
  const picture = study.layout === "compare" ? study.original : study.shown;
  const found = picture?.found;
  byId("checked").hidden = !found;
  byId("read-hint").hidden = Boolean(study.shown);
  byId("checked-view").textContent = picture ? `of the ${picture.synthetic ? "synthetic " : ""}${picture.view} view` : "";
  const body = byId("observations").tBodies[0];
  const focused = body.querySelector(":focus")?.dataset.observation;
  body.replaceChildren(...Object.entries(found?.observations ?? {}).map(([name, share]) => row(name, share, picture)));
  if (body.rows.length) (body.querySelector(".pinned") ?? body.rows[0]).tabIndex = 0; // one of them is a tab stop
  if (focused) body.querySelector(`[data-observation="${focused}"]`)?.focus();
  settle();
}

function row(name, share, picture) {
  const said = picture === study.views[picture.view] ? study.report?.mentions[name] : undefined;
  const made = element(
    "tr",
    { tabIndex: -1, "data-observation": name, "aria-selected": String(pinned === name) },
    element("th", { scope: "row", textContent: name }),
    element("td.bar", {}, element("meter", { value: share, max: 1, "aria-hidden": "true" })),
    element("td.share", { textContent: percent(share) }),
    element(`td.said${said ? `.${said}` : ""}`, { textContent: SAID[said] ?? "", title: said ?? "" }),
  );
  made.classList.toggle("likely", share >= 0.5);
  made.classList.toggle("pinned", pinned === name);
  const point = ({ type }) => {
    pointed = name;
    if (type === "focus") [...made.parentElement.rows].forEach((other) => (other.tabIndex = other === made ? 0 : -1));
    settle();
  };
  const leave = () => pointed === name && ((pointed = null), settle());
  for (const event of ["mouseenter", "focus"]) made.addEventListener(event, point);
  for (const event of ["mouseleave", "blur"]) made.addEventListener(event, leave);
  made.addEventListener("click", () => pin(name));
  made.addEventListener("keydown", (event) => {
    const next = { ArrowDown: made.nextElementSibling, ArrowUp: made.previousElementSibling }[event.key];
    if (next) next.focus();
    else if (event.key === "Enter" || event.key === " ") pin(name);
    else return;
    event.preventDefault();
  });
  return made;
}

function pin(name) {
  pinned = pinned === name ? null : name;
  pointed = pinned;
  for (const made of byId("observations").tBodies[0].rows) {
    const on = made.dataset.observation === pinned;
    made.classList.toggle("pinned", on);
    made.setAttribute("aria-selected", String(on));
  }
  settle();
}

/** Show the map of the row that is pointed at, else the one that is pinned, else none. */
async function settle() {
  controller.abort();
  controller = new AbortController();
  const { signal } = controller;
  const [picture, name] = [study.shown, pointed ?? pinned];
  const legend = byId("legend");
  if (!name || !picture?.found || study.layout === "compare") {
    viewer.overlay();
    legend.hidden = true;
    return;
  }
  if (study.layout === "grid") study.show(picture);
  try {
    if (!picture.maps.has(name)) {
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
      if (signal.aborted) return;
      viewer.overlay();
      legend.textContent = `Looking for ${name} …`;
      legend.hidden = false;
      const answer = await ask("v1/saliency", { frontal: picture.file, observations: name }, { signal });
      picture.maps.set(name, answer.saliency[name]);
    }
  } catch (error) {
    if (signal.aborted) return;
    legend.hidden = true;
    complain(byId("read-trouble"), error.message);
    return;
  }
  if (signal.aborted) return;
  legend.textContent = `${name}, ${percent(picture.found.observations[name])}: where the classifier looks`;
  legend.hidden = false;
  viewer.overlay(picture, picture.maps.get(name));
}

function percent(share) {
  return share < 0.01 ? "< 1 %" : share > 0.99 ? "> 99 %" : `${Math.round(100 * share)} %`;
}
