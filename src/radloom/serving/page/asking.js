/** Questions about the X-ray that is shown, and their answers, in a thread. */

import { follow } from "./api.js";
import { button, byId, element } from "./dom.js";
import { Job } from "./job.js";
import { study } from "./study.js";

const QUESTIONS = [
  "Is the heart enlarged?",
  "Is there a pleural effusion?",
  "Is there a pneumothorax?",
  "Is the X-ray normal?",
];

let job;

export function setUpAsking() {
  job = new Job(byId("ask-job"), byId("ask-trouble"));
  byId("questions").append(...QUESTIONS.map((question) => button(question, () => askNow(question))));
  byId("ask-form").addEventListener("submit", (event) => {
    event.preventDefault();
    askNow(byId("question").value);
  });
  study.addEventListener("change", enable);
  study.addEventListener("begin", () => {
    job.cancel();
    byId("thread").replaceChildren();
  });
  enable();
}

function enable() {
  for (const control of document.querySelectorAll("#questions button, #ask-form button")) control.disabled = !study.shown;
}

async function askNow(question) {
  const picture = study.shown;
  if (!picture || !question.trim()) return;
  const answer = element("p.answer");
  const about = element("p.quiet.small", { textContent: `${picture.synthetic ? "synthetic " : ""}${picture.view}, ${picture.name}` });
  const entry = element("li", {}, element("p.question", { textContent: question }), answer, about);
  byId("thread").append(entry);
  entry.scrollIntoView({ block: "nearest" });
  byId("question").value = "";
  const onPartial = (words) => (answer.textContent = words.answer);
  const fields = { question, [picture.view]: picture.file };
  const given = await job.run("Answering", (how) => follow("v1/ask", fields, { ...how, onPartial }));
  if (given) {
    answer.textContent = given.answer || "(no answer)";
    about.textContent += ` · by the ${given.by}`;
    study.questions.push({ picture, question, given });
  } else {
    entry.remove();
    byId("question").value ||= question;
  }
  byId("question").focus({ preventScroll: true });
}
