/** All that is known of the study as one JSON file, for programs. */

import { byId } from "./dom.js";
import { save } from "./save.js";
import { study } from "./study.js";

let about;

/** @param described what the service says of itself, see `api.describe`. */
export function setUpRecord(described) {
  about = described;
  byId("save-record").addEventListener("click", () => {
    save(new Blob([JSON.stringify(record(), null, 1)], { type: "application/json" }), "radloom-record.json");
  });
  study.addEventListener("change", () => (byId("record").hidden = !study.shown));
}

/** The views with what the classifier finds in them, the report, the questions about these views, and what was drawn. */
function record() {
  const [{ name, fingerprint }] = about.models;
  const views = Object.fromEntries(study.pictures.map((picture) => [picture.view, view(picture)]));
  const questions = study.questions
    .filter(({ picture }) => study.pictures.includes(picture))
    .map(({ picture, question, given }) => ({ view: picture.view, question, ...given }));
  const drawings = study.drawings.map((picture) => ({ view: picture.view, ...view(picture) }));
  return { model: name, fingerprint, notice: about.notice, views, report: study.report, questions, drawings };
}

/** A drawing has its seed and engine, and says what it was made from; what was not looked at yet has no observations. */
function view({ name, size, synthetic, seed, engine, text, found }) {
  const { view: looks, observations, signs } = found ?? {};
  return { name, size, synthetic, seed, engine, made_from: text, looks, observations, signs };
}
