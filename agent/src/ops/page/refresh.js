"use strict";
const main = document.querySelector("main");
const address = new URL(location.href);
address.searchParams.set("fragment", "");

async function refresh() {
  // Not while nobody looks, nor under a selection that is being copied.
  if (document.hidden || !getSelection().isCollapsed) return;
  try {
    const answer = await fetch(address, { signal: AbortSignal.timeout(5000) });
    if (!answer.ok) throw new Error(answer.statusText);
    main.innerHTML = await answer.text();
    document.body.classList.remove("lost");
  } catch {
    document.body.classList.add("lost");
  }
}

(async () => {
  for (;;) {
    await new Promise((wake) => setTimeout(wake, 2000));
    await refresh();
  }
})();
