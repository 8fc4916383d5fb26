/** A picture that was drawn or completed, as a card: shown by a click, compared, saved. */

import { button, element } from "./dom.js";
import { save } from "./save.js";
import { study } from "./study.js";

/**
 * @param picture that is synthetic.
 * @param more buttons that go with those that every card has.
 */
export function card(picture, ...more) {
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
    button("Compare", compare, { disabled: !study.views[picture.view], title: "with the original of its view, by a slider" }),
    ...more,
    button("PNG", () => save(picture.file, `${name}.png`)),
    button("DICOM", () => save(picture.dicom, `${name}.dcm`), { title: "DICOM Secondary Capture" }),
  ];
  const made = element(
    "figure.card",
    { "data-key": picture.id },
    show,
    element("figcaption", {}, `${picture.view} · seed ${picture.seed}`, element("div.row.tight", {}, ...actions)),
  );
  made.classList.toggle("current", study.shown === picture);
  return made;
}
