// What pages do beyond links and forms. Everything works without it, except what it brings here itself.
"use strict";

// A secret that came in the address does not stay in the history, nor on the screen.
if (document.querySelector("[data-strip-query]")) {
  history.replaceState(null, "", location.pathname);
}

// Copying. Without the clipboard (a page without TLS) what is to be copied is selected instead.
for (const button of document.querySelectorAll("[data-copy]")) {
  const source = document.getElementById(button.dataset.copy);
  const status = button.parentElement.querySelector("[role=status]");
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(source.href);
      status.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(source);
      status.textContent = "Selected, copy it from there";
    }
  });
}

// Showing a password while it is typed. It is hidden again before it is sent, or browsers would remember it as text.
for (const input of document.querySelectorAll("[data-reveal]")) {
  const button = document.createElement("button");
  const show = (shown) => {
    input.type = shown ? "text" : "password";
    button.textContent = shown ? "Hide" : "Show";
    button.setAttribute("aria-label", `${button.textContent} password`);
  };
  button.type = "button";
  button.className = "reveal";
  button.addEventListener("click", () => show(input.type === "password"));
  input.form.addEventListener("submit", () => show(false));
  const joined = document.createElement("div");
  joined.className = "joined";
  const focused = document.activeElement === input;
  input.replaceWith(joined);
  joined.append(input, button);
  show(false);
  // An element that is moved loses the focus.
  if (focused) input.focus();
}
