/** Tabs, as the ARIA Authoring Practices have them: one is in the tab order, arrow keys go to the others. */

export function setUpTabs(list) {
  const tabs = [...list.querySelectorAll("[role=tab]")];
  for (const [index, tab] of tabs.entries()) {
    tab.addEventListener("click", () => openTab(tab));
    tab.addEventListener("keydown", ({ key }) => {
      const step = { ArrowRight: 1, ArrowLeft: tabs.length - 1 }[key];
      const end = { Home: tabs[0], End: tabs.at(-1) }[key];
      if (end ?? step) openTab(end ?? tabs[(index + step) % tabs.length], true);
    });
  }
}

/** Open a tab's panel and close the others. */
export function openTab(tab, focus = false) {
  for (const other of tab.closest("[role=tablist]").querySelectorAll("[role=tab]")) {
    const open = other === tab;
    other.setAttribute("aria-selected", String(open));
    other.tabIndex = open ? 0 : -1;
    document.getElementById(other.getAttribute("aria-controls")).hidden = !open;
  }
  if (focus) tab.focus();
}
