// The tabs: one view is visible. The address names it (#write, #runs, #read).

const tabs = [...document.querySelectorAll("[role=tab]")];
const nameOf = (tab) => tab.id.replace("tab-", "");
const panelOf = (tab) => document.getElementById(tab.getAttribute("aria-controls"));

// Show the view that the address names. `onChange` gets the names of the shown and the hidden view.
export function startTabs(onChange) {
  let shown = null;
  const select = () => {
    const tab = tabs.find((candidate) => `#${nameOf(candidate)}` === location.hash) ?? tabs[0];
    for (const other of tabs) {
      const isSelected = other === tab;
      other.setAttribute("aria-selected", String(isSelected));
      other.tabIndex = isSelected ? 0 : -1;
      panelOf(other).hidden = !isSelected;
    }
    document.title = `${tab.textContent} \u2013 charrnn`;
    const hidden = shown;
    shown = nameOf(tab);
    if (shown !== hidden) onChange(shown, hidden);
  };
  for (const tab of tabs) {
    tab.addEventListener("click", () => { location.hash = nameOf(tab); });
    tab.addEventListener("keydown", selectNeighbor);
  }
  addEventListener("hashchange", select);
  select();
}

function selectNeighbor(event) {
  const index = tabs.indexOf(event.currentTarget), last = tabs.length - 1;
  const targets = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: last };
  if (!(event.key in targets)) return;
  event.preventDefault();
  const tab = tabs[(targets[event.key] + tabs.length) % tabs.length];
  tab.focus();
  location.hash = nameOf(tab);
}
