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
}

/** The views with what the classifier finds in them, the report, and the questions about these views. */
function record() {
  const [{ name, fingerprint }] = about.models;
  const views = Object.fromEntries(study.pictures.map((picture) => [picture.view, view(picture)]));
  const questions = study.questions
    .filter(({ picture }) => study.pictures.includes(picture))
    .map(({ picture, question, given }) => ({ view: picture.view, question, ...given }));
  return { model: name, fingerprint, notice: about.notice, views, report: study.report, questions };
}

/** A drawing has its seed, and says what it was made from. */
function view({ name, size, synthetic, seed, text, found }) {
  return { name, size, synthetic, seed, made_from: text, looks: found.view, observations: found.observations };
}
