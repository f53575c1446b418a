// A stack of earlier states, for Undo.

const MAX_STATES = 50;

export class UndoStack {
  states = [];

  // `onChange` is called with whether there is a state to return to.
  constructor(onChange) {
    this.onChange = onChange;
  }

  push(state) {
    this.states.push(state);
    if (this.states.length > MAX_STATES) this.states.shift();
    this.onChange(true);
  }

  pop() {
    const state = this.states.pop();
    this.onChange(this.states.length > 0);
    return state;
  }
}
