// The view "Read": models read a text, and the page shows how well each of them predicts it.

import { isAbort, postJson } from "./api.js";
import { CharacterText } from "./characters.js";
import { setLegend, surpriseClass } from "./colors.js";
import { create, find, setDisabled, setText, toSentence } from "./dom.js";
import { formatCount, formatLoss, nameCharacter, natsToBits } from "./format.js";
import { findSurprisingLines } from "./lines.js";

const MAX_COLORED = 20_000; // characters; more would make the page slow

export class ReadView {
  results = []; // {name, score} or {name, error}, one for each model that has read the text
  shown = null; // the result whose colors are shown

  constructor(catalog) {
    this.catalog = catalog;
    this.abortController = null;
    this.text = new CharacterText(find("read-characters"), { describe: (index) => this.describe(index) });
    setLegend(find("read-key"), "surprise");
    catalog.addEventListener("change", () => this.showModels());
    find("read-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.read();
    });
    find("read-stop").addEventListener("click", () => this.abortController?.abort());
  }

  show() {}

  hide() {}

  showModels() {
    const models = this.catalog.listModels();
    const signature = JSON.stringify(models);
    if (this.signature === signature) return;
    this.signature = signature;
    const checked = new Set(this.listChecked());
    const labels = models.map(([name, label], index) => {
      const checkbox = create("input", { type: "checkbox", value: name });
      checkbox.checked = checked.size ? checked.has(name) : index === 0;
      return create("label", { className: "check" }, checkbox, label);
    });
    find("read-models").replaceChildren(...labels);
  }

  listChecked() {
    return [...find("read-models").querySelectorAll("input:checked")].map((input) => input.value);
  }

  async read() {
    const text = find("read-text").value, names = this.listChecked();
    const problem = findProblem(text, names);
    setText(find("read-error"), problem);
    if (problem) return;
    this.abortController?.abort();
    const controller = new AbortController();
    this.abortController = controller;
    find("read-stop").disabled = false;
    this.results = [];
    this.shown = null;
    this.showResults();
    try {
      for (const [index, name] of names.entries()) {
        setText(find("read-status"), `${name} reads the text (${index + 1} of ${names.length}).`);
        this.results.push(await this.score(name, text, controller.signal));
        this.results.sort((a, b) => lossOf(a) - lossOf(b));
        this.shown ??= this.results.find((result) => result.score) ?? null;
        this.showResults();
      }
      setText(find("read-status"), "Done.");
    } catch (error) {
      if (!isAbort(error)) throw error;
      if (this.abortController === controller) setText(find("read-status"), "Stopped.");
    }
    if (this.abortController === controller) {
      setDisabled(find("read-stop"), true, find("read-form").querySelector("[type=submit]"));
    }
  }

  // Return {name, score}, or {name, error} if the model cannot read the text.
  async score(name, text, signal) {
    const unknown = find("read-skip-unknown").checked ? "skip" : "error";
    try {
      const body = { model: name, text, per_character: true, unknown };
      return { name, score: await postJson("/v1/score", body, signal) };
    } catch (error) {
      if (isAbort(error)) throw error;
      return { name, error: error.message };
    }
  }

  showResults() {
    find("read-results").hidden = !this.results.length;
    const best = this.results.find((result) => result.score);
    const rows = this.results.map((result, index) => this.createRow(result, index, best));
    const focused = document.activeElement?.value;
    const hadFocus = find("ranking").contains(document.activeElement);
    find("ranking").replaceChildren(...rows);
    if (hadFocus) [...find("ranking").querySelectorAll("input")].find((input) => input.value === focused)?.focus();
    this.showText();
  }

  createRow(result, index, best) {
    const { name, score, error } = result;
    if (error) {
      return create("tr", {}, create("td"), create("th", { scope: "row", textContent: name }),
        create("td", { colSpan: 3, className: "error", textContent: toSentence("Not read", error) }));
    }
    const radio = create("input", {
      type: "radio", name: "shown-result", value: name, "aria-label": `Show the text as ${name} reads it` });
    radio.checked = result === this.shown;
    radio.addEventListener("change", () => {
      this.shown = result;
      this.showText();
    });
    const rank = result === best ? "1, best" : String(index + 1);
    return create("tr", { className: result === best ? "best" : "" },
      create("td", {}, radio),
      create("th", { scope: "row", textContent: name }),
      create("td", { className: "figure", textContent: formatLoss(score.bits_per_char, 3) }),
      create("td", { className: "figure wide-only", textContent: formatCount(score.characters) }),
      create("td", { textContent: rank }));
  }

  // Show the colored text and the most surprising lines of the shown result.
  showText() {
    find("read-shown").hidden = !this.shown;
    if (!this.shown || this.shown === this.shownText) return;
    this.shownText = this.shown;
    const { name, score } = this.shown;
    const { tokens, nats } = score.per_character;
    setText(find("shown-title"), `The text as ${name} reads it`);
    const count = Math.min(tokens.length, MAX_COLORED);
    find("read-cut").hidden = count === tokens.length;
    setText(find("read-cut"), `The page shows the first ${formatCount(count)} characters; the loss is that of the whole text.`);
    this.text.clear();
    this.text.append(tokens.slice(0, count), nats.slice(0, count).map((loss) => (
      surpriseClass(loss === null ? null : natsToBits(loss)))));
    const lines = findSurprisingLines(tokens, nats);
    find("lines-table").hidden = !lines.length;
    find("no-lines").hidden = lines.length > 0;
    find("lines").replaceChildren(...lines.map((line) => create("tr", {},
      create("td", { className: "figure", textContent: formatCount(line.number) }),
      create("td", { className: "figure", textContent: formatLoss(line.bits, 2) }),
      create("td", { className: "figure wide-only", textContent: formatCount(line.times) }),
      create("td", { className: "text", textContent: line.text }))));
  }

  describe(index) {
    const { tokens, nats } = this.shown.score.per_character;
    const name = nameCharacter(tokens[index]);
    if (nats[index] === null) return `${name}: no prediction`;
    return `${name}: ${natsToBits(nats[index]).toFixed(2)} bits`;
  }
}

const lossOf = (result) => result.score?.bits_per_char ?? Infinity;

function findProblem(text, names) {
  if (!text) return "Type or paste a text first.";
  return names.length ? "" : "Choose at least one model.";
}
