/** X-rays drawn from text: the form, and a card for each that was drawn. */

import { button, byId, element } from "./dom.js";
import { Job } from "./job.js";
import { adopt, check, drawings } from "./open.js";
import { save } from "./save.js";
import { study } from "./study.js";

/** Sentences to begin with. */
export const EXAMPLES = {
  "Normal chest": "The heart is normal in size. The lungs are clear. No pleural effusion or pneumothorax.",
  "Large heart": "The heart is enlarged. The lungs are clear.",
  "Pleural effusion": "There is a large right pleural effusion.",
  Pneumonia: "There is consolidation in the right lower lobe, consistent with pneumonia.",
  Pacemaker: "A left chest pacemaker is in place. The heart is mildly enlarged.",
};

let job;
let batches = 0;

/**
 * @param limits of the service.
 * @param onDraw called when drawing is wanted from elsewhere on the page.
 */
export function setUpDrawing(limits, onDraw) {
  job = new Job(byId("draw-job"), byId("draw-trouble"));
  byId("samples").max = limits.images;
  byId("samples").value = Math.min(2, limits.images);
  byId("text").maxLength = limits.text;
  byId("sentences").append(
    ...Object.entries(EXAMPLES).map(([name, sentence]) => button(name, () => (byId("text").value = sentence))),
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
}

function takeReport() {
  const { findings, impression } = study.report;
  byId("text").value = `FINDINGS: ${findings}\n\nIMPRESSION: ${impression}`;
}

async function draw() {
  const form = new FormData(byId("draw-form"));
  const views = form.get("view") === "both" ? ["frontal", "lateral"] : [form.get("view")];
  const fields = {
    report: byId("text").value,
    n: byId("samples").value,
    seed: byId("draw-seed").value,
    guidance: byId("guidance").value,
  };
  const drawn = [];
  for (const view of views) {
    const made = await job.run(`Drawing ${fields.n} ${view}`, (how) => drawings({ ...fields, view }, how));
    if (!made) break;
    drawn.push(...made);
  }
  if (!drawn.length) return;
  batches += 1;
  for (const picture of drawn) picture.batch = batches;
  study.draw(drawn);
  byId("draw-seed").value = Number(fields.seed) + Number(fields.n);
}

function show() {
  byId("use-report").disabled = !study.report;
  byId("drawings").replaceChildren(...study.drawings.map(card));
}

function card(picture) {
  const name = `synthetic-${picture.view}-${picture.seed}`;
  const thumbnail = picture.thumbnail(128);
  const show = element("button.thumb", { type: "button", title: picture.text, "aria-label": `Show ${name}` }, thumbnail);
  show.append(element("span.badge", { textContent: "SYNTHETIC" }));
  show.addEventListener("click", () => study.show(picture));
  const compare = () => {
    study.show(picture);
    study.arrange("compare");
  };
  const actions = [
    button("Compare", compare, { disabled: !study.pictures.length, title: "with the original, by a slider" }),
    button("Read it", () => use(picture), { title: "Take it as the X-ray of the study" }),
    button("PNG", () => save(picture.file, `${name}.png`)),
    button("DICOM", () => save(picture.dicom, `${name}.dcm`), { title: "DICOM Secondary Capture" }),
  ];
  const made = element(
    "figure.card",
    {},
    show,
    element("figcaption", {}, `${picture.view} · seed ${picture.seed}`, element("div.row.tight", {}, ...actions)),
  );
  made.classList.toggle("current", study.shown === picture);
  return made;
}

async function use(picture) {
  const checked = await job.run("Looking at it", async (how) => {
    await check(picture, how);
    return true;
  });
  if (checked) await adopt(picture);
}
