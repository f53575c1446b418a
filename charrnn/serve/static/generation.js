// A text that a model generates: its characters and what else was likely at each position.

import { streamEvents } from "./api.js";

const NUM_ALTERNATIVES = 10;
const MAX_PROMPT = 20_000; // characters that the server accepts; of a longer text, the end is sent

export class Generation {
  // `request` has the fields of POST /v1/completions, without the prompt.
  constructor(request, prompt) {
    Object.assign(this, { request, prompt });
    this.tokens = []; // characters
    this.logprobs = []; // natural logarithms; null if the character was not predicted
    this.alternatives = []; // for each position: [character, log-probability] pairs, likeliest first
    this.chosen = new Set(); // positions where the user chose the character
    this.warnings = [];
    this.finishReason = null;
  }

  get text() {
    return this.tokens.join("");
  }

  get fullText() {
    return this.prompt + this.text;
  }

  // Return a copy of the first `length` characters.
  slice(length = this.tokens.length) {
    const copy = new Generation(this.request, this.prompt);
    for (const name of ["tokens", "logprobs", "alternatives"]) copy[name] = this[name].slice(0, length);
    copy.chosen = new Set([...this.chosen].filter((index) => index < length));
    copy.finishReason = length === this.tokens.length ? this.finishReason : null;
    return copy;
  }

  // Return a copy that ends with another character at a position.
  replaceAt(index, character) {
    const copy = this.slice(index);
    const entry = this.alternatives[index].find(([other]) => other === character);
    copy.push(character, entry?.[1] ?? null, this.alternatives[index]);
    copy.chosen.add(index);
    return copy;
  }

  push(token, logprob, alternatives) {
    this.tokens.push(token);
    this.logprobs.push(logprob);
    this.alternatives.push(alternatives);
  }

  // Continue the text; call `onCharacters` after each addition. Raises ApiError.
  async run(signal, onCharacters) {
    const prompt = Array.from(this.fullText).slice(-MAX_PROMPT).join("");
    const body = { ...this.request, prompt, stream: true, logprobs: NUM_ALTERNATIVES };
    for await (const event of streamEvents("/v1/completions", { body, signal })) {
      this.warnings = event.warnings ?? this.warnings; // each event repeats them
      for (const choice of event.choices ?? []) {
        this.addChoice(choice);
        onCharacters();
      }
    }
  }

  addChoice({ text, logprobs, finish_reason: finishReason }) {
    const tokens = logprobs?.tokens ?? Array.from(text);
    tokens.forEach((token, k) => {
      const likely = Object.entries(logprobs?.top_logprobs?.[k] ?? {}).sort((a, b) => b[1] - a[1]);
      this.push(token, logprobs?.token_logprobs?.[k] ?? null, likely.slice(0, NUM_ALTERNATIVES));
    });
    this.finishReason = finishReason ?? this.finishReason;
  }
}
