// A run whose losses and texts are shown. While it is trained, it follows the events of the server.

import { getJson, isAbort, runPath, streamEvents } from "./api.js";

const RETRY_MILLISECONDS = 5000; // before a lost event stream is opened again

export class TrackedRun {
  // `onChange` is called after each change, `onError` with an ApiError or null.
  constructor(name, color, { onChange, onError }) {
    Object.assign(this, { name, color, onChange, onError });
    this.details = null; // the object of GET /v1/runs/{run}, updated by its events
    this.abortController = null;
  }

  get isFollowing() {
    return this.abortController !== null;
  }

  // Read the run, and follow it while it is trained, if `follows`.
  async start(follows) {
    if (this.isFollowing) return;
    const controller = new AbortController();
    this.abortController = controller;
    try {
      this.details = await getJson(runPath(this.name), controller.signal);
      this.onError(null);
      this.onChange(this);
      while (follows && this.details.is_training) await this.follow(controller.signal);
    } catch (error) {
      if (!isAbort(error)) this.onError(error);
    } finally {
      if (this.abortController === controller) this.abortController = null;
    }
  }

  stop() {
    this.abortController?.abort();
    this.abortController = null;
  }

  async follow(signal) {
    const after = this.details.rows.at(-1)?.step ?? 0;
    const path = `${runPath(this.name)}/events?after=${after}`;
    for await (const event of streamEvents(path, { signal })) {
      this.update(event);
      if (!this.details.is_training) return; // the stream itself does not end
    }
    if (this.details.is_training) await wait(RETRY_MILLISECONDS, signal);
  }

  update({ rows = [], previews = [], ...changes }) {
    const { details } = this;
    Object.assign(details, changes);
    details.rows = mergeBySteps(details.rows, rows);
    details.previews = mergeBySteps(details.previews, previews);
    details.last_row = details.rows.at(-1) ?? null;
    this.onChange(this);
  }
}

// Add new items. Training that diverged returns to an earlier step, so they replace later ones.
function mergeBySteps(items, added) {
  if (!added.length) return items;
  return [...items.filter((item) => item.step < added[0].step), ...added];
}

function wait(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("aborted", "AbortError"));
    }, { once: true });
  });
}
