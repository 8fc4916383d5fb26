/**
 * The page: a viewer, and beside it what the model can do with what is seen.
 *
 *     study.js          what is worked on; tells of changes
 *     viewer.js         picture.js, heat.js: pictures in panes, saliency over them
 *     open.js           files and examples into the study; strip.js shows its parts
 *     read.js           the report; mentions.js: its words on an observation; record.js: all that is known, as data
 *     observations.js   what the classifier finds, and where; pointing.js: the observation that is pointed at
 *     asking.js         questions
 *     drawing.js        drawings; completing.js: what is missing of the study; cards.js: what was made
 *     api.js            requests; job.js: their progress, cancelling and trouble
 */

import { describe, onTokenWanted } from "./api.js";
import { setUpAsking } from "./asking.js";
import { setUpCompleting, want } from "./completing.js";
import { button, byId, complain, isTyping } from "./dom.js";
import { EXAMPLES, setUpDrawing } from "./drawing.js";
import { setUpMentions } from "./mentions.js";
import { setUpObservations } from "./observations.js";
import { openExample, setUpOpening } from "./open.js";
import { readStudy, setUpReading } from "./read.js";
import { setUpRecord } from "./record.js";
import { setUpStrip } from "./strip.js";
import { study } from "./study.js";
import { openTab, setUpTabs } from "./tabs.js";
import { setUpTheme } from "./theme.js";
import { Viewer } from "./viewer.js";

const KEYS = { "+": "in", "=": "in", "-": "out", i: "invert", 0: "reset" };
const TOOLS = { w: "window", p: "pan" };
const LAYOUTS = { g: "grid", c: "compare" };
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const viewer = new Viewer();

function act(what) {
  const changes = { in: { zoom: 1.25 }, out: { zoom: 0.8 }, invert: { inverted: true } };
  if (what === "reset") viewer.home();
  else viewer.change(changes[what]);
}

function useTool(tool) {
  viewer.tool = tool;
  press("tool", tool);
}

/** Mark the pressed one of the buttons that have a data attribute. */
function press(attribute, value) {
  for (const made of document.querySelectorAll(`[data-${attribute}]`)) {
    if (made.hasAttribute("aria-pressed")) made.setAttribute("aria-pressed", String(made.dataset[attribute] === value));
  }
}

function toggleLayout(layout) {
  study.arrange(study.layout === layout ? "single" : layout);
}

function setUpTools() {
  for (const made of byId("tools").querySelectorAll("button")) {
    const { tool, do: what, layout } = made.dataset;
    made.addEventListener("click", () => (tool ? useTool(tool) : what ? act(what) : toggleLayout(layout)));
  }
  viewer.addEventListener("change", () => {
    const { level, width, zoom, inverted } = viewer.look;
    const size = study.shown ? ` · ${study.shown.size}` : "";
    byId("readout").value = `L ${Math.round(level)} W ${Math.round(width)} · ${Math.round(100 * zoom)} %${size}`;
    byId("tools").querySelector("[data-do=invert]").setAttribute("aria-pressed", String(inverted));
  });
  addEventListener("keydown", (event) => {
    if (isTyping(event) || event.ctrlKey || event.metaKey || event.altKey || byId("token").open) return;
    const key = event.key.toLowerCase();
    if (key in KEYS) act(KEYS[key]);
    else if (key in TOOLS) useTool(TOOLS[key]);
    else if (key in LAYOUTS) toggleLayout(LAYOUTS[key]);
    else if (key === "r") openTab(byId("tab-read")), readStudy();
    else if (event.key in ARROWS && event.target.tagName === "CANVAS") turn(ARROWS[event.key]);
    else return;
    event.preventDefault();
  });
}

/** What an arrow key does on a picture: the same as dragging with the tool that is chosen. */
function turn([across, down]) {
  if (viewer.tool === "pan") viewer.change({ x: 0.05 * across, y: 0.05 * down });
  else viewer.change({ width: 8 * across, level: 5 * down });
}

function showPictures() {
  const { shown, layout, original, synthetic, side } = study;
  byId("welcome").hidden = Boolean(shown);
  press("layout", layout);
  byId("tools").querySelector("[data-layout=grid]").disabled = side.length < 2;
  byId("tools").querySelector("[data-layout=compare]").disabled = !(original && synthetic);
  if (layout === "compare") viewer.show([original], synthetic);
  else viewer.show(layout === "grid" ? side : shown ? [shown] : []);
}

/** Have a part of the study made that is missing. */
function makePart(part) {
  want(part);
  openTab(byId("tab-complete"), true);
}

/** Ask for the token until one is given. */
function askForToken() {
  const dialog = byId("token");
  if (!dialog.open) dialog.showModal();
  return new Promise((resolve) => {
    byId("token-form").addEventListener(
      "submit",
      (event) => {
        event.preventDefault();
        dialog.close();
        resolve(byId("token-value").value.trim());
      },
      { once: true },
    );
  });
}

async function start() {
  setUpTheme(byId("theme"));
  setUpTabs(document.querySelector("[role=tablist]"));
  setUpTools();
  onTokenWanted(askForToken);
  const about = await describe().catch((error) => complain(byId("trouble"), error.message));
  if (!about) return;
  const [model] = about.models;
  byId("model").textContent = `${model.name} · ${model.fingerprint}`;
  byId("model").title = model.about;
  byId("notice").textContent = about.notice;
  viewer.fit = model.fit;
  study.addEventListener("change", showPictures);
  study.addEventListener("begin", () => viewer.home());
  setUpOpening();
  setUpStrip(makePart);
  setUpReading(model);
  setUpMentions();
  setUpObservations(viewer);
  setUpRecord(about);
  setUpAsking();
  const openRead = () => openTab(byId("tab-read"), true);
  setUpDrawing(model, about.limits, () => openTab(byId("tab-draw"), true), openRead);
  setUpCompleting(model, about.limits, openRead);
  byId("examples").append(
    ...EXAMPLES.map(([name, sentence]) => button(name, () => openExample(sentence, name))),
  );
  document.body.dataset.ready = "";
  showPictures();
}

start();
