/** Files into the study: chosen, dropped, or drawn from a sentence as an example. */

import { ask, fetchFile, follow, pageFile } from "./api.js";
import { byId, complain } from "./dom.js";
import { Job } from "./job.js";
import { Picture } from "./picture.js";
import { study } from "./study.js";

const LOST = ": its pictures, report and answers go.\n\nOK goes on. Cancel keeps it.";

let job;
let wanted = null; // the view that is chosen a file for

/** Make files openable everywhere. */
export function setUpOpening() {
  job = new Job(byId("busy"), byId("trouble"));
  const input = byId("files");
  byId("open").addEventListener("click", () => choose());
  byId("choose").addEventListener("click", () => choose());
  input.addEventListener("change", () => {
    open([...input.files], wanted);
    input.value = "";
  });
  addEventListener("dragover", (event) => {
    event.preventDefault();
    const part = event.target.closest?.("[data-view]");
    document.querySelectorAll(".target").forEach((target) => target.classList.remove("target"));
    (part ?? byId("stage")).classList.add("target");
  });
  for (const end of ["dragleave", "drop"]) {
    addEventListener(end, () =>
      document.querySelectorAll(".target").forEach((target) => target.classList.remove("target")),
    );
  }
  addEventListener("drop", (event) => {
    event.preventDefault();
    const files = [...event.dataTransfer.files];
    if (files.length) open(files, event.target.closest?.("[data-view]")?.dataset.view ?? null);
  });
}

/** Let the user choose files for a view, or for the views that they turn out to be. */
export function choose(view = null) {
  wanted = view;
  byId("files").click();
}

/**
 * Open files, at most one a view.
 * @param view of a file that joins the study; without, the files are a new one, so that no two patients mix.
 */
async function open(files, view) {
  if (files.length > 2) {
    complain(byId("trouble"), `${files.length} files are too many; a study has a frontal and a lateral view.`);
    return;
  }
  if (view && files.length > 1) {
    complain(byId("trouble"), `${files.length} files are too many for the ${view} view; choose one.`);
    return;
  }
  const doubts = [];
  for (const [index, file] of files.entries()) {
    const picture = await job.run(`Opening ${file.name}`, (how) => read(file, view, how));
    if (!picture) return;
    if (!view && index === 0 && !(files.length === 1 && joins(picture))) {
      if (!mayGo(picture)) return;
      study.begin();
    }
    if (!view && index === 1 && study.views[picture.view]) picture.view = other(picture.view);
    if (picture.view !== picture.found.view) {
      doubts.push(`${file.name} is taken as the ${picture.view} view, but looks like a ${picture.found.view} one.`);
    }
    doubts.push(...picture.found.remarks.map((remark) => `${file.name}: ${remark}`));
    study.place(picture);
  }
  if (files.length > 1) study.show(study.views.frontal ?? study.views.lateral);
  complain(byId("trouble"), doubts.join(" "));
}

const other = (view) => (view === "frontal" ? "lateral" : "frontal");

/** Whether a picture is of the study that is there and lacks it, as the user says. */
function joins({ view, name }) {
  const [there, ...more] = study.pictures;
  if (!there || there.synthetic || more.length || there.view === view) return false;
  return confirm(`Is ${name} the ${view} view of the study that is open?\n\nOK adds it. Cancel begins a new study.`);
}

/** Whether what is there may go for a picture: the user is asked where answers or drawings would. */
function mayGo({ name }) {
  const made = study.questions.length || study.drawings.length;
  return !made || confirm(`${name} takes the place of the study that is open: its answers and drawings go, too.\n\nOK goes on.`);
}

/** A picture of a file, with what the classifier finds in it. */
async function read(file, view, how) {
  try {
    const png = await fetchFile("v1/view", { frontal: file, deep: true }, how);
    const synthetic = png.headers.get("Synthetic") === "yes";
    const picture = await Picture.of(await png.blob(), { name: file.name, file, synthetic, view });
    await check(picture, how);
    picture.view ??= picture.found.view;
    return picture;
  } catch (error) {
    error.message = error.message.replace(/^frontal\b/, file.name);
    throw error;
  }
}

/** Ask what the classifier finds in a picture. */
export async function check(picture, how) {
  picture.found ??= await ask("v1/check", { frontal: picture.file }, how);
}

/** Open an X-ray of the page that `nano` drew from a sentence. */
export async function openExample(sentence, name) {
  const picture = await job.run(`Opening ${name}`, async (how) => {
    const png = await pageFile(`${name.toLowerCase().replace(" ", "-")}.png`, how.signal);
    return Object.assign(await read(new File([png], `${name}.png`), null, how), { text: sentence });
  });
  if (picture) adopt([picture]);
}

/** Draw X-rays: pictures, and remarks on what of the text was not read. */
export async function drawings(fields, how) {
  const { images, view, engine, remarks } = await follow("v1/image", { ...fields, dicom: true }, how);
  const about = { view, engine, text: fields.report };
  return { pictures: await Promise.all(images.map((image) => drawn(image, about))), remarks };
}

/** Draw both views of invented patients, the lateral one also from the frontal one. */
export async function pairs(fields, how) {
  const wanted = { ...fields, want: "frontal,lateral", dicom: true };
  const { samples, engines, remarks } = await follow("v1/complete", wanted, how);
  const views = samples.flatMap(({ frontal, lateral }) => Object.entries({ frontal, lateral }));
  const about = (view) => ({ view, engine: engines[view], text: fields.report });
  return { pictures: await Promise.all(views.map(([view, image]) => drawn(image, about(view)))), remarks };
}

/**
 * The picture of a drawing as the service gives it.
 * @param about its `view`, and the `text` that says what it was made of.
 */
export function drawn({ png, seed, dicom }, about) {
  return Picture.of(blob(png, "image/png"), {
    name: `drawn, seed ${seed}`,
    synthetic: true,
    dicom: blob(dicom, "application/dicom"),
    seed,
    ...about,
  });
}

/**
 * Take pictures as a study of their own, of which nothing else is known; drawings stay beside it.
 * @param report of it, if there is one.
 * @returns whether they were taken: the user is asked where what a file shows, was written or answered would go.
 */
export async function adopt(pictures, report = null) {
  const going = study.pictures.filter((picture) => !pictures.includes(picture));
  const lost = going.length || study.questions.length || (study.report && study.report !== report);
  if (lost && !confirm(`This takes the place of the study that is open${LOST}`)) return false;
  const views = await Promise.all(pictures.map((picture) => (picture.batch ? copy(picture) : picture)));
  study.begin(true);
  for (const picture of views) study.place(picture);
  study.report = report;
  study.show(study.views.frontal ?? views[0]);
  return true;
}

async function copy({ file, name, view, found, dicom, text, seed, engine }) {
  return Object.assign(await Picture.of(file, { name, view, synthetic: true, dicom, text, seed, engine }), { found });
}

function blob(base64, type) {
  return new Blob([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], { type });
}
