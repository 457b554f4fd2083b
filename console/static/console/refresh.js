// Brings #live up to date every few seconds, and says so when it cannot.
"use strict";
(() => {
  let fresh = new Date();
  const again = async () => {
    const live = document.getElementById("live");
    try {
      const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(8000) });
      if (answer.redirected) return location.reload(); // signed out
      if (!answer.ok) throw new Error(answer.status);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const next = page.getElementById("live");
      // The buttons stand outside #live: when they change, the whole page does.
      const act = (d) => d.querySelector(".act")?.dataset.offered;
      const idle = [...document.querySelectorAll("textarea, .act input:not([type=hidden])")].every((f) => f.value === f.defaultValue);
      if (act(page) !== act(document) && idle) return location.reload();
      live.replaceWith(next);
      document.title = page.title;
      fresh = new Date();
    } catch {
      const lost = document.getElementById("lost");
      lost.hidden = false;
      lost.querySelector("span").textContent = fresh.toLocaleTimeString();
    }
    const seconds = Number(document.getElementById("live").dataset.refreshS);
    setTimeout(again, seconds * 1000);
  };
  setTimeout(again, Number(document.getElementById("live").dataset.refreshS) * 1000);
})();
