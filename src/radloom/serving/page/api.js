/** What the page asks of the service: forms out; JSON, files or server-sent events in; refusals as one sentence. */

/** A request that got no answer; its message is one sentence for people. */
export class Refusal extends Error {
  constructor(message, code = "", status = 0) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

const TOKEN = "radloom-token";
let limits = { body: Infinity };
let askForToken = () => Promise.reject(new Refusal("The token is missing.", "unauthorized", 401));

/** Call `ask` when the service wants a token; it gives a promise of one. */
export function onTokenWanted(ask) {
  askForToken = ask;
}

/** The model that answers, what is taken, and the limits of use. */
export async function describe(signal) {
  const about = await (await send("v1/models", { method: "GET", signal })).json();
  limits = about.limits;
  return about;
}

/** A file of the page itself. */
export async function pageFile(name, signal) {
  return (await send(`page/${name}`, { method: "GET", signal })).blob();
}

/** Send a form and give its JSON. */
export async function ask(path, fields, { signal, onWait } = {}) {
  return (await send(path, { body: form(fields), signal, onWait })).json();
}

/** Send a form and give the response, whose body is a file. */
export function fetchFile(path, fields, { signal, onWait } = {}) {
  return send(path, { body: form(fields), signal, onWait });
}

/**
 * Send a form and give its answer, telling how it goes.
 * @param on `progress({done, total})`, `partial(words)` and `onWait(message, seconds)`, each as it comes.
 */
export async function follow(path, fields, { signal, onProgress, onPartial, onWait } = {}) {
  const response = await send(path, { body: form(fields), signal, onWait, accept: "text/event-stream" });
  for await (const { name, data } of events(response.body)) {
    if (name === "progress") onProgress?.(data);
    if (name === "partial") onPartial?.(data);
    if (name === "answer") return data;
    if (name === "error") throw new Refusal(data.message, data.code);
  }
  throw new Refusal("The connection ended before the answer; try again.");
}

/** Server-sent events of a body (WHATWG HTML, section 9.2). */
async function* events(body) {
  let text = "";
  const decoder = new TextDecoder();
  for await (const bytes of chunks(body)) {
    const blocks = (text + decoder.decode(bytes, { stream: true })).split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const [, name, data] = block.match(/^event: (.*)\ndata: (.*)$/s) ?? [];
      if (name) yield { name, data: JSON.parse(data) };
    }
  }
}

/** Not every browser can iterate over a stream. */
async function* chunks(body) {
  const reader = body.getReader();
  for (let read; !(read = await reader.read()).done; ) yield read.value;
}

function form(fields) {
  const data = new FormData();
  let size = 0;
  for (const [name, value] of Object.entries(fields)) {
    if (value === null || value === undefined) continue;
    if (value instanceof Blob) size += value.size;
    data.append(name, value, ...(value instanceof Blob ? [value.name ?? `${name}.png`] : []));
  }
  if (size > limits.body) {
    const megabytes = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MB`;
    throw new Refusal(
      `The file is too large (${megabytes(size)}); at most ${megabytes(limits.body)} are taken.`,
      "too_large",
      413,
    );
  }
  return data;
}

/** A response that is well; a full service is asked again when it says, a closed one once its token is known. */
async function send(path, { method = "POST", body, signal, onWait, accept = "application/json" }) {
  for (;;) {
    const token = sessionStorage.getItem(TOKEN);
    const headers = { Accept: accept, ...(token && { Authorization: `Bearer ${token}` }) };
    const response = await fetched(path, { method, body, headers, signal });
    if (response.ok) return response;
    const refusal = await refusalOf(response);
    if (response.status === 401) {
      sessionStorage.setItem(TOKEN, await askForToken());
    } else if (response.status === 429 || refusal.code === "loading") {
      await wait(Number(response.headers.get("Retry-After")) || 2, signal, (left) => onWait?.(refusal.message, left));
    } else {
      throw refusal;
    }
  }
}

async function fetched(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal("The service cannot be reached; see whether it still runs, then try again.", "unreachable");
  }
}

async function refusalOf(response) {
  try {
    const { error } = await response.json();
    return new Refusal(error.message, error.code, response.status);
  } catch {
    return new Refusal(`The service answered with ${response.status}; try again later.`, "", response.status);
  }
}

/** Pass after some seconds, told each second how many are left. */
async function wait(seconds, signal, tell) {
  for (let left = Math.ceil(seconds); left > 0; left--) {
    tell(left);
    await new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, 1000);
      signal?.addEventListener("abort", () => (clearTimeout(timer), reject(signal.reason)), { once: true });
    });
  }
}
