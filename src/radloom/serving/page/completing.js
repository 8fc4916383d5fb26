/** What is missing of a study, made from what is there: which parts, and the samples that were made of them. */

import { follow } from "./api.js";
import { card } from "./cards.js";
import { button, byId, complain, element, renew, use } from "./dom.js";
import { Job } from "./job.js";
import { adopt, check, drawn } from "./open.js";
import { asText } from "./read.js";
import { study } from "./study.js";

const VIEWS = ["frontal", "lateral"];
const PARTS = [...VIEWS, "report"];
const ROLES = { given: "Given", made: "Make", out: "Leave out" };

let job;
let take;
let samples = []; // the newest first
let known = {}; // which parts the study had
let denoises; // whether the model has the diffusion engine
let report = null; // that the text came from

/**
 * @param model as the service describes it.
 * @param limits of the service.
 * @param onTake called when a sample has become the study.
 */
export function setUpCompleting(model, limits, onTake) {
  job = new Job(byId("complete-job"), byId("complete-trouble"));
  take = onTake;
  byId("complete-samples").max = limits.images;
  byId("complete-samples").value = Math.min(2, limits.images);
  byId("complete-text").maxLength = limits.text;
  byId("complete-guidance").value = model.complete.guidance;
  byId("complete-steps").value = model.complete.steps;
  denoises = model.complete.engines.includes("diffusion");
  byId("complete-more").hidden = !denoises;
  byId("complete-engine").addEventListener("change", showChoices);
  byId("complete-weights").append(...PARTS.map(weight));
  byId("parts").append(...PARTS.map(choice));
  byId("parts").addEventListener("change", showChoices);
  byId("complete-form").addEventListener("submit", (event) => {
    event.preventDefault();
    complete();
  });
  study.addEventListener("change", show);
  study.addEventListener("begin", ({ detail }) => {
    if (detail.keep) return;
    job.cancel();
    samples = [];
    byId("complete-text").value = "";
  });
  show();
}

/** Have a part made, unless the form is told otherwise. */
export function want(part) {
  choose(part, "made");
  showChoices();
}

function choice(part) {
  const roles = Object.entries(ROLES).map(([value, name]) =>
    element("label", {}, element("input", { type: "radio", name: part, value }), name),
  );
  return element("div.choice", { role: "radiogroup", "aria-label": part }, element("span", { textContent: part }), ...roles);
}

const radio = (part, role) => byId("complete-form").querySelector(`[name=${part}][value=${role}]`);
const choose = (part, role) => (radio(part, role).checked = true);
const chosen = (role) => PARTS.filter((part) => radio(part, role).checked);

/** What came into the study is given, what left it is made; what is as it was, stays as it was chosen. */
function show() {
  const there = { ...study.views, report: study.report };
  for (const part of PARTS) {
    if (Boolean(there[part]) !== known[part]) choose(part, there[part] ? "given" : "made");
    known[part] = Boolean(there[part]);
  }
  for (const view of VIEWS) radio(view, "given").disabled = !there[view];
  if (study.report && study.report !== report) byId("complete-text").value = asText(study.report);
  report = study.report;
  showChoices();
  samples = samples.filter((sample) => sample.report || left(sample).length);
  renew(byId("completions"), ...samples.map(sampleCard));
}

function showChoices() {
  const wanted = chosen("made");
  const text = byId("complete-text");
  text.hidden = !radio("report", "given").checked;
  text.required = !text.hidden;
  byId("complete-go").disabled = !wanted.length;
  byId("complete-go").textContent = `Make ${listed(wanted)}`;
  byId("complete-hint").textContent = from(chosen("given"));
  for (const id of ["complete-guidance", "complete-steps"]) use(byId(id), denoised());
  for (const part of PARTS) use(byId(`weight-${part}`), weighed() && chosen("given").includes(part));
}

/** Whether anything is denoised; by default the report of given views is the language model's. */
function denoised() {
  const engine = byId("complete-engine").value;
  const [drawing, seeing] = ["made", "given"].map((role) => chosen(role).some((part) => VIEWS.includes(part)));
  return denoises && (engine ? engine === "diffusion" : drawing || !seeing);
}

/** Whether weights matter: where several parts are given to diffusion. */
const weighed = () => denoised() && chosen("given").length > 1;

function weight(part) {
  const field = { id: `weight-${part}`, type: "number", min: 0, max: 10, step: 0.1, value: 1, required: true };
  return element("label.inline", {}, `Weight of ${part}`, element("input", field));
}

async function complete() {
  const [wanted, given] = [chosen("made"), chosen("given")];
  const pictures = given.map((part) => study.views[part]).filter(Boolean);
  const text = given.includes("report") ? byId("complete-text").value : null;
  const fields = {
    want: wanted.join(","),
    report: text,
    n: byId("complete-samples").value,
    seed: byId("complete-seed").value,
    engine: byId("complete-engine").value || undefined,
    ...(denoised() && { guidance: byId("complete-guidance").value, steps: byId("complete-steps").value }),
    ...(weighed() && { weights: given.map((part) => `${part}=${byId(`weight-${part}`).value}`).join(",") }),
    ...Object.fromEntries(pictures.map(({ view, file }) => [view, file])),
  };
  const kept = study.report && text === asText(study.report) ? study.report : null;
  const made = await job.run(`Making ${listed(wanted)}`, (how) => completions(fields, from(given), how));
  if (!made) return;
  complain(byId("complete-trouble"), made[0].remarks.join(" "));
  samples = [...made.map((sample) => ({ ...sample, given: pictures, kept })), ...samples];
  byId("complete-seed").value = Number(fields.seed) + Number(fields.n);
  const drawings = VIEWS.flatMap((view) => made.flatMap(({ drawings }) => drawings.filter((one) => one.view === view)));
  if (!drawings.length) return show();
  study.draw(drawings);
  study.arrange("grid");
}

/** Complete a study: samples whose drawings are pictures. */
async function completions(fields, origin, how) {
  const answer = await follow("v1/complete", { ...fields, dicom: true }, how);
  const { remarks, seconds, model, engines } = answer;
  return Promise.all(
    answer.samples.map(async ({ seed, report, ...views }) => ({
      seed,
      origin,
      remarks,
      report: report && { ...report, remarks, seed, seconds, model, engine: engines.report },
      drawings: await Promise.all(
        VIEWS.filter((view) => views[view]).map((view) => {
          return drawn(views[view], { view, engine: engines[view], text: origin, completed: true });
        }),
      ),
    })),
  );
}

/** Those of its drawings that were not taken away. */
const left = ({ drawings }) => drawings.filter((picture) => study.drawings.includes(picture));

function sampleCard(sample) {
  const title = element("h3", { textContent: `Seed ${sample.seed}, ${sample.origin}` });
  const use = button("Take as study", () => becomeStudy(sample), { title: "with what it was made from" });
  const made = element("section.sample", { "data-key": `sample ${sample.seed} ${sample.origin}` }, element("div.row.tight", {}, title, element("span.space"), use));
  made.append(...left(sample).map((picture) => card(picture)));
  if (sample.report) made.append(element("p.prose", { textContent: asText(sample.report) }));
  return made;
}

async function becomeStudy(sample) {
  const pictures = left(sample);
  const looked = await job.run("Looking at it", async (how) => {
    for (const picture of pictures) await check(picture, how);
    return true;
  });
  if (!looked) return;
  if (await adopt([...sample.given, ...pictures], sample.report ?? sample.kept)) take();
}

/** `from frontal and report` */
function from(given) {
  return `from ${listed(given) || "nothing"}`;
}

/** `frontal, lateral and report` */
function listed(names) {
  return names.join(", ").replace(/, (\w+)$/, " and $1");
}
