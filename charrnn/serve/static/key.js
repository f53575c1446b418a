// The API key: it is asked for once, and stored until the browser tab is closed.

import { find, setText } from "./dom.js";

const STORAGE_NAME = "charrnn-api-key";
let pendingQuestion = null; // all requests that need the key wait for the same dialog

export const readKey = () => sessionStorage.getItem(STORAGE_NAME);

// Show the dialog; return when a key was entered.
export function askForKey() {
  pendingQuestion ??= showDialog().finally(() => { pendingQuestion = null; });
  return pendingQuestion;
}

function showDialog() {
  const dialog = find("key-dialog"), field = find("key");
  setText(find("key-error"), readKey() ? "The server does not accept this key." : "");
  field.value = "";
  dialog.showModal();
  return new Promise((resolve) => {
    find("key-form").onsubmit = (event) => {
      event.preventDefault();
      dialog.close(field.value.trim());
    };
    dialog.onclose = () => {
      if (!dialog.returnValue) {
        dialog.showModal(); // nothing works without the key
        return;
      }
      sessionStorage.setItem(STORAGE_NAME, dialog.returnValue);
      dialog.returnValue = "";
      resolve();
    };
  });
}
