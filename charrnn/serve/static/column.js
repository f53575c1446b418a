// One temperature of the view "Write": its slider, its text, and what can be done with the text.

import { CharacterText } from "./characters.js";
import { activityClass, surpriseClass } from "./colors.js";
import { create, setText } from "./dom.js";
import { formatCount, formatPercent, nameCharacter, natsToBits } from "./format.js";

const PREFIX_LENGTH = 60; // characters of the prompt that are shown before the new text

export class Column {
  // `handlers`: functions onCharacter, onUse, onCopy, onSave, onKeepSeed, onRemove of this column.
  constructor(temperature, handlers) {
    this.generation = null;
    this.coloring = "none";
    this.activities = []; // of the unit, after each character
    this.abortController = null; // while a text is generated
    this.createHead(temperature, handlers);
    const textElement = create("div", { role: "group" });
    this.textElement = textElement;
    this.meta = create("p", { className: "faint meta" });
    this.actions = this.createActions(handlers);
    this.element = create("section", { className: "column" },
      this.head, textElement, this.meta, this.actions);
    this.text = new CharacterText(textElement, {
      describe: (index) => this.describe(index),
      onActivate: (index, element) => handlers.onCharacter(this, index, element),
    });
    this.showTemperature();
    this.show(null);
  }

  get temperature() {
    return Number(this.slider.value);
  }

  set temperature(value) {
    this.slider.value = value;
    this.showTemperature();
  }

  createHead(temperature, handlers) {
    this.slider = create("input", { type: "range", min: "0", max: "1.5", step: "0.05" });
    this.slider.value = temperature;
    this.output = create("output");
    this.removeButton = create("button", { type: "button", className: "small", textContent: "Remove" });
    this.removeButton.addEventListener("click", () => handlers.onRemove(this));
    this.slider.addEventListener("input", () => this.showTemperature());
    const name = create("span", {}, "Temperature ", this.output);
    this.head = create("div", { className: "column-head" },
      create("label", {}, name, this.slider), this.removeButton);
  }

  createActions(handlers) {
    const buttons = [
      ["Use this text", handlers.onUse], ["Copy", handlers.onCopy], ["Save", handlers.onSave],
      ["Keep seed", handlers.onKeepSeed],
    ].map(([label, handler]) => {
      const button = create("button", { type: "button", className: "small", textContent: label });
      button.addEventListener("click", () => handler(this));
      return button;
    });
    return create("div", { className: "actions" }, ...buttons);
  }

  showTemperature() {
    const value = this.temperature.toFixed(2);
    setText(this.output, value);
    this.removeButton.setAttribute("aria-label", `Remove the temperature ${value}`);
    this.textElement?.setAttribute("aria-label", `Text at temperature ${value}`);
  }

  // Show a generation, or null for none.
  show(generation) {
    this.generation = generation;
    this.activities = [];
    this.text.clear(generation ? shortenPrefix(generation.prompt) : "");
    this.update();
  }

  // Show the characters that the generation has received since the last call.
  update() {
    const { generation, text } = this;
    if (generation) {
      const start = text.length;
      const characters = generation.tokens.slice(start);
      text.append(characters, characters.map((_, offset) => this.classOf(start + offset)));
    }
    this.textElement.dataset.empty = generation ? "" : "true";
    this.actions.hidden = !text.length;
    setText(this.meta, this.describeState());
  }

  // `coloring`: none, surprise or unit.
  color(coloring, activities = []) {
    Object.assign(this, { coloring, activities });
    this.text.setClasses(Array.from({ length: this.text.length }, (_, index) => this.classOf(index)));
  }

  classOf(index) {
    const { logprobs, chosen } = this.generation;
    const mark = chosen.has(index) ? " chosen" : "";
    if (this.coloring === "surprise" && logprobs[index] !== null) {
      return surpriseClass(natsToBits(-logprobs[index])) + mark;
    }
    const activity = this.activities[index];
    return (this.coloring === "unit" && activity !== undefined ? activityClass(activity) : "") + mark;
  }

  describe(index) {
    const { tokens, logprobs } = this.generation;
    const name = nameCharacter(tokens[index]), logprob = logprobs[index];
    const parts = [logprob === null ? `${name}: not predicted`
      : `${name}: ${formatPercent(Math.exp(logprob))}, ${natsToBits(-logprob).toFixed(2)} bits`];
    const activity = this.activities[index];
    if (this.coloring === "unit" && activity !== undefined) parts.push(`activity ${activity.toFixed(2)}`);
    return parts.join(", ");
  }

  describeState() {
    const { generation } = this;
    if (!generation) return "";
    const { request, tokens, finishReason, warnings } = generation;
    const reasons = { length: "complete", stop: "ended by the stop text or by the model" };
    const state = this.abortController ? "generating" : reasons[finishReason] ?? "stopped";
    const count = `${formatCount(tokens.length)} character${tokens.length === 1 ? "" : "s"}`;
    const facts = `${count}, ${state}. ${request.model}, temperature ${request.temperature}, seed ${request.seed}.`;
    return [facts, ...warnings].join(" ");
  }
}

// Return the end of the last line of a prompt.
function shortenPrefix(prompt) {
  const line = prompt.slice(prompt.lastIndexOf("\n") + 1);
  const characters = Array.from(line);
  return characters.length > PREFIX_LENGTH ? `\u2026${characters.slice(-PREFIX_LENGTH).join("")}` : line;
}
