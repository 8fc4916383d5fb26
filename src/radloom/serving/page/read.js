/** The report of the study: written by the model, saved as a file. */

import { fetchFile, follow } from "./api.js";
import { byId } from "./dom.js";
import { Job } from "./job.js";
import { writeReport } from "./mentions.js";
import { save } from "./save.js";
import { study } from "./study.js";

const NONE = { findings: "", impression: "" };

let job;
let candidates = 1;
let draft = NONE; // as far as it is written
let written = NONE; // what is on the page

/** @param model as the service describes it. */
export function setUpReading(model) {
  job = new Job(byId("read-job"), byId("read-trouble"));
  candidates = model.candidates;
  byId("read-form").addEventListener("submit", (event) => {
    event.preventDefault();
    readStudy();
  });
  for (const button of byId("report-files").querySelectorAll("[data-format]")) {
    button.addEventListener("click", () => saveReport(button.dataset.format));
  }
  study.addEventListener("change", show);
  study.addEventListener("begin", () => job.cancel());
}

/** A report as one text, with the headings of what it has. */
export function asText({ findings, impression }) {
  return [findings && `FINDINGS: ${findings}`, impression && `IMPRESSION: ${impression}`].filter(Boolean).join("\n\n");
}

/** Write the report of the study that is there. */
export async function readStudy() {
  if (!study.pictures.length) return;
  const files = study.files;
  const fields = { ...files, seed: byId("read-seed").value };
  const what = candidates > 1 ? `Writing ${candidates} drafts, of whose sentences the report is made` : "Writing the report";
  study.report = null;
  draft = NONE;
  show();
  byId("report").ariaBusy = "true";
  const answer = await job.run(what, (how) => follow("v1/report", fields, { ...how, onPartial: grow }));
  byId("report").ariaBusy = String(job.running); // it does, where this one was cancelled by the next
  const same = files.frontal === study.files.frontal && files.lateral === study.files.lateral;
  study.report = answer && same ? answer : null;
  study.tell();
}

function show() {
  byId("read-go").disabled = !study.pictures.length;
  byId("report-files").hidden = byId("report-about").hidden = !study.report;
  byId("report").hidden = !study.report && !job.running;
  write(study.report ?? (job.running ? draft : NONE));
  if (study.report) {
    const { seed, seconds, model } = study.report;
    const synthetic = study.pictures.some((picture) => picture.synthetic) ? " · of a synthetic X-ray" : "";
    byId("report-about").textContent = `seed ${seed} · ${seconds.toFixed(1)} s · model ${model}${synthetic}`;
  }
  byId("remarks").textContent = study.report?.remarks.join(" ") ?? "";
  byId("remarks").hidden = !byId("remarks").textContent;
}

function grow(report) {
  draft = report;
  write(draft);
}

function write(report) {
  byId("report").hidden = !(report.findings || report.impression || job.running);
  if (report !== written) writeReport(report);
  written = report;
}

async function saveReport(format) {
  const { findings, impression, seed } = study.report;
  const fields = { findings, impression, seed, format, ...study.files };
  const response = await job.run("Writing the file", (how) => fetchFile("v1/document", fields, how));
  if (response) save(await response.blob(), `report.${format}`);
}
