/** The routes of the service for people, from its description for programs. */

import { byId, complain, element } from "./dom.js";
import { setUpTheme } from "./theme.js";

setUpTheme(element("button"));

try {
  const described = await (await fetch("openapi.json")).json();
  byId("routes").append(element("p", { textContent: described.info.description }));
  for (const [path, methods] of Object.entries(described.paths)) {
    for (const [method, route] of Object.entries(methods)) byId("routes").append(section(path, method, route, described));
  }
} catch (error) {
  const notice = element("p.notice");
  complain(notice, `The description cannot be read (${error.message}); try again.`);
  byId("routes").append(notice);
}

function section(path, method, route, described) {
  const title = element("h2", {}, element("code", { textContent: `${method.toUpperCase()} ${path}` }));
  const made = element("section", {}, title, prose(route.description ?? ""));
  const [form] = Object.values(route.requestBody?.content ?? {});
  if (form) made.append(table(resolve(form.schema, described)));
  const answer = route.responses["200"]?.content ?? {};
  const shape = answer["application/json"]?.schema;
  const kinds = Object.keys(answer).join(", ");
  if (kinds) made.append(element("p.quiet", { textContent: `gives ${kinds}` }));
  if (shape?.$ref) made.append(...explained(resolve(shape, described).description ?? ""));
  return made;
}

/** A text in an element of its own, in which what stands in backticks is code. */
function prose(text, tag = "p.prose") {
  const parts = text.split("`").map((part, nth) => (nth % 2 ? element("code", { textContent: part }) : part));
  return element(tag, {}, ...parts);
}

/** What an answer is: a sentence, and a table of its attributes. */
function explained(text) {
  const [what, attributes = ""] = text.split("\n\nAttributes:\n");
  const lines = attributes.replace(/\n {8}/g, " ").split("\n").filter(Boolean);
  const rows = lines.map((line) => {
    const [, name, meaning] = line.match(/^ *(.+?): (.*)$/);
    return element("tr", {}, element("th", { scope: "row" }, element("code", { textContent: name })), prose(meaning, "td"));
  });
  return [prose(what), element("table", {}, element("tbody", {}, ...rows))];
}

/** The fields of a form. */
function table({ properties = {}, required = [] }) {
  const rows = Object.entries(properties).map(([name, field]) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, element("code", { textContent: name })),
      element("td", { textContent: kind(field) }),
      element("td", { textContent: required.includes(name) ? "required" : `${field.default ?? ""}` }),
      prose(field.description ?? "", "td"),
    ),
  );
  return element("table", {}, element("tbody", {}, ...rows));
}

function kind({ type, anyOf = [], format, contentMediaType }) {
  const found = type ?? anyOf.find((one) => one.type !== "null")?.type ?? "";
  const file = format === "binary" || contentMediaType || anyOf.some((one) => one.format === "binary" || one.contentMediaType);
  return file ? "file" : found;
}

function resolve(schema, described) {
  const name = (schema.$ref ?? schema.allOf?.[0].$ref)?.split("/").at(-1);
  return name ? described.components.schemas[name] : schema;
}
