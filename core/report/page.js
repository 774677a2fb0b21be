"use strict";
// Draws the charts of a report again from their data, so that they can be read point by point, zoomed and switched.
// Everything here is a convenience: the page is complete without it.
(function () {
  const HEIGHT = 380, LEFT = 78, TOP = 30, BOTTOM = 330, PALETTE = 8;
  const SIZES = ["B", "KiB", "MiB", "GiB", "TiB"];
  const TIMES = [[1, "s"], [1e-3, "ms"], [1e-6, "us"], [1e-9, "ns"], [1e-12, "ps"]];
  const RATES = [[1e12, "TB/s"], [1e9, "GB/s"], [1e6, "MB/s"], [1e3, "kB/s"], [1, "B/s"]];

  function digits(value) {
    return String(Number(value.toPrecision(4)));
  }

  function scaled(value, units) {
    const unit = units.find((one) => Math.abs(value) >= one[0] * 0.99999) || units[units.length - 1];
    return digits(value / unit[0]) + " " + unit[1];
  }

  const FORMATS = {
    bytes(value) {
      let power = 0;
      while (power + 1 < SIZES.length && value >= 1024) {
        value /= 1024;
        power++;
      }
      return digits(value) + " " + SIZES[power];
    },
    time: (value) => (value === 0 ? "0 s" : scaled(value, TIMES)),
    rate: (value) => (value === 0 ? "0" : scaled(value, RATES)),
    share: (value) => digits(100 * value) + " %",
    tokens: (value) => digits(value) + " tokens/s",
    times: (value) => digits(value) + " times",
    plain: digits
  };

  function element(name, className, text) {
    const made = document.createElement(name);
    if (className) { made.className = className; }
    if (text !== undefined) { made.textContent = text; }
    return made;
  }

  // One chart: its data, what is switched on, how it is zoomed.
  function Chart(figure) {
    const data = JSON.parse(figure.querySelector("script.data").textContent);
    this.figure = figure;
    this.data = data;
    this.plot = figure.querySelector(".plot");
    this.log = { x: data.x.log, y: data.y.log };
    this.shown = data.series.map(() => true);
    this.transform = d3.zoomIdentity;
    this.cursor = -1;
    this.build();
  }

  Chart.prototype.points = function (number) {
    const log = this.log;
    return this.data.series[number].points.filter((p) => (p[0] > 0 || !log.x) && (p[1] > 0 || !log.y));
  };

  Chart.prototype.can = function (axis) {
    const at = axis === "x" ? 0 : 1;
    return this.data.series.every((series) => series.points.every((p) => p[at] > 0));
  };

  // Ends of an axis over everything that is switched on.
  Chart.prototype.ends = function (axis) {
    const values = [], log = this.log[axis];
    this.data.series.forEach((series, number) => {
      if (!this.shown[number]) { return; }
      this.points(number).forEach((p) => values.push(...(axis === "x" ? [p[0]] : [p[1], p[2], p[3]])));
    });
    if (axis === "y") { values.push(this.data.mark); }
    const known = values.filter((v) => v !== null && (v > 0 || !log));
    let low = d3.min(known), high = d3.max(known);
    if (low === undefined) { return log ? [1, 10] : [0, 1]; }
    if (log) {
      const room = axis === "y" ? 1.15 : 1.05;
      return [low / room, high * room];
    }
    if (axis === "y") { low = Math.min(low, 0); }
    if (high <= low) { high = low + 1; }
    return [low - (axis === "x" ? (high - low) * 0.03 : 0), high + (high - low) * 0.05];
  };

  Chart.prototype.scale = function (axis) {
    const range = axis === "x" ? [LEFT, this.right] : [BOTTOM, TOP];
    const binary = this.data[axis].quantity === "bytes";
    const scale = this.log[axis] ? d3.scaleLog().base(binary ? 2 : 10) : d3.scaleLinear();
    const whole = scale.domain(this.ends(axis)).range(range);
    return axis === "x" ? this.transform.rescaleX(whole) : this.transform.rescaleY(whole);
  };

  Chart.prototype.ticks = function (axis, scale) {
    const most = axis === "x" ? Math.max(2, Math.floor((this.right - LEFT) / 80)) : 7, domain = scale.domain();
    if (!this.log[axis]) { return scale.ticks(most); }
    const base = this.data[axis].quantity === "bytes" ? 2 : 10;
    const first = Math.ceil(Math.log(domain[0]) / Math.log(base) - 1e-9);
    const last = Math.floor(Math.log(domain[1]) / Math.log(base) + 1e-9);
    const step = [1, 2, 5, 10, 20].find((one) => (last - first) / one <= most) || 50;
    const found = [];
    for (let power = Math.ceil(first / step) * step; power <= last; power += step) {
      found.push(Math.pow(base, power));
    }
    return found.length > 1 ? found : d3.scaleLinear().domain(domain).ticks(most - 2).filter((v) => v > 0);
  };

  // ---------------------------------------------------------------- building, once

  Chart.prototype.build = function () {
    const old = this.plot.querySelector("svg"), title = old.querySelector("title").textContent;
    old.remove();
    this.svg = d3.select(this.plot).append("svg")
      .attr("tabindex", 0).attr("role", "application").attr("aria-roledescription", "chart")
      .attr("aria-label", title + ". Arrow keys read the points, up and down change the curve, plus and minus zoom, " +
            "0 shows all.");
    const clip = this.figure.id + "-clip";
    this.clip = this.svg.append("clipPath").attr("id", clip).append("rect").attr("x", LEFT).attr("y", TOP - 8)
      .attr("height", BOTTOM - TOP + 12);
    this.axes = this.svg.append("g").attr("class", "axis");
    this.labels = this.svg.append("g").attr("class", "label");
    this.labels.append("text").attr("x", 8).attr("y", 16).text(this.data.y.label);
    this.below = this.labels.append("text").attr("y", BOTTOM + 42).attr("text-anchor", "end").text(this.data.x.label);
    this.inner = this.svg.append("g").attr("clip-path", "url(#" + clip + ")");
    this.line = this.svg.append("line").attr("class", "cross").attr("y1", TOP).attr("y2", BOTTOM)
      .style("display", "none");
    this.tip = this.plot.appendChild(element("div", "tip"));
    this.tip.hidden = true;
    this.said = this.plot.appendChild(element("p", "said"));
    this.said.setAttribute("aria-live", "polite");
    this.figure.classList.add("live");
    this.buildLegend();
    this.buildTools();
    this.listen();
    this.fit();
    if (typeof ResizeObserver !== "undefined") {
      new ResizeObserver(() => this.fit()).observe(this.plot);
    }
  };

  // As wide as its place, so that text keeps its size on a telephone. Paper is drawn as the screen was.
  Chart.prototype.fit = function () {
    const width = Math.max(300, Math.min(1100, Math.round(this.plot.clientWidth)));
    if (width === this.width) { return; }
    this.width = width;
    this.right = width - 16;
    this.svg.attr("viewBox", "0 0 " + width + " " + HEIGHT);
    this.clip.attr("width", this.right - LEFT + 4);
    this.below.attr("x", this.right);
    const box = [[LEFT, TOP], [this.right, BOTTOM]];
    this.zoom.extent(box).translateExtent(box);
    this.reset();
  };

  Chart.prototype.buildLegend = function () {
    this.figure.querySelectorAll(".legend li:not(.level)").forEach((item, number) => {
      const button = element("button");
      button.type = "button";
      button.setAttribute("aria-pressed", "true");
      while (item.firstChild) { button.appendChild(item.firstChild); }
      button.addEventListener("click", () => {
        this.shown[number] = !this.shown[number];
        button.setAttribute("aria-pressed", String(this.shown[number]));
        this.leave();
        this.draw();
      });
      item.appendChild(button);
    });
  };

  Chart.prototype.buildTools = function () {
    const tools = element("div", "tools");
    tools.setAttribute("role", "group");
    tools.setAttribute("aria-label", "View of the chart");
    const add = (label, name, action) => {
      const button = element("button", "", label);
      button.type = "button";
      button.setAttribute("aria-label", name);
      button.addEventListener("click", () => action(button));
      tools.appendChild(button);
      return button;
    };
    add("+", "Zoom in", () => this.zoomBy(1.5));
    add("\u2212", "Zoom out", () => this.zoomBy(1 / 1.5));
    add("Show all", "Show all", () => this.reset());
    ["x", "y"].forEach((axis) => {
      if (!this.can(axis)) { return; }
      const button = add("log " + this.data[axis].label, "Logarithmic axis: " + this.data[axis].label, () => {
        this.log[axis] = !this.log[axis];
        button.setAttribute("aria-pressed", String(this.log[axis]));
        this.reset();
      });
      button.setAttribute("aria-pressed", String(this.log[axis]));
    });
    this.plot.before(tools);
  };

  // ---------------------------------------------------------------- drawing, after every change

  Chart.prototype.draw = function () {
    const x = this.x = this.scale("x"), y = this.y = this.scale("y");
    const xs = this.ticks("x", x), ys = this.ticks("y", y);
    const formatX = FORMATS[this.data.x.quantity], formatY = FORMATS[this.data.y.quantity];
    this.axes.selectAll("*").remove();
    xs.forEach((value) => {
      this.axes.append("line").attr("x1", x(value)).attr("x2", x(value)).attr("y1", TOP).attr("y2", BOTTOM);
      const last = x(value) > this.right - 12;
      this.axes.append("text").attr("x", last ? this.right + 14 : x(value)).attr("y", BOTTOM + 20)
        .attr("text-anchor", last ? "end" : "middle")
        .text(formatX(value));
    });
    ys.forEach((value) => {
      this.axes.append("line").attr("y1", y(value)).attr("y2", y(value)).attr("x1", LEFT).attr("x2", this.right);
      this.axes.append("text").attr("x", LEFT - 8).attr("y", y(value) + 4).attr("text-anchor", "end")
        .text(formatY(value));
    });
    this.inner.selectAll("*").remove();
    this.data.series.forEach((series, number) => {
      if (this.shown[number]) { this.drawSeries(series, number); }
    });
    if (this.data.mark !== null && (this.data.mark > 0 || !this.log.y)) {
      const mark = this.inner.append("g").attr("class", "mark");
      mark.append("line").attr("x1", LEFT).attr("x2", this.right).attr("y1", y(this.data.mark)).attr("y2", y(this.data.mark));
    }
  };

  Chart.prototype.drawSeries = function (series, number) {
    const x = this.x, y = this.y, points = this.points(number), log = this.log.y;
    const group = this.inner.append("g").attr("class", "series c" + number % PALETTE);
    const sure = (p) => p[2] !== null && p[3] !== null && (p[2] > 0 || !log);
    if (series.joined) {
      group.append("path").attr("class", "band")
        .attr("d", d3.area().defined(sure).x((p) => x(p[0])).y0((p) => y(p[2])).y1((p) => y(p[3]))(points));
      group.append("path").attr("class", "curve").attr("d", d3.line().x((p) => x(p[0])).y((p) => y(p[1]))(points));
    }
    points.forEach((p) => {
      if (!series.joined && sure(p)) {
        group.append("line").attr("class", "whisker").attr("x1", x(p[0])).attr("x2", x(p[0])).attr("y1", y(p[2]))
          .attr("y2", y(p[3]));
      }
      group.append("circle").attr("r", 3.5).attr("cx", x(p[0])).attr("cy", y(p[1]));
    });
  };

  // ---------------------------------------------------------------- zoom

  Chart.prototype.zoomed = function (transform) {
    this.transform = transform;
    this.leave();
    this.draw();
  };

  Chart.prototype.zoomBy = function (factor) {
    this.zoom.scaleBy(this.svg, factor);
  };

  Chart.prototype.reset = function () {
    this.zoom.transform(this.svg, d3.zoomIdentity);
    this.zoomed(d3.zoomIdentity);
  };

  // ---------------------------------------------------------------- reading points

  Chart.prototype.text = function (number, p) {
    const value = FORMATS[this.data.y.quantity];
    const interval = p[2] !== null ? " (" + value(p[2]) + " to " + value(p[3]) + ")" : "";
    return this.data.series[number].name + ": " + value(p[1]) + interval + (p[4] ? ", " + p[4] : "");
  };

  // Joined series are read at one x together, clouds point by point.
  Chart.prototype.show = function (found) {
    const first = found[0], at = FORMATS[this.data.x.quantity](first.point[0]);
    this.tip.textContent = "";
    this.tip.appendChild(element("strong", "", this.data.x.label + " " + at));
    found.forEach((one) => {
      const row = this.tip.appendChild(element("span"));
      row.appendChild(element("i", "key c" + one.number % PALETTE));
      row.appendChild(element("span", "", this.text(one.number, one.point)));
    });
    const box = this.svg.node().getBoundingClientRect(), ratio = box.width / this.width;
    const left = this.x(first.point[0]) * ratio, top = this.y(first.point[1]) * ratio;
    this.tip.hidden = false;
    const width = this.tip.offsetWidth, height = this.tip.offsetHeight;
    this.tip.style.left = Math.max(0, left + 14 + width > box.width ? left - width - 14 : left + 14) + "px";
    this.tip.style.top = Math.max(0, Math.min(top - height / 2, box.height - height)) + "px";
    this.line.attr("x1", this.x(first.point[0])).attr("x2", this.x(first.point[0])).style("display", null);
  };

  Chart.prototype.leave = function () {
    this.tip.hidden = true;
    this.line.style("display", "none");
    this.cursor = -1;
  };

  Chart.prototype.nearest = function (mouse) {
    const found = [];
    this.data.series.forEach((series, number) => {
      if (!this.shown[number]) { return; }
      const best = d3.min(this.points(number), (p) => {
        const dx = this.x(p[0]) - mouse[0], dy = series.joined ? 0 : this.y(p[1]) - mouse[1];
        p.away = Math.hypot(dx, dy);
        return p.away;
      });
      const point = this.points(number).find((p) => p.away === best);
      if (point) { found.push({ number, point, away: best }); }
    });
    found.sort((a, b) => a.away - b.away);
    if (found.length === 0) { return found; }
    const x = found[0].point[0];
    return this.data.series[found[0].number].joined ? found.filter((one) => one.point[0] === x)
      .sort((a, b) => a.number - b.number) : found.slice(0, 1);
  };

  Chart.prototype.move = function (event) {
    const box = this.svg.node().getBoundingClientRect(), ratio = this.width / box.width;
    const mouse = [(event.clientX - box.left) * ratio, (event.clientY - box.top) * ratio];
    const found = mouse[0] >= LEFT - 10 && mouse[0] <= this.right + 10 ? this.nearest(mouse) : [];
    if (found.length > 0) { this.show(found); } else { this.leave(); }
  };

  // Keys: along a curve, between curves, zoom.
  Chart.prototype.key = function (event) {
    const on = this.data.series.map((_, number) => number).filter((number) => this.shown[number]);
    const steps = { ArrowRight: 1, ArrowLeft: -1 }, turns = { ArrowDown: 1, ArrowUp: -1 };
    if (event.key === "+" || event.key === "=") {
      this.zoomBy(1.5);
    } else if (event.key === "-") {
      this.zoomBy(1 / 1.5);
    } else if (event.key === "0" || event.key === "Escape") {
      this.reset();
    } else if (on.length > 0 && (event.key in steps || event.key in turns)) {
      const place = Math.max(0, on.indexOf(this.reading)), turn = turns[event.key] || 0;
      this.reading = on[(place + turn + on.length) % on.length];
      const points = this.points(this.reading);
      if (points.length === 0) { return; }
      const at = this.cursor < 0 ? (steps[event.key] < 0 ? points.length - 1 : 0) : this.cursor + (steps[event.key] || 0);
      const next = Math.max(0, Math.min(points.length - 1, at));
      this.show([{ number: this.reading, point: points[next] }]);
      this.cursor = next;
      this.said.textContent = this.data.x.label + " " + FORMATS[this.data.x.quantity](points[next][0]) + ". " +
        this.text(this.reading, points[next]);
    } else {
      return;
    }
    event.preventDefault();
  };

  Chart.prototype.listen = function () {
    const node = this.svg.node();
    // A wheel scrolls the page unless a key says that it means the chart.
    this.zoom = d3.zoom().scaleExtent([1, 64])
      .filter((given) => {
        const event = given || d3.event;
        return event.type === "wheel" ? event.ctrlKey || event.shiftKey : !event.button;
      })
      .on("zoom", (given) => this.zoomed((given && given.transform ? given : d3.event).transform));
    this.svg.call(this.zoom);
    node.addEventListener("pointermove", (event) => this.move(event));
    node.addEventListener("pointerleave", () => this.leave());
    node.addEventListener("keydown", (event) => this.key(event));
    node.addEventListener("blur", () => this.leave());
  };

  if (typeof d3 === "undefined") { return; }
  document.querySelectorAll("figure.chart").forEach((figure) => new Chart(figure));
}());
