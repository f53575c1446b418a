// The models and the runs that the server offers. Sends the event "change" after each refresh.

import { getJson } from "./api.js";

export class Catalog extends EventTarget {
  models = []; // names
  runs = []; // objects of GET /v1/runs

  async refresh() {
    const [models, runs] = await Promise.all([getJson("/v1/models"), getJson("/v1/runs")]);
    this.models = models.data.map((model) => model.id);
    this.runs = runs.data;
    this.dispatchEvent(new Event("change"));
  }

  findRun(name) {
    return this.runs.find((run) => run.run === name);
  }

  // Return [name, label] pairs; the label says on which text the model was trained.
  listModels() {
    return this.models.map((name) => {
      const run = this.findRun(name);
      return [name, run?.corpus ? `${name} (trained on ${run.corpus})` : name];
    });
  }
}
