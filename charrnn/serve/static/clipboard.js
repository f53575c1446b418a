// Copy a text to the clipboard, or save it as a file.

import { create } from "./dom.js";

// Return a sentence that says whether the text was copied.
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text); // undefined if the address is not secure
    return "The text is copied.";
  } catch {
    return "The browser does not let this page copy. Select the text and press Ctrl+C, or save it.";
  }
}

export function saveText(text, fileName) {
  saveBlob(new Blob([text], { type: "text/plain;charset=utf-8" }), fileName);
}

export function saveBlob(blob, fileName) {
  const url = URL.createObjectURL(blob);
  create("a", { href: url, download: fileName }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000); // the download starts asynchronously
}
