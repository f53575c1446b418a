// The page of `charrnn serve`: three views on the models and runs of this machine.

import { Catalog } from "./catalog.js";
import { find, setText, toSentence } from "./dom.js";
import { ReadView } from "./read.js";
import { RunsView } from "./runs.js";
import { startTabs } from "./tabs.js";
import { WriteView } from "./write.js";

const catalog = new Catalog();
const views = { write: new WriteView(catalog), runs: new RunsView(catalog), read: new ReadView(catalog) };

async function refresh() {
  try {
    await catalog.refresh();
    setText(find("page-error"), "");
  } catch (error) {
    setText(find("page-error"), toSentence("The models cannot be listed", error.message));
  }
}

startTabs((shown, hidden) => {
  views[hidden]?.hide();
  views[shown].show();
  if (shown !== "runs") refresh(); // the view of the runs does this itself
});
