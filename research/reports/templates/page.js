"use strict";
(() => {
  const KOREA = 9 * 3600 * 1e6; // Korea has kept UTC+9 without summer time since 1988.
  const MINUS = "\u2212";
  const NOTHING = "\u2013";
  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);

  // ---------------------------------------------------------------- what the file carries

  async function unpack(id) {
    const text = atob(byId(id).textContent.trim());
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i += 1) bytes[i] = text.charCodeAt(i);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  }

  function trouble(message) {
    const box = byId("trouble");
    box.textContent = message;
    box.hidden = false;
  }

  // ---------------------------------------------------------------- how figures are written

  const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
  const sign = (value, signed) => (value < 0 ? MINUS : signed && value > 0 ? "+" : "");
  const count = (value) => sign(value) + grouped.format(Math.abs(value));
  const won = (value, signed) => `${sign(value, signed)}\u20a9${grouped.format(Math.abs(value))}`;
  const percent = (value, digits = 2) => {
    const shown = Math.abs(value * 100).toFixed(digits);
    return `${sign(Number(shown) ? value : 0, true)}${shown}%`;
  };
  const two = (number) => String(number).padStart(2, "0");
  // Times are microseconds UTC.
  function clock(at, parts = 3) {
    const day = new Date((at + KOREA) / 1000);
    const base = `${two(day.getUTCHours())}:${two(day.getUTCMinutes())}`;
    if (parts < 3) return base;
    const second = `${base}:${two(day.getUTCSeconds())}`;
    return parts < 4 ? second : `${second}.${String(day.getUTCMilliseconds()).padStart(3, "0")}`;
  }
  function dated(at) {
    const day = new Date((at + KOREA) / 1000);
    return `${day.getUTCFullYear()}-${two(day.getUTCMonth() + 1)}-${two(day.getUTCDate())}`;
  }
  const instant = (at, parts) => (at ? `${dated(at)} ${clock(at, parts)}` : NOTHING);
  function length(microseconds) {
    let left = Math.round(microseconds / 1e6);
    const found = [];
    for (const [unit, size] of [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]]) {
      const number = Math.floor(left / size);
      left -= number * size;
      if (number) found.push(`${number} ${unit}`);
    }
    return found.slice(0, 2).join(" ") || "0 s";
  }
  function later(from, to) {
    const apart = to - from;
    if (!from || !to || apart < 0) return "";
    if (apart < 1e6) return `+${(apart / 1000).toFixed(0)} ms`;
    return apart < 60e6 ? `+${(apart / 1e6).toFixed(1)} s` : `+${length(apart)}`;
  }
  const tone = (value) => (value > 0 ? "gain" : value < 0 ? "loss" : "");

  function element(name, options = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(options)) {
      if (key === "text") made.textContent = value;
      else if (key === "class") made.className = value;
      else made.setAttribute(key, value);
    }
    made.append(...children);
    return made;
  }

  // ---------------------------------------------------------------- charts

  const media = (query) => window.matchMedia(query).matches;

  function coloured(value, style) {
    if (typeof value === "string") {
      const found = /^var\((--[a-z0-9-]+)\)$/.exec(value);
      return found ? style.getPropertyValue(found[1]).trim() : value;
    }
    if (Array.isArray(value)) {
      return typeof value[0] === "number" && typeof value.at(-1) === "number" ? value : value.map((each) => coloured(each, style));
    }
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, coloured(each, style)]));
    }
    return value;
  }

  function layoutOf(chart, style, width, printed) {
    const axis = {
      gridcolor: "var(--grid)", linecolor: "var(--rule-strong)", zerolinecolor: "var(--rule-strong)",
      tickfont: { color: "var(--soft)", size: printed ? 9 : 12 }, automargin: true, zeroline: false,
      title: { font: { color: "var(--soft)", size: printed ? 9 : 12 }, standoff: 8 },
    };
    const layout = {
      autosize: false, width, height: chart.height * (printed ? 0.62 : width < 500 ? 0.9 : 1),
      margin: { l: 8, r: 8, t: 8, b: 8 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, color: "var(--ink)", size: printed ? 9 : 12 },
      hoverlabel: { bgcolor: "var(--paper)", bordercolor: "var(--rule-strong)", font: { color: "var(--ink)", size: 12 } },
      separators: ".,", showlegend: false, dragmode: media("(pointer: coarse)") ? false : "zoom",
      modebar: { bgcolor: "rgba(0,0,0,0)", color: "var(--soft)", activecolor: "var(--ink)" },
      legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { size: printed ? 9 : 12 }, bgcolor: "rgba(0,0,0,0)" },
      ...chart.layout,
    };
    for (const key of Object.keys(layout)) {
      if (/^[xy]axis\d*$/.test(key)) {
        layout[key] = { ...axis, ...layout[key], title: { ...axis.title, text: layout[key].title || "" } };
      }
    }
    return coloured(layout, style);
  }

  const settings = {
    // plotly would offer to send the chart to its makers.
    showSendToCloud: false, displaylogo: false, responsive: false, displayModeBar: media("(pointer: coarse)") ? false : "hover", scrollZoom: false,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
  };

  function draw(charts, printed) {
    const style = getComputedStyle(root);
    for (const [id, chart] of Object.entries(charts)) {
      const place = byId(`chart-${id}`);
      if (!place) continue;
      const width = printed ? (place.closest(".pair") ? 335 : 690) : place.parentElement.clientWidth;
      Plotly.react(place, coloured(chart.traces, style), layoutOf(chart, style, width, printed), settings);
    }
  }

  // ---------------------------------------------------------------- rows: trades, orders, decisions

  function indexOf(rows, key) {
    const found = new Map();
    rows[key].forEach((value, index) => {
      if (!found.has(value)) found.set(value, []);
      found.get(value).push(index);
    });
    return found;
  }

  function stage(name, sequence, at, since, id, what) {
    const item = element("li");
    const head = element("div", {}, element("span", { class: "stage", text: name }), " ");
    const when = [sequence ? `log ${count(sequence)}` : "", at ? `${instant(at, 4)} KST` : "", later(since, at)];
    head.append(element("span", { class: "when", text: when.filter(Boolean).join(" \u00b7 ") }));
    item.append(head);
    if (id) item.append(element("code", { text: id }));
    for (const line of what.filter(Boolean)) item.append(element("div", { class: "what", text: line }));
    return item;
  }

  class Records {
    constructor(rows) {
      Object.assign(this, rows);
      this.ordersOf = indexOf(this.orders, "decision");
      this.fillsOf = indexOf(this.fills, "order");
      this.decisionNamed = new Map(this.decisions.id.map((id, index) => [id, index]));
      this.orderNamed = new Map(this.orders.id.map((id, index) => [id, index]));
    }

    slippage(index) {
      const { market, price, quantity, order } = this.fills;
      if (!market[index]) return null;
      const paid = (price[index] - market[index]) * quantity[index];
      return this.orders.side[order[index]] === "buy" ? paid : -paid;
    }

    chain(decision) {
      const list = element("ol", { class: "chain" });
      const d = this.decisions;
      const shares = d.requested[decision] === null ? "" : ` ${count(d.requested[decision])} shares of`;
      list.append(stage("Intent", d.sequence[decision], d.at[decision], 0, d.id[decision], [
        `${d.strategy[decision]} wants to ${d.kind[decision].replaceAll("_", " ")}${shares} ${d.symbol[decision]}: ${d.reason[decision]}`,
        d.market[decision] ? `last price ${won(d.market[decision])}` : "no price was known yet",
      ]));
      const by = d.check[decision];
      const said = {
        approved: "all checks passed", modified: `cut by ${by}`, rejected: `refused by ${by}`,
        deferred: `deferred by ${by}`, expired: "no answer before it lapsed",
      }[d.outcome[decision]] || by;
      list.append(stage(`Risk decision: ${d.outcome[decision]}`, 0, 0, 0, "", [
        `${said}; ${count(d.allowed[decision])}${d.requested[decision] === null ? "" : ` of ${count(d.requested[decision])}`} shares allowed`,
      ]));
      for (const order of this.ordersOf.get(decision) || []) this.appendOrder(list, order, d.at[decision]);
      return list;
    }

    appendOrder(list, order, since) {
      const o = this.orders;
      const ended = o.ended[order] ? ` at ${clock(o.ended[order], 4)}` : "";
      list.append(stage("Order", o.sequence[order], o.submitted[order], since, o.id[order], [
        `${o.side[order]} ${count(o.quantity[order])} ${o.symbol[order]} ${o.limit[order] === null ? "at market" : `at ${won(o.limit[order])} or better`}`,
        o.accepted[order] ? `accepted ${clock(o.accepted[order], 4)} (${later(o.submitted[order], o.accepted[order])})` : "never accepted",
        `${o.state[order].replaceAll("_", " ")}${ended}, ${count(o.filled[order])} of ${count(o.quantity[order])} filled${o.reason[order] ? `: ${o.reason[order]}` : ""}`,
      ]));
      const f = this.fills;
      for (const fill of this.fillsOf.get(order) || []) {
        const slipped = this.slippage(fill);
        const what = f.quantity[fill]
          ? `${count(f.quantity[fill])} shares at ${won(f.price[fill])} = ${won(f.amount[fill])}`
          : `correction of the money of this order by ${won(f.amount[fill], true)}`;
        list.append(stage(f.quantity[fill] ? "Fill" : "Correction", f.sequence[fill], f.executed[fill], o.submitted[order], "", [
          what,
          `fee ${won(f.fee[fill])}, tax ${won(f.tax[fill])}${slipped === null ? "" : `, slippage ${won(slipped, true)}`}`,
          f.at[fill] === f.executed[fill] ? "" : `known here ${later(f.executed[fill], f.at[fill])}`,
        ]));
      }
    }

    side(title, decision) {
      const box = element("div", {}, element("h4", { text: title }));
      box.append(decision >= 0 ? this.chain(decision) : element("p", { class: "what", text: "Held before the run, or changed by a corporate action: there is no intent." }));
      return box;
    }

    trade(index) {
      const t = this.trades;
      const costs = t.fees[index] + t.tax[index];
      const body = element("div", { class: "detail-box" });
      const total = element("p", { class: "total", text: `Paid ${won(t.cost[index])}, ${t.closed[index] ? "received" : "now worth"} ${won(t.proceeds[index])}, fees ${won(t.fees[index])}, tax ${won(t.tax[index])}: ` });
      total.append(element("strong", { class: tone(t.result[index]), text: won(t.result[index], true) }), ` after ${won(costs)} of costs.`);
      const exit = t.closed[index] ? this.side("How it ended", t.exit[index]) : element("div", {}, element("h4", { text: "Still held at the end" }));
      body.append(total, element("div", { class: "sides" }, this.side("How it began", t.entry[index]), exit));
      return body;
    }

    decision(index) {
      return element("div", { class: "detail-box" }, this.chain(index));
    }

    order(index) {
      const decision = this.orders.decision[index];
      if (decision >= 0) return this.decision(decision);
      const list = element("ol", { class: "chain" });
      this.appendOrder(list, index, 0);
      return element("div", { class: "detail-box" }, list);
    }
  }

  // A column: label, what a cell shows, what it sorts by, how it looks.
  function viewsOf(records) {
    const { trades: t, orders: o, decisions: d } = records;
    const share = (i) => (t.cost[i] ? t.result[i] / t.cost[i] : 0);
    const each = (total, quantity) => (quantity ? Math.round(total / quantity) : 0);
    const link = (ids, index) => (index >= 0 ? ids[index] : "");
    return {
      trades: {
        size: t.result.length, first: "opened", detail: (i) => records.trade(i),
        anchor: (i) => link(d.id, t.entry[i]),
        columns: [
          { key: "opened", label: "Opened", show: (i) => instant(t.opened[i], 2), sort: (i) => t.opened[i], text: true, link: true },
          { key: "closed", label: "Closed", show: (i) => (t.closed[i] ? instant(t.closed[i], 2) : "still held"), sort: (i) => t.closed[i] || Infinity, text: true, fold: true },
          { key: "strategy", label: "Strategy", show: (i) => t.strategy[i], sort: (i) => t.strategy[i], text: true, fold: true },
          { key: "symbol", label: "Symbol", show: (i) => t.symbol[i], sort: (i) => t.symbol[i], text: true },
          { key: "quantity", label: "Shares", show: (i) => count(t.quantity[i]), sort: (i) => t.quantity[i], fold: true },
          { key: "bought", label: "Bought at", show: (i) => count(each(t.cost[i], t.quantity[i])), sort: (i) => each(t.cost[i], t.quantity[i]), fold: true },
          { key: "sold", label: "Sold at", show: (i) => count(each(t.proceeds[i], t.quantity[i])), sort: (i) => each(t.proceeds[i], t.quantity[i]), fold: true },
          { key: "costs", label: "Fees, tax", show: (i) => count(t.fees[i] + t.tax[i]), sort: (i) => t.fees[i] + t.tax[i], fold: true },
          { key: "result", label: "Result", show: (i) => sign(t.result[i], true) + grouped.format(Math.abs(t.result[i])), sort: (i) => t.result[i], tone: (i) => tone(t.result[i]) },
          { key: "return", label: "Return", show: (i) => percent(share(i)), sort: share, tone: (i) => tone(t.result[i]) },
          { key: "held", label: "Held", show: (i) => (t.closed[i] ? length(t.closed[i] - t.opened[i]) : NOTHING), sort: (i) => (t.closed[i] ? t.closed[i] - t.opened[i] : Infinity), fold: true },
          { key: "reason", label: "Ended by", show: (i) => t.reason[i], sort: (i) => t.reason[i], text: true, long: true, fold: true },
        ],
        words: (i) => `${link(d.id, t.entry[i])} ${link(d.id, t.exit[i])}`,
      },
      orders: {
        size: o.id.length, first: "submitted", detail: (i) => records.order(i), anchor: (i) => o.id[i],
        columns: [
          { key: "submitted", label: "Sent", show: (i) => instant(o.submitted[i], 3), sort: (i) => o.submitted[i], text: true, link: true },
          { key: "id", label: "Order", show: (i) => o.id[i], sort: (i) => o.id[i], text: true },
          { key: "side", label: "Side", show: (i) => o.side[i], sort: (i) => o.side[i], text: true },
          { key: "quantity", label: "Shares", show: (i) => count(o.quantity[i]), sort: (i) => o.quantity[i] },
          { key: "limit", label: "Limit", show: (i) => (o.limit[i] === null ? "market" : count(o.limit[i])), sort: (i) => o.limit[i] || 0, fold: true },
          { key: "filled", label: "Filled", show: (i) => count(o.filled[i]), sort: (i) => o.filled[i] },
          { key: "price", label: "At", show: (i) => (o.filled[i] ? count(each(o.amount[i], o.filled[i])) : NOTHING), sort: (i) => each(o.amount[i], o.filled[i]) },
          { key: "state", label: "End", show: (i) => o.state[i].replaceAll("_", " "), sort: (i) => o.state[i], text: true },
          { key: "reason", label: "Because", show: (i) => o.reason[i], sort: (i) => o.reason[i], text: true, long: true },
        ],
        words: () => "",
      },
      decisions: {
        size: d.id.length, first: "at", detail: (i) => records.decision(i), anchor: (i) => d.id[i],
        columns: [
          { key: "at", label: "Asked", show: (i) => instant(d.at[i]), sort: (i) => d.at[i], text: true, link: true },
          { key: "id", label: "Intent", show: (i) => d.id[i], sort: (i) => d.id[i], text: true },
          { key: "kind", label: "Wish", show: (i) => d.kind[i].replaceAll("_", " "), sort: (i) => d.kind[i], text: true },
          { key: "reason", label: "Because", show: (i) => d.reason[i], sort: (i) => d.reason[i], text: true, long: true },
          { key: "requested", label: "Asked for", show: (i) => (d.requested[i] === null ? NOTHING : count(d.requested[i])), sort: (i) => d.requested[i] || 0 },
          { key: "allowed", label: "Allowed", show: (i) => count(d.allowed[i]), sort: (i) => d.allowed[i] },
          { key: "outcome", label: "Decision", show: (i) => d.outcome[i], sort: (i) => d.outcome[i], text: true },
          { key: "check", label: "Check", show: (i) => d.check[i] || NOTHING, sort: (i) => d.check[i], text: true },
        ],
        words: () => "",
      },
    };
  }

  class Table {
    constructor(records, box) {
      this.records = records;
      this.views = viewsOf(records);
      this.box = box;
      this.words = {};
      this.search = byId("records-search");
      this.size = 25;
      this.find = (part) => box.querySelector(part);
      for (const tab of box.querySelectorAll("[role=tab]")) {
        tab.addEventListener("click", () => this.choose(tab.dataset.view));
        tab.addEventListener("keydown", (event) => this.step(event, tab));
      }
      this.search.addEventListener("input", () => this.filter());
      byId("records-size").addEventListener("change", (event) => {
        this.size = Number(event.target.value);
        this.page = 0;
        this.show();
      });
      byId("records-before").addEventListener("click", () => this.turn(-1));
      byId("records-after").addEventListener("click", () => this.turn(1));
      byId("records-save").addEventListener("click", () => this.save());
      new ResizeObserver(() => this.fit()).observe(this.find(".scroll"));
      this.choose("trades");
    }

    step(event, tab) {
      const next = { ArrowRight: tab.nextElementSibling, ArrowLeft: tab.previousElementSibling }[event.key];
      if (next) {
        next.focus();
        this.choose(next.dataset.view);
      }
    }

    fit() {
      const place = this.find(".scroll");
      place.style.setProperty("--table-view", `${place.clientWidth}px`);
    }

    choose(name) {
      this.name = name;
      this.view = this.views[name];
      this.sorted = { key: this.view.first, down: false };
      this.open = -1;
      for (const tab of this.box.querySelectorAll("[role=tab]")) {
        tab.setAttribute("aria-selected", String(tab.dataset.view === name));
        tab.tabIndex = tab.dataset.view === name ? 0 : -1;
      }
      this.filter();
    }

    wordsOf(index) {
      const kept = (this.words[this.name] ||= new Array(this.view.size));
      return (kept[index] ||= `${this.view.columns.map((each) => each.show(index)).join(" ")} ${this.view.words(index)}`.toLowerCase());
    }

    filter() {
      const wanted = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
      const every = Array.from({ length: this.view.size }, (_, index) => index);
      this.rows = wanted.length ? every.filter((index) => wanted.every((word) => this.wordsOf(index).includes(word))) : every;
      this.sort();
    }

    sort() {
      const column = this.view.columns.find((each) => each.key === this.sorted.key);
      const value = new Map(this.rows.map((index) => [index, column.sort(index)]));
      const turn = this.sorted.down ? -1 : 1;
      this.rows.sort((a, b) => {
        const [x, y] = [value.get(a), value.get(b)];
        return x < y ? -turn : x > y ? turn : a - b;
      });
      this.page = 0;
      this.show();
    }

    turn(by) {
      this.page += by;
      this.show();
    }

    show() {
      const pages = Math.max(1, Math.ceil(this.rows.length / this.size));
      this.page = Math.min(Math.max(0, this.page), pages - 1);
      const from = this.page * this.size;
      const shown = this.rows.slice(from, from + this.size);
      const head = element("tr", {}, ...this.view.columns.map((each) => this.heading(each)));
      this.find("thead").replaceChildren(head);
      this.find("tbody").replaceChildren(...shown.flatMap((index) => this.row(index)));
      const total = this.view.size === this.rows.length ? "" : ` of ${count(this.view.size)}`;
      byId("records-count").textContent = `${count(this.rows.length)}${total} ${this.name}`;
      byId("records-page").textContent = this.rows.length
        ? `${count(from + 1)} to ${count(from + shown.length)} of ${count(this.rows.length)}`
        : "nothing found";
      byId("records-before").disabled = this.page === 0;
      byId("records-after").disabled = this.page === pages - 1;
      byId("records-printed").textContent = `Printed: ${count(shown.length)} of ${count(this.view.size)} ${this.name}, as chosen on the screen. All of them are in the HTML file.`;
      this.fit();
    }

    heading(column) {
      const chosen = this.sorted.key === column.key;
      const button = element("button", { type: "button", text: column.label });
      button.addEventListener("click", () => {
        this.sorted = { key: column.key, down: chosen ? !this.sorted.down : false };
        this.sort();
        this.find(`thead [data-key="${column.key}"] button`).focus();
      });
      return element("th", {
        scope: "col", class: `${column.text ? "text" : ""} ${column.fold ? "fold-phone" : ""}`, "data-key": column.key,
        "aria-sort": chosen ? (this.sorted.down ? "descending" : "ascending") : "none",
      }, button);
    }

    row(index) {
      const open = this.open === index;
      const row = element("tr", { class: open ? "row open" : "row" });
      for (const column of this.view.columns) {
        const look = [column.text ? "text" : "", column.long ? "reason" : "", column.fold ? "fold-phone" : "", column.tone ? column.tone(index) : ""];
        const text = column.show(index);
        const cell = element("td", { class: look.filter(Boolean).join(" ") });
        if (column.long) cell.title = text;
        if (column.link) {
          const anchor = element("a", { href: `#${this.view.anchor(index)}`, text, "aria-expanded": String(open) });
          cell.append(anchor);
        } else cell.textContent = text;
        row.append(cell);
      }
      row.addEventListener("click", (event) => {
        event.preventDefault();
        this.open = open ? -1 : index;
        const name = this.view.anchor(index);
        if (name && this.open >= 0) history.replaceState(null, "", `#${name}`);
        const place = row.rowIndex;
        this.show();
        // The row is a new one: whoever came by keyboard goes on from it.
        const same = this.find("table").rows[place].querySelector("a");
        if (event.detail === 0 && same) same.focus({ preventScroll: true });
      });
      if (!open) return [row];
      const cell = element("td", { class: "detail", colspan: String(this.view.columns.length) }, this.view.detail(index));
      return [row, element("tr", {}, cell)];
    }

    // Open what an address names: an intent or an order, as `kst why` and the log call it.
    reveal(name) {
      const decision = this.records.decisionNamed.get(name);
      const order = this.records.orderNamed.get(name);
      if (decision === undefined && order === undefined) return;
      this.search.value = "";
      this.choose(order === undefined ? "decisions" : "orders");
      if (order === undefined) {
        const { entry, exit } = this.records.trades;
        const trade = entry.findIndex((each, index) => each === decision || exit[index] === decision);
        if (trade >= 0) this.choose("trades");
        this.open = trade >= 0 ? trade : decision;
      } else this.open = order;
      this.page = Math.floor(this.rows.indexOf(this.open) / this.size);
      this.show();
      (this.find("tr.open") || this.box).scrollIntoView({ block: "center" });
    }

    // The rows that are found, as CSV for a spreadsheet.
    save() {
      const quoted = (value) => {
        const text = String(value);
        const safe = /^[=+\-@\t]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;
        return `"${safe.replaceAll('"', '""')}"`;
      };
      const rows = this.records[this.name];
      const keys = Object.keys(rows);
      const lines = [keys.join(",")];
      const times = new Set(["opened", "closed", "submitted", "accepted", "ended", "at"]);
      const named = new Set(["entry", "exit", "decision"]);
      for (const index of this.rows) {
        lines.push(keys.map((key) => {
          const value = rows[key][index];
          if (times.has(key)) return quoted(value ? `${dated(value)}T${clock(value, 4)}+09:00` : "");
          if (named.has(key)) return quoted(value >= 0 ? this.records.decisions.id[value] : "");
          return value === null ? "" : typeof value === "number" ? value : quoted(value);
        }).join(","));
      }
      const url = URL.createObjectURL(new Blob(["\ufeff", lines.join("\r\n")], { type: "text/csv" }));
      element("a", { href: url, download: `${this.name}.csv` }).click();
      setTimeout(() => URL.revokeObjectURL(url), 10000);
    }
  }

  // ---------------------------------------------------------------- tables that are in the page

  // A cell sorts by its data-value where it has one, by its text otherwise.
  function sortable(table) {
    const body = table.tBodies[0];
    const heads = [...table.tHead.rows[0].cells];
    const value = (row, place) => {
      const cell = row.cells[place];
      if (cell.dataset.value === undefined) return cell.textContent.trim();
      return cell.dataset.value === "" ? -Infinity : Number(cell.dataset.value);
    };
    heads.forEach((head, place) => {
      const button = element("button", { type: "button", text: head.textContent });
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((each) => each.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const turn = down ? -1 : 1;
        const rows = [...body.rows].sort((a, b) => {
          const [x, y] = [value(a, place), value(b, place)];
          return x < y ? -turn : x > y ? turn : 0;
        });
        body.append(...rows);
      });
    });
  }

  // ---------------------------------------------------------------- start

  async function start() {
    if (typeof DecompressionStream === "undefined") {
      trouble("This browser is too old for the charts and the list of trades: it has no DecompressionStream. Chrome 80, Firefox 113 and Safari 16.4 have it.");
      return;
    }
    const data = JSON.parse(await unpack("payload"));
    document.querySelectorAll("table.sortable").forEach(sortable);
    const box = byId("records");
    if (box && data.records) {
      const table = new Table(new Records(data.records), box);
      const reveal = () => table.reveal(decodeURIComponent(location.hash.slice(1)));
      window.addEventListener("hashchange", reveal);
      if (location.hash) reveal();
    }
    if (Object.keys(data.charts).length) {
      document.head.append(element("script", { text: await unpack("plotly") }));
      draw(data.charts, media("print"));
      let width = window.innerWidth;
      window.addEventListener("resize", () => {
        if (window.innerWidth === width) return;
        width = window.innerWidth;
        draw(data.charts, false);
      });
      window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(data.charts, false));
      window.addEventListener("beforeprint", () => draw(data.charts, true));
      window.addEventListener("afterprint", () => draw(data.charts, false));
    }
    root.dataset.height = String(root.scrollHeight);
    root.dataset.ready = "true";
  }

  start().catch((error) => {
    trouble(`The charts and the list of trades could not be shown: ${error}`);
    throw error;
  });
})();
