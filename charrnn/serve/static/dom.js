// Elements of the page. All text is set as text, never as HTML.

export const find = (id) => document.getElementById(id);

// Create an element. A property that elements do not have becomes an attribute.
export function create(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

// Set the text of an element only if it changes, so that screen readers do not repeat it.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Disable or enable a button. If it has the focus, `fallback` gets it.
export function setDisabled(button, isDisabled, fallback) {
  if (isDisabled && document.activeElement === button) fallback.focus();
  button.disabled = isDisabled;
}

// Fill a <select> with [value, label] pairs; keep the selected value if it still exists.
export function setOptions(select, pairs) {
  const signature = JSON.stringify(pairs);
  if (select.dataset.options === signature) return;
  const selected = select.value;
  select.dataset.options = signature;
  select.replaceChildren(...pairs.map(([value, label]) => new Option(label, value)));
  if (pairs.some(([value]) => value === selected)) select.value = selected;
}

// Return an error message of the API, which has no full stop, as a sentence for users of the page.
export function toSentence(start, message) {
  const remedy = 'check "Leave out unknown characters"';
  return `${start}: ${message.replace('give "unknown": "skip"', remedy).replace(/\.$/, "")}.`;
}
