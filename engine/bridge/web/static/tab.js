// On Locust's own page: the way to the live pages, in its top bar whatever it draws there.
(() => {
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
  };
  new MutationObserver(place).observe(document.getElementById("root"), { childList: true, subtree: true });
  place();
})();
