// The one script of the console. Without it every page shows all that it has, in UTC, and changes everything it can.
"use strict";

// Times, in the reader's zone.
const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

function localTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (!Number.isNaN(at.getTime())) {
      time.title = time.textContent;
      time.textContent = format.format(at);
    }
  }
}

// A part of a page that is kept current: the server says that there is news, and the page is asked for anew.
let asking = false;

async function refresh(live) {
  // What someone is in the middle of stays as it is.
  const chosen = document.getSelection();
  const busy = live.contains(document.activeElement) || (chosen && !chosen.isCollapsed && live.contains(chosen.anchorNode));
  if (asking || busy) {
    return;
  }
  asking = true;
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" }, redirect: "error" });
    if (answer.ok) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById(live.id);
      if (fresh) {
        localTimes(fresh);
        live.replaceChildren(...fresh.childNodes);
      }
    }
  } catch {
    // The next news tries again.
  } finally {
    asking = false;
  }
}

function follow(live) {
  let source = null;
  const look = () => {
    // A browser has few connections to a host: a page that nobody sees gives its own back.
    if (document.hidden && source) {
      source.close();
      source = null;
    } else if (!document.hidden && !source) {
      source = new EventSource(live.dataset.live);
      source.addEventListener("news", () => refresh(live));
    }
  };
  document.addEventListener("visibilitychange", () => {
    look();
    if (!document.hidden) {
      refresh(live);
    }
  });
  addEventListener("pagehide", () => source && source.close());
  look();
}

localTimes(document);
const live = document.querySelector("[data-live]");
if (live) {
  follow(live);
}
// Whoever reads by ear or keyboard begins with what came of the form.
const first = document.getElementById("mistakes") || document.getElementById("trial");
if (first) {
  first.focus();
}
