// The view "Write": models continue a text.

import { Alternatives } from "./alternatives.js";
import { isAbort, postJson } from "./api.js";
import { copyText, saveText } from "./clipboard.js";
import { setLegend } from "./colors.js";
import { Column } from "./column.js";
import { find, setDisabled, setText, toSentence } from "./dom.js";
import { Generation } from "./generation.js";
import { readSettings, SettingError, showCheckpoints, showModels } from "./settings.js";
import { UndoStack } from "./undo.js";

const MAX_COLUMNS = 4;
const TEMPERATURES = [0.9, 0.5, 1.1, 0.3]; // of the columns, in the order in which they are added
const PROMPT_STORAGE_NAME = "charrnn-prompt";

export class WriteView {
  columns = [];

  constructor(catalog) {
    this.catalog = catalog;
    this.alternatives = new Alternatives();
    this.undoStack = new UndoStack((isPossible) => setDisabled(find("undo"), !isPossible, find("continue")));
    this.handlers = {
      onCharacter: (column, index, element) => this.showAlternatives(column, index, element),
      onUse: (column) => this.useText(column),
      onCopy: async (column) => this.report(await copyText(column.generation.fullText)),
      onSave: (column) => saveText(column.generation.fullText, `${column.generation.request.model}.txt`),
      onKeepSeed: (column) => this.keepSeed(column),
      onRemove: (column) => this.removeColumn(column),
    };
    find("prompt").value = sessionStorage.getItem(PROMPT_STORAGE_NAME) ?? "";
    this.addColumn();
    this.listen();
  }

  show() {}

  hide() {
    find("alternatives").hidePopover();
  }

  listen() {
    this.catalog.addEventListener("change", () => showModels(this.catalog));
    find("model").addEventListener("change", () => showCheckpoints(this.catalog));
    find("write-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.continueText();
    });
    find("stop").addEventListener("click", () => this.stop());
    find("undo").addEventListener("click", () => this.undo());
    find("add-column").addEventListener("click", () => this.addColumn());
    find("prompt").addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) find("write-form").requestSubmit();
    });
    find("prompt").addEventListener("input", () => this.storePrompt());
    find("coloring").addEventListener("change", () => this.colorAll());
    find("unit").addEventListener("change", () => this.colorAll());
    document.addEventListener("keydown", (event) => {
      const isUndo = (event.ctrlKey || event.metaKey) && !event.shiftKey && event.key === "z";
      const isInField = event.target.matches("input:not([type=range]), textarea, select");
      if (!isUndo || isInField || find("panel-write").hidden) return;
      event.preventDefault();
      this.undo();
    });
  }

  addColumn() {
    const used = this.columns.map((column) => column.temperature);
    const temperature = TEMPERATURES.find((value) => !used.includes(value)) ?? TEMPERATURES[0];
    this.columns.push(new Column(temperature, this.handlers));
    this.columns.sort((a, b) => a.temperature - b.temperature);
    this.showColumns();
  }

  removeColumn(column) {
    column.abortController?.abort();
    this.columns = this.columns.filter((other) => other !== column);
    this.showColumns();
    find("add-column").focus();
  }

  showColumns() {
    find("columns").replaceChildren(...this.columns.map((column) => column.element));
    find("columns").dataset.count = this.columns.length;
    for (const column of this.columns) column.removeButton.hidden = this.columns.length === 1;
    setDisabled(find("add-column"), this.columns.length === MAX_COLUMNS, find("continue"));
  }

  continueText() {
    setText(find("write-error"), "");
    let settings;
    try {
      settings = readSettings();
    } catch (error) {
      if (!(error instanceof SettingError)) throw error;
      setText(find("write-error"), error.message);
      return;
    }
    this.remember();
    this.stop();
    const prompt = find("prompt").value;
    const starts = this.columns.map((column) => {
      const request = { ...settings, temperature: column.temperature };
      return [column, new Generation(request, prompt)];
    });
    this.generate(starts);
  }

  // Generate several texts at once: [column, generation] pairs.
  async generate(starts) {
    setText(find("write-error"), "");
    this.report("Generating.");
    const runs = starts.map(([column, generation]) => this.generateColumn(column, generation));
    this.showBusy();
    const errors = (await Promise.all(runs)).filter(Boolean);
    this.showBusy();
    if (errors.length) {
      const messages = [...new Set(errors.map((error) => error.message))];
      setText(find("write-error"), messages.map((text) => toSentence("Not generated", text)).join(" "));
      if (messages.some((text) => text.includes("unknown"))) find("more-settings").open = true;
    }
    if (this.isBusy) return;
    const isComplete = starts.every(([, generation]) => generation.finishReason);
    this.report(isComplete ? "Done." : errors.length ? "" : "Stopped.");
  }

  // Return the error, or undefined.
  async generateColumn(column, generation) {
    const controller = new AbortController(), previous = column.generation;
    column.abortController = controller;
    column.show(generation);
    const isCurrent = () => column.generation === generation;
    try {
      await generation.run(controller.signal, () => isCurrent() && column.update());
    } catch (error) {
      if (isAbort(error)) return undefined;
      if (isCurrent() && !generation.tokens.length) column.show(previous);
      return error;
    } finally {
      if (column.abortController === controller) column.abortController = null;
      if (!column.abortController) {
        column.update();
        this.colorColumn(column);
      }
    }
    return undefined;
  }

  get isBusy() {
    return this.columns.some((column) => column.abortController);
  }

  showBusy() {
    setDisabled(find("stop"), !this.isBusy, find("continue"));
  }

  stop() {
    for (const column of this.columns) column.abortController?.abort();
  }

  showAlternatives(column, index, element) {
    const { tokens, logprobs, alternatives } = column.generation;
    const position = { token: tokens[index], logprob: logprobs[index], likely: alternatives[index] };
    this.alternatives.open(element, position, (character) => this.choose(column, index, character));
  }

  // Replace a character by another one, and generate the text after it again.
  choose(column, index, character) {
    this.remember();
    column.abortController?.abort();
    const generation = column.generation.replaceAt(index, character);
    this.generate([[column, generation]]);
    column.text.focus(index);
  }

  useText(column) {
    this.remember();
    this.setPrompt(column.generation.fullText);
    this.report("The text is now in the text box.");
    find("prompt").focus();
    const end = find("prompt").value.length;
    find("prompt").setSelectionRange(end, end);
  }

  keepSeed(column) {
    find("seed").value = column.generation.request.seed;
    find("more-settings").open = true;
    this.report("The seed is now in the settings. The same text and settings give the same result.");
  }

  remember() {
    this.undoStack.push({
      prompt: find("prompt").value,
      columns: this.columns.map(({ temperature, generation }) => [temperature, generation?.slice() ?? null]),
    });
  }

  undo() {
    const state = this.undoStack.pop();
    if (!state) return;
    this.stop();
    this.setPrompt(state.prompt);
    this.columns = state.columns.map(([temperature, generation], k) => {
      const column = this.columns[k] ?? new Column(temperature, this.handlers);
      column.temperature = temperature;
      column.show(generation);
      this.colorColumn(column);
      return column;
    });
    this.showColumns();
    this.report("Undone.");
  }

  setPrompt(text) {
    find("prompt").value = text;
    this.storePrompt();
  }

  storePrompt() {
    sessionStorage.setItem(PROMPT_STORAGE_NAME, find("prompt").value);
  }

  report(text) {
    setText(find("write-status"), text);
  }

  colorAll() {
    const coloring = find("coloring").value;
    for (const id of ["unit-field", "unit-hint"]) find(id).hidden = coloring !== "unit";
    setLegend(find("write-key"), coloring);
    setText(find("color-error"), "");
    for (const column of this.columns) this.colorColumn(column);
  }

  async colorColumn(column) {
    const { generation } = column;
    const coloring = find("coloring").value, unit = find("unit").value.trim();
    column.color(coloring);
    if (coloring !== "unit" || !generation || column.abortController) return;
    const { model, checkpoint, unknown } = generation.request;
    const body = { model, text: generation.fullText, unit, checkpoint, unknown };
    try {
      const { values } = await postJson("/v1/activity", body);
      const isCurrent = column.generation === generation && find("unit").value.trim() === unit;
      if (isCurrent && find("coloring").value === "unit") {
        column.color("unit", values.slice(values.length - generation.tokens.length));
      }
    } catch (error) {
      setText(find("color-error"), toSentence("No colors", error.message));
    }
  }
}
