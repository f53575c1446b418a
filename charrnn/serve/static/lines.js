// The lines of a text that a model predicted worst.

import { natsToBits } from "./format.js";

const MIN_LINE = 10; // characters; shorter lines are mostly names and line remainders
const NUM_LINES = 10;

// Return [{number, text, bits, times}], highest mean loss first. As in `charrnn score`, the mean
// includes the line break, and a line that occurs several times is listed once, with its highest loss.
export function findSurprisingLines(tokens, nats) {
  const highest = new Map();
  let number = 1, text = "", losses = [];
  const endLine = () => {
    if (Array.from(text).length >= MIN_LINE && losses.length) {
      const bits = natsToBits(losses.reduce((a, b) => a + b) / losses.length);
      const earlier = highest.get(text);
      const line = earlier && earlier.bits >= bits ? earlier : { number, text, bits };
      highest.set(text, { ...line, times: (earlier?.times ?? 0) + 1 });
    }
    number++;
    [text, losses] = ["", []];
  };
  tokens.forEach((token, index) => {
    if (nats[index] !== null) losses.push(nats[index]);
    if (token === "\n") endLine();
    else text += token;
  });
  endLine();
  return [...highest.values()].sort((a, b) => b.bits - a.bits).slice(0, NUM_LINES);
}
