// Sends a button's requests all at once and draws one lane for each: waiting, inside the view, on a processor.
//
// The view tells how long it ran and for how much of that it had a processor; the browser knows when it sent the
// request and when the reply came. What is left between the two is the way there and the queue. No clocks are compared.
"use strict";

for (const button of document.querySelectorAll("button[data-url]")) {
  button.addEventListener("click", () => run(button));
}

async function run(button) {
  const chart = button.parentElement.querySelector(".chart");
  button.disabled = true;
  chart.replaceChildren();
  try {
    const count = Number(button.dataset.count);
    const replies = await Promise.all(Array.from({ length: count }, (_, index) => send(button.dataset.url, index)));
    draw(chart, replies.sort((a, b) => a.total - b.total));
  } catch (error) {
    chart.textContent = `That went wrong: ${error.message}`;
  } finally {
    button.disabled = false;
  }
}

async function send(url, index) {
  const sent = performance.now();
  // The number makes the addresses differ: browsers hold back a second request for an address they are fetching.
  const reply = await fetch(`${url}&request=${index}`, { cache: "no-store" });
  if (!reply.ok) throw new Error(`the server answered ${reply.status}`);
  const { thread, wall_ms: wall, cpu_ms: cpu } = await reply.json();
  return { thread, total: performance.now() - sent, wall, cpu };
}

function draw(chart, replies) {
  const longest = replies[replies.length - 1].total;
  const seconds = (milliseconds) => `${(milliseconds / 1000).toFixed(2)} s`;
  for (const { thread, total, wall, cpu } of replies) {
    const parts = { queued: Math.max(total - wall, 0), inside: Math.max(wall - cpu, 0), running: Math.min(cpu, wall) };
    const bar = document.createElement("div");
    bar.className = "bar";
    for (const [name, milliseconds] of Object.entries(parts)) {
      const part = document.createElement("span");
      part.className = name;
      part.style.width = `${(100 * milliseconds) / longest}%`;
      part.title = `${name}: ${seconds(milliseconds)}`;
      bar.append(part);
    }
    const label = document.createElement("small");
    label.textContent = `${seconds(total)} on ${thread}`;
    const lane = document.createElement("div");
    lane.className = "lane";
    lane.append(bar, label);
    chart.append(lane);
  }
  chart.ariaLabel = replies
    .map(({ thread, total, wall, cpu }) => `${seconds(total)} on ${thread}: ${seconds(total - wall)} waiting, ` +
      `${seconds(wall - cpu)} in the view off the processor, ${seconds(cpu)} on it`)
    .join("; ");
}
