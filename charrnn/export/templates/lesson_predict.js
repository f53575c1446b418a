"use strict";
// Parts 1 and 2 of the lesson: guess the next character; temperature, top-p and min-p.

const game = { position: 0, read: 0, bits: 0, right: 0, networkRight: 0, guesses: 0 };

const mostLikely = (logits, count) => {
  const p = softmax(logits);
  return [...p.keys()].sort((a, b) => p[b] - p[a]).slice(0, count)
    .map((code) => ({ character: network.vocabulary[code], code, p: p[code] }));
};
const bitsOf = (t) => -Math.log2(softmax(lesson.steps[t].logits)[codeOf.get(lesson.text[t])]);

function startGame() {
  const position = Math.min(10, lesson.text.length >> 1);
  Object.assign(game, { position, read: 0, bits: 0, right: 0, networkRight: 0, guesses: 0 });
  element("predict-bars").replaceChildren();
  element("predict-columns").replaceChildren();
  showGame("What comes next?");
}

function showGame(message) {
  element("predict-text").textContent = `${lesson.text.slice(0, game.position).join("").replaceAll("\n", "↵\n")}▁`;
  element("predict-score").textContent = message;
  const isOver = game.position >= lesson.text.length;
  for (const id of ["guess", "guess-skip"]) element(id).disabled = isOver;
}

function revealCharacter(guess) {
  const t = game.position, character = lesson.text[t];
  if (character === undefined) return;
  const likely = mostLikely(lesson.steps[t].logits, 5);
  const bits = bitsOf(t);
  game.bits += bits;
  game.position++;
  game.read++;
  if (guess !== null) { // both are counted on the guessed characters only
    game.guesses++;
    game.networkRight += Number(likely[0].character === character);
    game.right += Number(guess === character);
  }
  showBars(element("predict-bars"), likely.map((row) => ({ ...row, isChosen: row.character === character })));
  const yours = guess === null ? "" : guess === character ? "Right! " : "No. ";
  showGame(`${yours}It was “${showCharacter(character)}”, with ${bits.toFixed(1)} bits of surprise for the network. ` +
    `Guessed right: you ${game.right} of ${game.guesses}, the network ${game.networkRight} of ${game.guesses}. ` +
    `Its surprise so far: ${game.bits.toFixed(1)} bits, ${(game.bits / game.read).toFixed(2)} per character.`);
}

function revealAll() {
  while (game.position < lesson.text.length) revealCharacter(null);
  element("predict-bars").replaceChildren();
  const columns = element("predict-columns");
  columns.replaceChildren();
  lesson.text.forEach((character, t) => {
    const column = addElement(columns, "div");
    addElement(column, "h4", showCharacter(character));
    addElement(column, "div", `${bitsOf(t).toFixed(1)} bits`, "faint");
    const bars = addElement(column, "div", "", "bars");
    showBars(bars, mostLikely(lesson.steps[t].logits, 5).map(
      (row) => ({ ...row, isChosen: row.character === character })), false);
  });
}

function readGuess(event) {
  if (event.isComposing) return; // an input method has not finished the character
  const typed = element("guess").value;
  element("guess").value = "";
  if (typed) revealCharacter(Array.from(typed)[0]);
}
element("guess").addEventListener("input", readGuess);
element("guess").addEventListener("compositionend", readGuess);
element("guess").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.isComposing) return;
  event.preventDefault();
  revealCharacter("\n");
});
element("guess-skip").addEventListener("click", () => revealCharacter(null));
element("guess-all").addEventListener("click", revealAll);
element("guess-again").addEventListener("click", startGame);

let drawSeed = 1;
function showTemperature() {
  if (!lesson.steps.length) return; // the text is not read yet
  const settings = ["lesson-temperature", "lesson-top-p", "lesson-min-p"].map((id) => {
    element(`${id}-shown`).value = readNumber(id).toFixed(2);
    return readNumber(id);
  });
  const { unfiltered, filtered, order } = filterProbabilities(lesson.steps.at(-1).logits, ...settings);
  const shown = lesson.text.slice(-40).join("").replaceAll("\n", "↵");
  element("temperature-context").textContent = `…${shown}`;
  showBars(element("temperature-bars"), order.slice(0, 16).map((code) => ({
    character: network.vocabulary[code], p: filtered[code] || unfiltered[code], isCut: !filtered[code],
  })));
  const random = randomNumbers(drawSeed);
  element("draws").textContent = Array.from({ length: 10 },
    () => showCharacter(network.vocabulary[drawCode(filtered, random)])).join(" ");
}

for (const id of ["lesson-temperature", "lesson-top-p", "lesson-min-p"]) {
  element(id).addEventListener("input", showTemperature);
}
element("draw-ten").addEventListener("click", () => { drawSeed++; showTemperature(); });
lesson.updates.push(startGame, showTemperature);
