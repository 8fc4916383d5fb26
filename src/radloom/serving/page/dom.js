/** Small helpers for elements. */

/** The element with that id. */
export const byId = (id) => document.getElementById(id);

/**
 * A new element.
 * @param tag with classes, as in `button.link`.
 * @param attributes properties such as `textContent`, or attributes with a dash (`aria-label`, `data-seed`).
 * @param children elements or texts.
 */
export function element(tag, attributes = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const made = document.createElement(name);
  made.classList.add(...classes);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.includes("-") || key === "role" || key === "scope") made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children);
  return made;
}

/** A button that does something. */
export function button(text, action, attributes = {}) {
  const made = element("button", { type: "button", textContent: text, ...attributes });
  made.addEventListener("click", action);
  return made;
}

/** Put new children in place of those there; what had the focus has it again, by its label within its `data-key`. */
export function renew(parent, ...children) {
  const key = (made) => `${made.closest("[data-key]")?.dataset.key} ${made.getAttribute("aria-label") ?? made.textContent}`;
  const focused = parent.contains(document.activeElement) && key(document.activeElement);
  parent.replaceChildren(...children);
  if (focused) [...parent.querySelectorAll("button")].find((made) => key(made) === focused)?.focus();
}

/** Show a field with its label, or hide both and leave it out of what is sent and checked. */
export function use(field, used) {
  field.disabled = field.closest("label").hidden = !used;
}

/** Open what folds a field away that is filled in wrongly, or the browser could not point at it. */
addEventListener("invalid", ({ target }) => target.closest("details")?.setAttribute("open", ""), true);

/** Say what is wrong until it is closed, or with no text take it away. */
export function complain(notice, text = "") {
  notice.replaceChildren(text, button("×", () => complain(notice), { className: "link", ariaLabel: "Close" }));
  notice.hidden = !text;
}

/** Whether a key press goes into a field. */
export const isTyping = ({ target }) => /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) && target.type !== "range";
