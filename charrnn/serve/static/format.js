// Numbers, times and characters as text.

const NAMES = { "\n": "line break", " ": "space", "\t": "tab", "\r": "carriage return" };

export const natsToBits = (nats) => nats / Math.LN2;

export const formatCount = (count) => count.toLocaleString("en");

export const formatLoss = (loss, digits = 4) => (Number.isFinite(loss) ? loss.toFixed(digits) : "none yet");

export function formatPercent(probability) {
  const percent = 100 * probability;
  return percent < 0.1 ? "<0.1%" : `${percent.toFixed(1)}%`;
}

export function nameCharacter(character) {
  if (character in NAMES) return NAMES[character];
  if (/^[\p{C}\p{Z}]/u.test(character)) {
    return `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
  }
  return /^\p{M}/u.test(character) ? `\u25cc${character}` : character;
}

// Describe a number of seconds with its two largest units, such as "1 h 5 min".
export function formatDuration(seconds) {
  const rounded = Math.max(0, Math.round(seconds));
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const largest = units.findIndex(([, size]) => rounded >= size);
  if (largest < 0) return "0 s";
  let rest = rounded;
  const parts = [];
  for (const [name, size] of units.slice(largest, largest + 2)) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count) parts.push(`${count} ${name}`);
  }
  return parts.join(" ");
}

export const describeNetwork = (run) => `${run.num_layers} \u00d7 ${run.hidden_size} ${run.cell}`;
