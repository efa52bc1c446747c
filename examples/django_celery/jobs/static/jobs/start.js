// Sends the form and goes to the page that the 202 names. Without scripts the reply's own page has a link to it.
"use strict";

const form = document.getElementById("start");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const reply = await fetch(form.action, { method: "POST", body: new FormData(form) });
  if (reply.status === 202) location.assign(reply.headers.get("Location"));
  else form.submit(); // as a browser without scripts would, so that the reply's page is shown
});
