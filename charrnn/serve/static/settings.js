// The settings of the view "Write".

import { find, setOptions } from "./dom.js";
import { formatCount } from "./format.js";

// A value that the user must correct.
export class SettingError extends Error {}

const NUMBERS = { top_k: "top-k", top_p: "top-p", min_p: "min-p" };

// Offer the models of the catalog, and the checkpoints of the selected one.
export function showModels(catalog) {
  setOptions(find("model"), catalog.listModels());
  showCheckpoints(catalog);
}

export function showCheckpoints(catalog) {
  const run = catalog.findRun(find("model").value);
  const steps = (run?.checkpoints ?? []).map((name) => Number(name.replace("step-", "")));
  const best = run?.best_step ? `best (step ${formatCount(run.best_step)})` : "best";
  const pairs = [["best", best], ["last", "last"]];
  pairs.push(...steps.map((step) => [`step-${step}`, `step ${formatCount(step)}`]));
  setOptions(find("checkpoint"), pairs);
}

// Return the fields of POST /v1/completions that all temperatures have in common. Raises SettingError.
export function readSettings() {
  checkFields();
  const settings = {
    model: find("model").value,
    checkpoint: find("checkpoint").value,
    max_tokens: Number(find("length").value),
    seed: find("seed").value ? Number(find("seed").value) : chooseSeed(),
  };
  for (const [name, id] of Object.entries(NUMBERS)) {
    if (find(id).value) settings[name] = Number(find(id).value);
  }
  if (find("stop-text").value) settings.stop = find("stop-text").value.replaceAll("\\n", "\n");
  if (find("skip-unknown").checked) settings.unknown = "skip";
  return settings;
}

function checkFields() {
  if (!find("model").value) {
    throw new SettingError("There is no trained model yet. Train one: charrnn train FILE.");
  }
  for (const field of find("write-form").elements) {
    if (field.willValidate && !field.checkValidity()) {
      field.closest("details")?.setAttribute("open", "");
      field.focus();
      throw new SettingError(`${field.labels[0].textContent.trim()}: ${field.validationMessage}`);
    }
  }
}

// Return a random 32-bit number.
function chooseSeed() {
  return crypto.getRandomValues(new Uint32Array(1))[0];
}
