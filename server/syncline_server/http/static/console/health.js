/** How the server is, and its figures as live charts. */

import { Chart } from "./chart.js";
import { element, fill } from "./elements.js";
import { parseMetrics } from "./metrics.js";

/** @import { Api } from "./api.js" */
/** @import { Metrics } from "./metrics.js" */
/** @import { Page } from "./views.js" */

/** Milliseconds between two looks. */
const INTERVAL = 2_000;

/** @type {{ title: string, unit: string, read: (now: Metrics) => number, isRate?: boolean }[]} */
const FIGURES = [
  { title: "Connections", unit: "", read: (now) => now.sum("syncline_connections") },
  { title: "Open objects", unit: "", read: (now) => now.sum("syncline_subscriptions") },
  { title: "Requests", unit: "per second", isRate: true, read: (now) => now.sum("syncline_requests_total") },
  { title: "Events sent", unit: "per second", isRate: true, read: (now) => now.sum("syncline_events_total") },
  { title: "Commits", unit: "per second", isRate: true, read: (now) => now.sum("syncline_commit_seconds_count") },
  { title: "Round trip to Redis", unit: "ms", read: (now) => now.max("syncline_redis_round_trip_seconds") * 1_000 },
  { title: "Lag of the feed", unit: "ms", read: (now) => now.max("syncline_feed_lag_seconds") * 1_000 },
  { title: "Refusals", unit: "per second", isRate: true,
    read: (now) => now.sum("syncline_refused_requests_total") },
  { title: "Limits that were hit", unit: "per second", isRate: true, read: (now) => now.sum("syncline_bound_hits_total") },
];

/** @param {Page} page */
export async function healthView({ api, main, signal }) {
  const state = element("p", { class: "state", role: "status" }, "Looking…");
  const problems = element("ul", { class: "problems" });
  const charts = FIGURES.map((figure) => ({ ...figure, chart: new Chart(figure.title, figure.unit) }));
  main.append(
    element("header", { class: "head" }, element("h1", {}, "Health")),
    state, problems,
    element("div", { class: "charts" }, charts.map(({ chart }) => chart.element)),
  );
  /** @type {{ at: number, totals: number[] } | null} */
  let before = null;
  await look();
  const timer = setInterval(() => {
    if (!document.hidden) look();
  }, INTERVAL);
  signal.addEventListener("abort", () => clearInterval(timer), { once: true });

  async function look() {
    try {
      const [health, text] = await Promise.all([readiness(api, signal), api.text("/metrics", signal)]);
      showHealth(health);
      showFigures(parseMetrics(text));
    } catch (error) {
      if (signal.aborted) return;
      before = null;
      state.className = "state";
      state.textContent = error instanceof Error ? error.message : String(error);
    }
  }

  /** @param {Record<string, string>} found problems by their names */
  function showHealth(found) {
    const isReady = Object.keys(found).length === 0;
    state.className = isReady ? "state ready" : "state";
    const text = isReady ? "Ready: all parts work." : "Not ready";
    if (state.textContent !== text) state.textContent = text;
    fill(problems, Object.entries(found).map(([name, why]) => element("li", {}, element("b", {}, name), `: ${why}`)));
  }

  /** @param {Metrics} metrics */
  function showFigures(metrics) {
    const now = { at: performance.now(), totals: charts.map(({ read }) => read(metrics)) };
    const last = before;
    before = now;
    for (const [place, { chart, isRate }] of charts.entries()) {
      const total = now.totals[place];
      if (!isRate) chart.add(total);
      else if (last !== null) {
        // A worker that was replaced counts from zero.
        chart.add(Math.max(0, (total - last.totals[place]) / (now.at - last.at) * 1_000));
      }
    }
  }
}

/**
 * @param {Api} api
 * @param {AbortSignal} signal
 * @returns {Promise<Record<string, string>>} the problems by their names
 */
async function readiness(api, signal) {
  try {
    await api.get("/readyz", signal);
    return {};
  } catch (error) {
    const problems = /** @type {any} */ (error).details?.problems;
    if (problems) return problems;
    throw error;
  }
}
