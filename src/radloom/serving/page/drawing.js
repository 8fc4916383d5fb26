/** X-rays drawn from text: the form, and a card for each that was drawn. */

import { card } from "./cards.js";
import { button, byId, complain, renew, use } from "./dom.js";
import { Job } from "./job.js";
import { adopt, check, drawings, pairs } from "./open.js";
import { asText } from "./read.js";
import { study } from "./study.js";

/** Sentences to begin with. */
const SENTENCES = {
  "Normal chest": "The heart is normal in size. The lungs are clear. No pleural effusion or pneumothorax.",
  "Large heart": "The heart is enlarged. The lungs are clear.",
  "Pleural effusion": "There is a large right pleural effusion.",
  Pneumonia: "There is consolidation in the right lower lobe, consistent with pneumonia.",
  Pacemaker: "A left chest pacemaker is in place. The heart is mildly enlarged.",
};

/** Those of which the page has an X-ray; `nano` draws no pacemakers. */
export const EXAMPLES = Object.entries(SENTENCES).filter(([name]) => name !== "Pacemaker");

let job;
let engines; // what each can be told, the better one first
let taken;
let pairable; // whether the model draws both views of one patient

/**
 * @param model as the service describes it.
 * @param limits of the service.
 * @param onDraw called when drawing is wanted from elsewhere on the page.
 * @param onTake called when a drawing has become the study.
 */
export function setUpDrawing(model, limits, onDraw, onTake) {
  taken = onTake;
  job = new Job(byId("draw-job"), byId("draw-trouble"));
  byId("samples").max = limits.images;
  byId("samples").value = Math.min(2, limits.images);
  byId("text").maxLength = limits.text;
  engines = model.image;
  byId("draw-engine").append(...engines.map(({ engine }) => new Option(engine)));
  byId("draw-more").hidden = engines.length === 1;
  byId("draw-engine").addEventListener("change", showEngine);
  showEngine();
  pairable = model.complete.engines.includes("diffusion");
  byId("sentences").append(
    ...Object.entries(SENTENCES).map(([name, sentence]) => button(name, () => (byId("text").value = sentence))),
  );
  byId("draw-form").addEventListener("submit", (event) => {
    event.preventDefault();
    draw();
  });
  byId("use-report").addEventListener("click", takeReport);
  byId("draw-this").addEventListener("click", () => {
    takeReport();
    onDraw();
  });
  study.addEventListener("change", show);
  study.addEventListener("begin", ({ detail }) => {
    if (detail.keep) return;
    job.cancel();
    byId("text").value = "";
  });
}

/** Show what the engine that is chosen can be told, as the model has it. */
function showEngine() {
  const { guidance, steps } = engines.find(({ engine }) => engine === byId("draw-engine").value);
  byId("guidance").value = guidance;
  use(byId("draw-steps"), steps !== undefined);
  byId("draw-steps").value = steps ?? "";
}

function takeReport() {
  byId("text").value = asText(study.report);
}

async function draw() {
  const form = new FormData(byId("draw-form"));
  const views = form.get("view") === "both" ? ["frontal", "lateral"] : [form.get("view")];
  const fields = {
    report: byId("text").value,
    n: byId("samples").value,
    seed: byId("draw-seed").value,
    engine: byId("draw-engine").value,
    guidance: byId("guidance").value,
    ...(!byId("draw-steps").disabled && { steps: byId("draw-steps").value }),
  };
  const drawn = [];
  const paired = views.length > 1 && pairable && fields.engine === "diffusion";
  for (const view of paired ? ["frontal and lateral"] : views) {
    const work = paired ? (how) => pairs(fields, how) : (how) => drawings({ ...fields, view }, how);
    const made = await job.run(`Drawing ${fields.n} ${view}`, work);
    if (!made) break;
    drawn.push(...made.pictures);
    const apart = views.length > 1 && !paired ? ["Each view is drawn by itself: they are not of one patient."] : [];
    complain(byId("draw-trouble"), [...made.remarks, ...apart].join(" "));
  }
  if (!drawn.length) return;
  study.draw(drawn);
  byId("draw-seed").value = Number(fields.seed) + Number(fields.n);
}

function show() {
  byId("use-report").disabled = !study.report;
  const read = (picture) => button("Take as study", () => take(picture), { title: "Read it, ask about it, write files of it" });
  const own = study.drawings.filter(({ completed }) => !completed);
  renew(byId("drawings"), ...own.map((picture) => card(picture, read(picture))));
}

async function take(picture) {
  const checked = await job.run("Looking at it", async (how) => {
    await check(picture, how);
    return true;
  });
  if (checked && (await adopt([picture]))) taken();
}
