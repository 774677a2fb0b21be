#!/usr/bin/env python3
"""Opens reports in headless Chromium and uses them as a reader does: mouse, keys, a telephone, a dark room, paper, no
JavaScript. Leaves screenshots in OUT.

browser-report.py PROGRAM SCENARIOS OUT
"""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import urllib.error
import urllib.request

from program import PROGRAM, fabricast

SCENARIOS, OUT = (os.path.abspath(path) for path in sys.argv[2:4])
SKIPPED = 77
# Nothing of the browser's own may go to a network.
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--no-first-run", "--disable-default-apps", "--hide-scrollbars",
         "--disable-dev-shm-usage", "--window-size=1200,900"]
# WebDriver's code points of keys.
TAB, RIGHT, DOWN, SPACE = "\ue004", "\ue014", "\ue015", " "
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"

SWEEP = """[topology]
name=dgx-h100
[collective]
operation=all_reduce
sizes=64M;256M;1G
[price]
date=2025-11
source=quotes
[sweep]
topology.name & price.gpu_hour=dgx-a100 & 1.10 USD/h | dgx-h100 & 2.90 USD/h
collective.ranks=2..8*2
collective.algorithm=ring | nvls | tree
"""

# Ratio of luminances of an element's text and what is behind it, as WCAG defines it.
CONTRAST = """
  const numbers = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (c) => [0, 1, 2].map((i) => c[i] / 255).map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const c = numbers(getComputedStyle(node).backgroundColor);
      if (c.length < 4 || c[3] > 0) { return c; }
    }
    return [255, 255, 255];
  };
  return arguments[0].map((name) => document.querySelector(name)).filter((node) => node).map((node) => {
    const style = getComputedStyle(node), ink = numbers(node instanceof SVGElement ? style.fill : style.color);
    const a = light(ink), b = light(behind(node));
    return [node.tagName + "." + (node.getAttribute("class") || ""), (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
  });
"""


class Browser:
    """A session of WebDriver, whose protocol is JSON over HTTP on this machine."""

    def __init__(self, driver, chromium, folder):
        self.process = subprocess.Popen([driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        text=True)
        port = None
        for line in self.process.stdout:
            port = re.search(r"started successfully on port (\d+)", line)
            if port:
                break
        if port is None:
            raise OSError("chromedriver does not start")
        self.base = f"http://127.0.0.1:{port.group(1)}"
        options = {"args": FLAGS + ["--user-data-dir=" + folder], "binary": chromium}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options,
                  "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
        answer = self.call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self.session = "/session/" + answer["sessionId"]

    def call(self, method, path, data=None):
        body = json.dumps(data).encode() if data is not None else None
        request = urllib.request.Request(self.base + path, body, {"Content-Type": "application/json"}, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=120) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as fault:
            raise AssertionError(fault.read().decode()[:600]) from fault

    def post(self, path, **data):
        return self.call("POST", self.session + path, data)

    def run(self, script, *words):
        return self.post("/execute/sync", script=script, args=list(words))

    def tool(self, command, **params):
        return self.post("/goog/cdp/execute", cmd=command, params=params)

    def open(self, path):
        self.post("/url", url="file://" + path)

    def log(self, kind):
        return self.post("/se/log", type=kind)

    def find(self, selector):
        return self.post("/element", using="css selector", value=selector)

    def press(self, *keys):
        strokes = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.post("/actions", actions=[{"type": "key", "id": "keys", "actions": strokes}])

    def point_at(self, selector, x):
        """Moves the mouse to `x` units right of the middle of an element."""
        origin = {ELEMENT: self.find(selector)[ELEMENT]}
        moves = [{"type": "pointerMove", "duration": 0, "x": x, "y": 0, "origin": origin}]
        self.post("/actions", actions=[{"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"},
                                        "actions": moves}])

    def size(self, width, height, phone=False):
        self.tool("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)

    def colours(self, scheme):
        self.tool("Emulation.setEmulatedMedia", media="", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def shoot(self, name):
        """The whole page as a picture."""
        height = self.run("return document.documentElement.scrollHeight")
        width = self.run("return window.innerWidth")
        clip = {"x": 0, "y": 0, "width": width, "height": min(height, 12000), "scale": 1}
        picture = self.tool("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        with open(os.path.join(OUT, name), "wb") as file:
            file.write(base64.b64decode(picture["data"]))

    def close(self):
        try:
            self.call("DELETE", self.session)
        finally:
            self.process.terminate()
            self.process.wait(30)
            self.process.stdout.close()


class Reports(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.browser = Browser(DRIVER, CHROMIUM, os.path.join(cls.folder.name, "profile"))
        cls.addClassCleanup(cls.browser.close)
        claims = os.path.join(cls.folder.name, "claims.json")
        fabricast("claims", os.path.join(SCENARIOS, "claims", "catalogue.ini"), "--json", "-o", claims)
        sweep = os.path.join(cls.folder.name, "sweep.json")
        fabricast("sweep", "sweep-llama-8b", "--json", "-o", sweep)
        store = os.path.join(cls.folder.name, "store.db")
        fabricast("sweep", cls.scenario("machines", SWEEP), "--store", store)
        cls.pages = {name: cls.make(name, *words) for name, words in {
            "bridge": ("bridge-3090-removed", "bridge-3090"),
            "training": ("train-megatron-175b", "--quick", "--set", "training.global_batch=96"),
            "claims": (claims,),
            "sweep": (sweep,),
            "store": (store,),
            "text": ("bridge-3090", "--quick", "--set", "scenario.title=</script><img src=x onerror=alert(1)>"),
        }.items()}

    @classmethod
    def scenario(cls, name, text):
        path = os.path.join(cls.folder.name, name + ".ini")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    @classmethod
    def make(cls, name, *words):
        path = os.path.join(cls.folder.name, name + ".html")
        done = fabricast("report", *words, "-o", path)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        return path

    def setUp(self):
        self.browser.tool("Emulation.setScriptExecutionDisabled", value=False)
        self.browser.size(1200, 900)
        self.browser.colours("light")
        self.browser.log("browser")
        self.browser.log("performance")

    def open(self, name):
        self.browser.open(self.pages[name])

    def test_every_chart_of_every_page_is_drawn_without_a_word_on_the_console(self):
        for name in self.pages:
            with self.subTest(name):
                self.open(name)
                charts = self.browser.run("""return [...document.querySelectorAll("figure.chart")].map((f) => [
                    f.classList.contains("live"), f.querySelectorAll(".plot svg").length,
                    f.querySelectorAll(".series circle").length,
                    [...f.querySelectorAll(".series circle")].every((c) => isFinite(c.getAttribute("cx") + c.cy.baseVal.value)),
                    /NaN|undefined/.test(f.querySelector(".plot svg").outerHTML)])""")
                for chart in charts:
                    self.assertEqual(chart[:2] + chart[4:], [True, 1, False])
                    self.assertGreater(chart[2], 1)
                self.assertEqual(self.browser.log("browser"), [])
                self.browser.shoot(name + ".png")
        self.open("bridge")
        self.assertGreater(self.browser.run("return document.querySelectorAll('figure.chart').length"), 3)

    def test_nothing_is_asked_of_a_network(self):
        for name in self.pages:
            self.open(name)
        asked = [json.loads(one["message"])["message"] for one in self.browser.log("performance")]
        urls = {one["params"]["request"]["url"] for one in asked if one["method"] == "Network.requestWillBeSent"}
        self.assertTrue(urls)
        self.assertEqual([url for url in urls if not url.startswith(("file://", "data:"))], [])

    def test_text_of_users_runs_nothing(self):
        self.open("text")
        self.assertEqual(self.browser.run("return document.querySelectorAll('img').length"), 0)
        self.assertIn("<img", self.browser.run("return document.querySelector('h1').textContent"))

    def test_the_mouse_reads_points(self):
        self.open("bridge")
        self.browser.run("document.querySelector('#chart-2 .plot svg').scrollIntoView({behavior: 'instant', block: 'center'})")
        self.browser.point_at("#chart-2 .plot svg", 40)
        tip = self.browser.run("const t = document.querySelector('#chart-2 .tip'); return [t.hidden, t.textContent]")
        self.assertFalse(tip[0])
        self.assertRegex(tip[1], r"size \d.*B")
        self.assertIn("with an NVLink bridge: ", tip[1])
        self.assertIn(" to ", tip[1])

    def test_fronts_of_a_sweep_are_drawn_and_read_by_keys(self):
        self.open("store")
        drawn = self.browser.run("""return [...document.querySelectorAll("#chart-1 .series")].map((s) => [
            s.querySelectorAll(".curve").length, s.querySelectorAll("circle").length])""")
        self.assertEqual([one[0] for one in drawn], [0, 1, 1, 1])  # the cloud, then a front for each size
        self.assertTrue(all(one[1] >= 2 for one in drawn), drawn)
        self.browser.run("document.querySelector('#chart-1 .plot svg').focus()")
        self.browser.press(DOWN, RIGHT)
        said = self.browser.run("return document.querySelector('#chart-1 .said').textContent")
        self.assertRegex(said, r"^cost of a TB, USD .*beaten by no other: .* s .*collective.ranks=")

    def test_series_are_switched_off_and_on(self):
        self.open("bridge")
        count = "return document.querySelectorAll('#chart-2 .series').length"
        button = "#chart-2 .legend button"
        self.assertEqual(self.browser.run(count), 2)
        self.browser.run(f"document.querySelector('{button}').click()")
        self.assertEqual(self.browser.run(count), 1)
        self.assertEqual(self.browser.run(f"return document.querySelector('{button}').ariaPressed"), "false")
        self.browser.run(f"document.querySelector('{button}').click()")
        self.assertEqual(self.browser.run(count), 2)

    def test_a_chart_is_zoomed_and_its_axes_changed(self):
        self.open("bridge")
        labels = "return [...document.querySelectorAll('#chart-2 .axis text')].map((t) => t.textContent).join('|')"
        click = "document.querySelector('#chart-2 .tools button[aria-label^=\"{}\"]').click()"
        before = self.browser.run(labels)
        for _ in range(3):
            self.browser.run(click.format("Zoom in"))
        self.assertNotEqual(self.browser.run(labels), before)
        self.browser.run(click.format("Show all"))
        self.assertEqual(self.browser.run(labels), before)
        self.browser.run(click.format("Logarithmic axis: time"))
        self.assertNotEqual(self.browser.run(labels), before)
        self.browser.run(click.format("Logarithmic axis: time"))
        self.assertEqual(self.browser.run(labels), before)

    def test_keys_reach_everything_and_say_what_they_find(self):
        self.open("bridge")
        self.browser.press(TAB)
        self.assertEqual(self.browser.run("return document.activeElement.className"), "skip")
        order = []
        for _ in range(60):
            self.browser.press(TAB)
            order.append(self.browser.run("""const a = document.activeElement;
                return a.closest("figure") ? a.closest("figure").id + " " + a.tagName : a.tagName"""))
            if order[-1] == "chart-1 svg":
                break
        # First the legend's switches, then the tools, then the chart itself.
        self.assertEqual(order[-1], "chart-1 svg")
        self.assertIn("chart-1 BUTTON", order)
        said = "return document.querySelector('#chart-1 .said').textContent"
        self.browser.press(RIGHT)
        first = self.browser.run(said)
        self.assertRegex(first, r"^size .*: [\d.]+ times \([\d.]+ times to [\d.]+ times\)")
        self.browser.press(RIGHT)
        self.assertNotEqual(self.browser.run(said), first)
        self.browser.press("+")
        self.browser.press("0")

    def test_everything_that_can_be_used_has_a_name(self):
        for name in self.pages:
            self.open(name)
            nameless = self.browser.run("""return [...document.querySelectorAll(
                "button, a[href], summary, [tabindex], svg[role], [role=region], nav, section")].filter((n) =>
                  !(n.getAttribute("aria-label") || n.textContent.trim() ||
                    document.getElementById(n.getAttribute("aria-labelledby") || ""))).map((n) => n.outerHTML.slice(0, 99))""")
            self.assertEqual(nameless, [], name)
            broken = self.browser.run("""return [...document.querySelectorAll("[aria-labelledby]")].filter((n) =>
                !document.getElementById(n.getAttribute("aria-labelledby"))).length + [...document.querySelectorAll(
                "nav a, td a, th a")].filter((a) => !document.querySelector(a.getAttribute("href"))).length""")
            self.assertEqual(broken, 0, name)
            ids = self.browser.run("return [...document.querySelectorAll('[id]')].map((n) => n.id)")
            self.assertEqual(len(ids), len(set(ids)), name)

    def test_a_telephone_shows_it_without_scrolling_sideways(self):
        for name in self.pages:
            with self.subTest(name):
                self.browser.size(360, 740, phone=True)
                self.open(name)
                self.assertLessEqual(self.browser.run("return document.documentElement.scrollWidth"), 360)
                self.browser.shoot(name + "-phone.png")

    def test_text_can_be_read_in_light_and_in_dark(self):
        names = ["h1", ".sentence", ".verdict span", ".tiles dt", "nav a", "h2", ".about", "td", "th", ".axis text",
                 "summary", "pre", ".badge.good", ".badge.bad", ".badge.open", ".legend button", ".source", "footer p"]
        for scheme in ("light", "dark"):
            for name in ("bridge", "claims"):
                self.browser.colours(scheme)
                self.open(name)
                for node, ratio in self.browser.run(CONTRAST, names):
                    self.assertGreater(ratio, 4.5, (scheme, name, node))
        ground = self.browser.run("return getComputedStyle(document.body).backgroundColor")
        self.assertLess(sum(map(int, re.findall(r"\d+", ground)[:3])), 150)
        for name in ("bridge", "store"):
            self.open(name)
            self.browser.shoot(name + "-dark.png")

    def test_it_is_complete_without_javascript(self):
        for name in ("bridge", "sweep", "store"):
            self.open(name)
            live = self.browser.run("return document.querySelectorAll('figure.chart').length")
            self.browser.tool("Emulation.setScriptExecutionDisabled", value=True)
            self.open(name)
            nodes = self.browser.tool("DOM.getDocument", depth=0)["root"]["nodeId"]
            found = self.browser.tool("DOM.querySelectorAll", nodeId=nodes,
                                      selector="figure.chart .plot svg[role=img] .series circle:first-of-type")["nodeIds"]
            self.assertGreaterEqual(len(found), live)
            none = self.browser.tool("DOM.querySelectorAll", nodeId=nodes, selector=".tools, .tip")["nodeIds"]
            self.assertEqual(none, [])
            if name == "bridge":
                metrics = self.browser.tool("Page.getLayoutMetrics")["cssContentSize"]
                picture = self.browser.tool("Page.captureScreenshot", format="png", captureBeyondViewport=True,
                                            clip={"x": 0, "y": 0, "width": 1200, "scale": 1,
                                                  "height": min(metrics["height"], 12000)})
                with open(os.path.join(OUT, "bridge-no-script.png"), "wb") as file:
                    file.write(base64.b64decode(picture["data"]))
            self.browser.tool("Emulation.setScriptExecutionDisabled", value=False)

    def test_it_prints(self):
        for name in ("bridge", "training"):
            self.open(name)
            data = base64.b64decode(self.browser.tool("Page.printToPDF", printBackground=False, paperWidth=8.27,
                                                      paperHeight=11.69)["data"])
            pages = len(re.findall(rb"/Type\s*/Page\b", data))
            self.assertTrue(data.startswith(b"%PDF"))
            self.assertTrue(2 <= pages <= 25, pages)
            with open(os.path.join(OUT, name + ".pdf"), "wb") as file:
                file.write(data)


if __name__ == "__main__":
    CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    DRIVER = shutil.which("chromedriver")
    if CHROMIUM is None or DRIVER is None:
        print("skipped: there is no chromium or no chromedriver (Debian's packages chromium and chromium-driver)")
        sys.exit(SKIPPED)
    with open(os.path.join(os.path.dirname(PROGRAM), "core/report/page-assets.c"), encoding="ascii") as assets:
        if "fab_page_library_length = 0;" in assets.read():
            print("skipped: this build has no library of charts (Debian's package node-d3)")
            sys.exit(SKIPPED)
    os.makedirs(OUT, exist_ok=True)
    unittest.main(argv=sys.argv[:1])
