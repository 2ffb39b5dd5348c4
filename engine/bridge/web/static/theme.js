// Light or dark as Locust's own page was told last (it keeps `theme` here), else as the system is.
const prefersDark = matchMedia("(prefers-color-scheme: dark)");
const theme = () => localStorage.theme || (prefersDark.matches ? "dark" : "light");
const apply = () => (document.documentElement.dataset.theme = theme());
apply();
prefersDark.addEventListener("change", apply);
addEventListener("DOMContentLoaded", () => {
  document.getElementById("theme").addEventListener("click", () => {
    localStorage.theme = theme() === "dark" ? "light" : "dark";
    apply();
  });
});
