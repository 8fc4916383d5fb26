/** The words of the report that mention an observation: marked by what they say of it, and tied to its map. */

import { byId, element } from "./dom.js";
import { letPoint, pointing } from "./pointing.js";
import { study } from "./study.js";

const STRONGEST_FIRST = ["positive", "uncertain", "negative"];

/** Light up words as they, or the row of their observation, are pointed at. */
export function setUpMentions() {
  pointing.addEventListener("change", light);
  study.addEventListener("change", light);
}

/**
 * Write a report.
 * @param spans of its words, as the service gives them once it is whole.
 */
export function writeReport({ findings, impression, spans = [] }) {
  const focused = marks().find((made) => made === document.activeElement)?.dataset.observations;
  marks().forEach((made) => pointing.leave(made));
  for (const [section, text] of Object.entries({ findings, impression })) {
    byId(section).replaceChildren(...marked(text, spans.filter((span) => span.section === section)));
  }
  const [first] = marks();
  if (first) first.tabIndex = 0;
  if (focused) (marks().find(({ dataset }) => dataset.observations === focused) ?? byId("read-go")).focus();
  byId("words-key").hidden = !first;
  light();
}

const marks = () => [...byId("report").querySelectorAll("[data-observations]")];
const observations = (made) => made.dataset.observations.split(", ");

/** A text in pieces, those in spans marked; spans count code points, strings of this language do not. */
function marked(text, spans) {
  const letters = [...text];
  const pieces = [];
  let at = 0;
  for (const { start, end, said } of merged(spans)) {
    pieces.push(letters.slice(at, start).join(""), mark(letters.slice(start, end).join(""), said));
    at = end;
  }
  return [...pieces, letters.slice(at).join("")];
}

/** Spans in order of the text, those that overlap as one, with what is `said` in it of each observation. */
function merged(spans) {
  const found = [];
  for (const { start, end, observation, mention } of spans) {
    const last = found.at(-1);
    if (last && start < last.end) {
      last.end = Math.max(last.end, end);
      last.said.push({ observation, mention });
    } else {
      found.push({ start, end, said: [{ observation, mention }] });
    }
  }
  return found;
}

function mark(words, said) {
  const mention = STRONGEST_FIRST.find((strongest) => said.some((one) => one.mention === strongest));
  const made = element(`span.mention.${mention}`, {
    textContent: words,
    title: said.map(({ observation, mention }) => `${observation}: ${mention}`).join(", "),
    tabIndex: -1,
    role: "button",
    "data-observations": said.map(({ observation }) => observation).join(", "),
  });
  letPoint(made, () => likeliest(observations(made)), marks);
  return made;
}

/** The observation that the classifier finds likeliest; null where what is shown is not of the study. */
function likeliest(names) {
  if (!ofStudy()) return null;
  const shares = study.shown.found.observations;
  return names.reduce((best, name) => (shares[name] > shares[best] ? name : best));
}

const ofStudy = () => study.pictures.includes(study.shown);

function light() {
  for (const made of marks()) {
    made.classList.toggle("pointed", ofStudy() && observations(made).includes(pointing.name));
    made.setAttribute("aria-pressed", String(observations(made).includes(pointing.pinned)));
  }
}
