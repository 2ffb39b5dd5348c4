// On Locust's own page: the way to the live pages in its top bar, and a form that shows what a fleet needs.
(() => {
  // Runs before Locust's own script, which reads this. No target means the embedded central system, not a mistake.
  window.templateArgs.missing_host_warning = false;
  for (const option of Object.values(window.templateArgs.extra_options || {})) {
    if (option.help_text) option.help_text = option.help_text.replace(/ \[GREENUP_\w+\]$/, "");
  }
  const noHost = !window.templateArgs.host;
  const links = document.createElement("nav");
  links.id = "greenup";
  for (const [text, href] of [["Fleet", "./fleet/"], ["Station", "./fleet/station"]]) {
    const link = document.createElement("a");
    link.textContent = text;
    link.href = href;
    Object.assign(link.style, {
      color: "#fff", background: "#14713d", borderRadius: "4px", padding: "4px 12px",
      font: "500 14px/1.5 sans-serif", textDecoration: "none",
    });
    links.append(link);
  }
  Object.assign(links.style, { display: "flex", gap: "8px", margin: "0 0 0 24px" });
  const place = () => {
    const bar = document.querySelector("header .MuiToolbar-root") || document.querySelector("header");
    const brand = bar && (bar.querySelector("a") || bar.firstElementChild);
    if (brand && !links.isConnected) brand.after(links);
    const form = document.querySelector("form");
    if (!form || form.dataset.greenup) return;
    form.dataset.greenup = "seen";
    // The target is our --csms-url below; Locust's field for it means the same and would only be a second one.
    const host = form.querySelector("[name=host]");
    if (host && noHost) host.closest(".MuiFormControl-root").style.display = "none";
    for (const head of form.querySelectorAll(".MuiAccordionSummary-root[aria-expanded=false]")) {
      if (head.textContent.includes("Custom parameters")) head.click();
    }
  };
  new MutationObserver(place).observe(document.getElementById("root"), { childList: true, subtree: true });
  place();
})();
