/** Dark or light: as the system has it, until the user says otherwise. */

const KEY = "radloom-theme";

export function setUpTheme(button) {
  const root = document.documentElement;
  const saved = localStorage.getItem(KEY);
  if (saved) root.dataset.theme = saved;
  button.addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    localStorage.setItem(KEY, root.dataset.theme);
  });
}
