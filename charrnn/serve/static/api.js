// Requests to the HTTP API of `charrnn serve`.

import { askForKey, readKey } from "./key.js";

// An error that the API reports; its message is one sentence.
export class ApiError extends Error {}

const NO_ANSWER = "the server does not answer, so check that charrnn serve is still running";
const CONNECTION_LOST = "the connection to the server was lost";

export const isAbort = (error) => error.name === "AbortError";

export const runPath = (name) => `/v1/runs/${encodeURIComponent(name)}`;

export async function getJson(path, signal) {
  return (await send(path, { signal })).json();
}

export async function postJson(path, body, signal) {
  return (await send(path, { body, signal })).json();
}

export async function getBlob(path) {
  return (await send(path, {})).blob();
}

// Yield the events of a stream, parsed from JSON, until it ends. The class EventSource can send
// neither a body nor a key.
export async function* streamEvents(path, { body, signal }) {
  const response = await send(path, { body, signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  try {
    for (;;) {
      const { value, done } = await readChunk(reader);
      if (done) return;
      const blocks = (buffer + value).split(/\r?\n\r?\n/);
      buffer = blocks.pop();
      for (const data of blocks.map(readData)) {
        if (data && data !== "[DONE]") yield parseEvent(data);
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

async function readChunk(reader) {
  try {
    return await reader.read();
  } catch (error) {
    throw isAbort(error) ? error : new ApiError(CONNECTION_LOST);
  }
}

// Return the data of one event; it is empty for a comment.
function readData(block) {
  const lines = block.split(/\r?\n/).filter((line) => line.startsWith("data:"));
  return lines.map((line) => line.slice(5).replace(/^ /, "")).join("\n");
}

function parseEvent(data) {
  const event = JSON.parse(data);
  if (event.error) throw new ApiError(event.error.message);
  return event;
}

// Send a request; ask for the key if the server requires one. A request with a body is a POST.
async function send(path, { body, signal }) {
  for (;;) {
    const key = readKey();
    const headers = key ? { Authorization: `Bearer ${key}` } : {};
    const options = { headers, signal, cache: "no-store" };
    if (body) {
      headers["Content-Type"] = "application/json";
      Object.assign(options, { method: "POST", body: JSON.stringify(body) });
    }
    const response = await fetchOrExplain(path, options);
    if (response.ok) return response;
    if (response.status !== 401) throw new ApiError(await readErrorMessage(response));
    if (readKey() === key) await askForKey();
  }
}

async function fetchOrExplain(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    throw isAbort(error) ? error : new ApiError(NO_ANSWER);
  }
}

async function readErrorMessage(response) {
  try {
    return (await response.json()).error.message;
  } catch {
    return `the server answered with the status ${response.status}`;
  }
}
