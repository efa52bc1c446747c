// Asks for the job's state once a second, and shows it, until the job has ended.
"use strict";

const job = document.getElementById("job");
const running = (state) => state === "queued" || state === "running";

async function follow() {
  try {
    const reply = await fetch(job.dataset.url);
    if (!reply.ok) throw new Error(`the server answered ${reply.status}`);
    const { state, percent, primes } = await reply.json();
    job.querySelector("progress").value = percent;
    job.querySelector(".state").textContent = state;
    job.querySelector(".result").textContent = primes === null ? "" : `: ${primes} primes`;
    job.querySelector("form").hidden = !running(state);
    if (!running(state)) return;
  } catch (error) {
    job.querySelector(".state").textContent = `no news (${error.message}), asking again`;
  }
  setTimeout(follow, 1000);
}

if (running(job.querySelector(".state").textContent)) follow();
