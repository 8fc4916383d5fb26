/** The tables of observations and signs: what the classifier finds, where, and what the report says of observations. */

import { ask } from "./api.js";
import { byId, complain, element } from "./dom.js";
import { letPoint, pointing } from "./pointing.js";
import { study } from "./study.js";

const SAID = { positive: "+", negative: "–", uncertain: "?" };
const UNLIKELY = 0.1; // of what is less probable, the map is faint
const FAINT = 0.4;
const PAUSE = 120; // ms that an observation is pointed at before its map is asked for

let viewer;
let controller = new AbortController();

/** @param shownIn the viewer that maps are laid over. */
export function setUpObservations(shownIn) {
  viewer = shownIn;
  study.addEventListener("change", show);
  study.addEventListener("begin", () => pointing.clear());
  pointing.addEventListener("change", () => {
    light();
    settle();
  });
  show();
}

function show() {
  const picture = study.layout === "compare" ? study.original : study.shown;
  const found = picture?.found;
  byId("checked").hidden = !found;
  byId("read-hint").hidden = Boolean(study.shown);
  byId("checked-view").textContent = picture ? `of the ${picture.synthetic ? "synthetic " : ""}${picture.view} view` : "";
  byId("table-key").hidden = !found || !reported(picture);
  const focused = rows().find((made) => made === document.activeElement)?.dataset.observation;
  const made = Object.entries(found?.observations ?? {}).map(([name, share]) => row(name, share, picture));
  if (!made.length) rows().forEach((gone) => pointing.leave(gone)); // what is taken away tells no more of being left
  byId("observations").tBodies[0].replaceChildren(...made);
  const stop = made.find(({ dataset }) => dataset.observation === pointing.pinned) ?? made[0];
  if (stop) stop.tabIndex = 0;
  if (focused) made.find(({ dataset }) => dataset.observation === focused)?.focus();
  const signs = Object.entries(found?.signs ?? {}).map(([name, share]) => bar(name, share));
  byId("signs").hidden = !signs.length;
  byId("signs").tBodies[0].replaceChildren(...signs);
  light();
  settle();
}

const rows = () => [...byId("observations").tBodies[0].rows];

/** What the report says, if it is one of this picture. */
const reported = (picture) => (picture === study.views[picture.view] ? study.report?.mentions : undefined);

function row(name, share, picture) {
  const said = reported(picture)?.[name];
  const made = bar(
    name,
    share,
    { tabIndex: -1, "data-observation": name },
    element(`td.said${said ? `.${said}` : ""}`, { textContent: SAID[said] ?? "", title: said ?? "" }),
  );
  letPoint(made, () => name, rows);
  return made;
}

/** A row with the share of a name; what is likely is bold. */
const bar = (name, share, attributes = {}, ...more) =>
  element(
    `tr${share >= 0.5 ? ".likely" : ""}`,
    attributes,
    element("th", { scope: "row", textContent: name }),
    element("td.bar", {}, element("meter", { value: share, max: 1, "aria-hidden": "true" })),
    element("td.share", { textContent: percent(share) }),
    ...more,
  );

function light() {
  for (const made of rows()) {
    const { observation } = made.dataset;
    made.classList.toggle("pointed", observation === pointing.name);
    made.classList.toggle("pinned", observation === pointing.pinned);
    made.setAttribute("aria-selected", String(observation === pointing.pinned));
  }
}

/** Show the map of the observation that is pointed at, else of the one that is pinned, else none. */
async function settle() {
  controller.abort();
  controller = new AbortController();
  const { signal } = controller;
  const [picture, name] = [study.shown, pointing.name];
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
  const share = picture.found.observations[name];
  const looks = share < UNLIKELY ? "would look for it" : "looks";
  legend.textContent = `${name}, ${percent(share)}: where the classifier ${looks}`;
  legend.hidden = false;
  viewer.overlay(picture, picture.maps.get(name), share < UNLIKELY ? FAINT : 1);
}

function percent(share) {
  return share < 0.01 ? "< 1 %" : share > 0.99 ? "> 99 %" : `${Math.round(100 * share)} %`;
}
