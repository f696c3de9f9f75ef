#!/usr/bin/env python3
"""Look at the pages as a person does, in a real browser (Chromium, by its DevTools protocol), and check what is there.

    browser.py --port P --admin-port A --file FILE loads   a load is one request, one visit and at most 8 KB; an icon, a
                                                           prefetch and a look back are none
    browser.py --port P [--port Q...] looks   on a phone, on a desktop and at 200 %, in light and dark: nothing is clipped,
                                              small, faint or covered
    browser.py --port P keyboard              the keyboard reaches and uses everything
    browser.py --port P names                 the accessibility tree names what is seen
    browser.py --port P --file FILE pages     the pages of visits, their links and the bars of the plot lead to what they say
    browser.py --port P --screenshots DIRECTORY pictures   takes the pictures in README.md
    browser.py --port P --port Q... pods      the colours and shapes of pods; each port is another pod

Every check also fails on a message in the console, and on a request to anywhere else. `--screenshots DIRECTORY` keeps what
`looks` has seen. Exits with 1, and says why, if something is not as it must be.
"""

import argparse
import base64
import json
import os
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

TIMEOUT_SECONDS = 20
PAGE_MAX = 8192
# Width, height, pixels for each CSS pixel, and is it a phone? A zoom of 200 % halves the CSS pixels of a window.
SCREENS = {"phone": (360, 740, 3, True), "desktop": (1280, 800, 1, False), "desktop at 200 %": (640, 400, 2, False)}
SCHEMES = "light", "dark"
# Without these it would look for updates, and ask the network for more.
SWITCHES = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-default-apps", "--disable-sync",
            "--disable-extensions", "--disable-features=Translate,OptimizationHints,MediaRouter", "--mute-audio",
            "--no-proxy-server", "--remote-debugging-pipe")


class Wrong(Exception):
    """A page is not as it must be."""


def demand(condition, *what):
    if not condition:
        raise Wrong(" ".join(str(word) for word in what))


class Browser:
    """A browser with one tab. Its pipe has JSON messages that end in NUL."""

    def __init__(self, hosts):
        self.hosts = hosts
        self.directory = tempfile.mkdtemp(prefix="browser.")
        self.requests, self.messages, self.sizes, self.loaded = [], [], {}, 0
        self.received = b""
        self.last_id = 0
        to_browser, self.output = os.pipe()
        self.input, from_browser = os.pipe()

        def place_pipes():
            # It reads descriptor 3 and writes 4.
            os.dup2(to_browser, 103)
            os.dup2(from_browser, 104)
            os.dup2(103, 3)
            os.dup2(104, 4)

        self.process = subprocess.Popen(
            [shutil.which("chromium") or "google-chrome", *SWITCHES, "--user-data-dir=" + self.directory, "about:blank"], preexec_fn=place_pipes,
            pass_fds=(3, 4), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self.session = None
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in "Page", "Network", "Log", "Runtime", "Audits", "Accessibility", "DOM":
            self.ask(domain + ".enable")

    def close(self):
        try:
            self.session = None
            self.ask("Browser.close")
            self.process.wait(TIMEOUT_SECONDS)
        except (OSError, subprocess.TimeoutExpired, Wrong):
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def read_message(self, deadline):
        while b"\0" not in self.received:
            demand(self.is_readable(deadline), "the browser does not respond")
            chunk = os.read(self.input, 1 << 20)
            demand(chunk, "the browser has ended")
            self.received += chunk
        message, _, self.received = self.received.partition(b"\0")
        message = json.loads(message)
        self.note(message.get("method"), message.get("params", {}))
        return message

    def note(self, method, params):
        if method == "Network.requestWillBeSent":
            if not params["request"]["url"].startswith(("data:", "about:")):
                self.requests.append(params["request"]["url"])
                self.last_request = params["requestId"]
        elif method == "Network.loadingFinished":
            self.sizes[params["requestId"]] = params["encodedDataLength"]
        elif method == "Page.loadEventFired":
            self.loaded += 1
        elif method == "Page.frameNavigated" and params["type"] == "BackForwardCacheRestore":
            self.loaded += 1
        elif method == "Log.entryAdded":
            self.messages.append(params["entry"]["text"] + " " + params["entry"].get("url", ""))
        elif method in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown"):
            self.messages.append(json.dumps(params))
        elif method == "Audits.issueAdded" and "NavigationEntryMarkedSkippable" not in json.dumps(params):
            # The exception is about pages that a script has left, as these checks do.
            self.messages.append(json.dumps(params))

    def ask(self, method, **params):
        self.last_id += 1
        message = {"id": self.last_id, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.output, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while True:
            response = self.read_message(deadline)
            if response.get("id") == self.last_id:
                demand("error" not in response, method, response.get("error"))
                return response["result"]

    def wait(self, has_come, otherwise):
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not has_come():
            demand(self.is_readable(deadline), otherwise)
            self.read_message(deadline)

    def wait_load(self, before):
        self.wait(lambda: self.loaded > before, "a page is not loaded")

    def is_readable(self, deadline):
        return b"\0" in self.received or select.select([self.input], [], [], max(0, deadline - time.monotonic()))[0]

    def load(self, url):
        before = self.loaded
        result = self.ask("Page.navigate", url=url)
        demand("errorText" not in result, url, result.get("errorText"))
        self.wait_load(before)

    def leave(self, expression):
        """Evaluates what leads to another page."""
        before = self.loaded
        self.run(expression)
        self.wait_load(before)

    def run(self, expression):
        result = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        demand("exceptionDetails" not in result, expression, result.get("exceptionDetails"))
        return result["result"].get("value")

    def show(self, screen, scheme):
        width, height, scale, phone = SCREENS[screen]
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=phone)
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def press(self, key, code, shift=False):
        text = {"Enter": "\r"}.get(key, "")
        for kind in "keyDown", "keyUp":
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code,
                     modifiers=8 if shift else 0, **({"text": text} if text and kind == "keyDown" else {}))

    def picture(self, path, height=1100):
        size = self.ask("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], height), "scale": 1}
        data = self.ask("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        with open(path, "wb") as file:
            file.write(base64.b64decode(data["data"]))

    def finish(self):
        """What holds of every page: it says nothing in the console, and loads nothing from anywhere else."""
        demand(not self.messages, "in the console:", *self.messages[:3])
        elsewhere = [url for url in self.requests if not url.startswith(self.hosts)]
        demand(not elsewhere, "requests to elsewhere:", *elsewhere)


# --- The checks. Each gets the browser and the options; URL is the first pod's.


def http_requests(options):
    """How many requests the program has responded to."""
    with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % options.admin_port, timeout=TIMEOUT_SECONDS) as response:
        text = response.read().decode()
    return sum(int(count) for count in re.findall(r'(?m)^web_app_http_requests_total\{path="(?:/|/visits|other)".*\} (\d+)$', text))


def visits(options):
    with open(options.file, "rb") as file:
        return file.read().count(b"\n")


def shown_number(browser):
    return int(browser.run("document.querySelector('h1').textContent").replace("Visit ", ""))


def loads(browser, options):
    url = options.url
    for count in 1, 2, 3:
        before = visits(options), http_requests(options), len(browser.requests)
        browser.load(url)
        demand(browser.requests[before[2]:] == [url], "requests:", browser.requests[before[2]:])
        page = browser.last_request
        browser.wait(lambda: page in browser.sizes, "the response has no end")
        page_size = browser.sizes[page]
        demand(page_size <= PAGE_MAX, "the page has", page_size, "bytes")
        after = visits(options), http_requests(options)
        demand(after[0] == before[0] + 1, "a load made", after[0] - before[0], "visits")
        demand(after[1] == before[1] + 1, "a load made", after[1] - before[1], "requests")
        demand(shown_number(browser) == after[0], "the page shows", shown_number(browser), "of", after[0], "visits")
    drawn = browser.run("""(async () => { const icon = new Image(); icon.src = document.querySelector('link[rel~=icon]')?.href;
                           return icon.decode().then(() => true, () => false); })()""")
    # To another page and back: the page is shown as it was, or it is a new visit and says so.
    before = visits(options), len(browser.requests)
    browser.load(url + "visits")
    demand(visits(options) == before[0], "the list of visits is a visit")
    entries = browser.ask("Page.getNavigationHistory")
    loaded = browser.loaded
    browser.ask("Page.navigateToHistoryEntry", entryId=entries["entries"][entries["currentIndex"] - 1]["id"])
    browser.wait_load(loaded)
    again = browser.requests[before[1] + 1:].count(url)
    demand(visits(options) == before[0] + again, "a look back sent", again, "requests, and made",
           visits(options) - before[0], "visits")
    demand(shown_number(browser) == visits(options), "after a look back the page shows", shown_number(browser))
    # /version has no icon, so the browser asks for /favicon.ico, after the page. Had it done so for the pages before, that
    # request would have come by now.
    before = visits(options), len(browser.requests)
    browser.load(url + "version")
    browser.wait(lambda: url + "favicon.ico" in browser.requests, "no request for the icon of a page without one")
    icons = browser.requests.count(url + "favicon.ico")
    demand(icons == 1 and url + "favicon.ico" in browser.requests[before[1]:], "a page asked for /favicon.ico")
    demand(drawn, "the icon cannot be drawn")
    # Nor has /version a policy that forbids a prefetch.
    browser.run("""new Promise(done => { const link = document.createElement('link'); link.rel = 'prefetch'; link.href = '/';
                   link.onload = link.onerror = done; document.head.append(link); })""")
    demand(url in browser.requests[before[1]:], "there was no prefetch")
    demand(visits(options) == before[0], "a prefetch is a visit")
    browser.wait(lambda: len(browser.messages) == 2, "no messages about the icon and the prefetch")
    browser.messages.clear()
    print("3 loads, 3 visits; a page of", page_size, "bytes")


# Returns the texts that can be seen: text, colours, size, and place. The page has no pictures behind texts but its mark.
TEXTS = r"""(() => {
  const number = color => color.match(/[\d.]+/g).map(Number);
  const opaque = color => { const n = number(color); return n.length < 4 || n[3] > 0; };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode, element = node.parentElement;
    if (!node.textContent.trim() || !element.checkVisibility() || element.tagName === 'title') continue;
    const range = document.createRange(), top = scrollY;
    range.selectNodeContents(node);
    const box = range.getBoundingClientRect(), style = getComputedStyle(element);
    const drawn = element instanceof SVGElement;
    let behind = null;
    if (drawn && element.closest('header')) behind = getComputedStyle(element.previousElementSibling).fill;
    for (let above = element; above && !behind; above = above.parentElement)
      if (opaque(getComputedStyle(above).backgroundColor)) behind = getComputedStyle(above).backgroundColor;
    // Is it in front of all that is drawn at its place?
    let covered = false;
    if (element.closest('.p')) {
      element.scrollIntoView({block: 'center', behavior: 'instant'});
      const now = element.getBoundingClientRect();
      covered = document.elementFromPoint((now.left + now.right) / 2, (now.top + now.bottom) / 2) !== element;
    }
    found.push({covered, text: node.textContent.trim(), drawn, color: number(drawn ? style.fill : style.color).slice(0, 3),
      behind: behind && number(behind).slice(0, 3), size: parseFloat(style.fontSize), mark: !!element.closest('header svg'),
      plot: !!element.closest('.p'), box: [box.left, box.top + top, box.right, box.bottom + top]});
  }
  return {texts: found, width: document.scrollingElement.scrollWidth, window: innerWidth,
    canvas: number(getComputedStyle(document.documentElement).colorScheme && (() => {
      const probe = document.createElement('i'); probe.style.color = 'Canvas'; document.body.append(probe);
      const color = getComputedStyle(probe).color; probe.remove(); return color; })()).slice(0, 3)};
})()"""


def luminance(color):
    parts = [part / 255 for part in color]
    parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(one, other):
    """WCAG 2: 4.5 is enough for text (AA)."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def overlap(one, other):
    return one[0] < other[2] - 1 and other[0] < one[2] - 1 and one[1] < other[3] - 2 and other[1] < one[3] - 2


def look(browser, where):
    seen = browser.run(TEXTS)
    demand(seen["width"] <= seen["window"], where, "is", seen["width"], "pixels wide, of", seen["window"])
    demand(seen["texts"], where, "has no text")
    for text in seen["texts"]:
        ratio = contrast(text["color"], text["behind"] or seen["canvas"])
        demand(ratio >= 4.5, where, "shows '%s' with a contrast of %.2f" % (text["text"], ratio))
        demand(text["mark"] or text["size"] >= 12, where, "shows '%s' in" % text["text"], text["size"], "pixels")
        demand(not text["covered"], where, "covers '%s'" % text["text"])
        demand(-1 <= text["box"][0] and text["box"][2] <= seen["window"] + 1, where, "cuts off '%s'" % text["text"])
    for i, one in enumerate(seen["texts"]):
        for other in seen["texts"][i + 1:]:
            demand(not overlap(one["box"], other["box"]), where, "shows '%s' over '%s'" % (one["text"], other["text"]))
    return seen["texts"]


def looks(browser, options):
    count = 0
    urls = [("visit", options.url)] + [("visits of %d" % port, "http://127.0.0.1:%d/visits" % port) for port in options.ports]
    for name, url in urls:
        browser.load(url)
        for screen in SCREENS:
            for scheme in SCHEMES:
                # Of other pods' pages two looks are enough.
                if url.startswith(options.url) or (screen, scheme) in (("phone", "dark"), ("desktop", "light")):
                    browser.show(screen, scheme)
                    where = "%s on a %s, %s," % (name, screen, scheme)
                    texts = look(browser, where)
                    empty = name == "visit" or any(text["text"] == "0 visits" for text in texts)
                    demand(empty or sum(text["plot"] for text in texts) >= 3, where, "lacks labels of the plot")
                    count += 1
                    if options.screenshots:
                        browser.picture("%s/%s.png" % (options.screenshots, re.sub(r"\W+", "-", where + " ").strip("-")))
    print(count, "looks")


def focus_order(browser):
    """What the Tab key reaches, in its order."""
    reached = []
    while True:
        browser.press("Tab", 9)
        name = browser.run("""(() => { const e = document.activeElement;
            if (e === document.body) return null;
            const s = getComputedStyle(e);
            // The parts of a field of a time show the focus themselves.
            if (e.type !== 'datetime-local' && (!e.matches(':focus-visible') || s.outlineStyle === 'none'))
              return 'invisible focus: ' + e.outerHTML;
            return e.labels && e.labels.length ? e.labels[0].textContent.trim() : e.textContent.trim(); })()""")
        if name is None or len(reached) > 60:
            return reached
        if not reached or reached[-1] != name:  # a field of a time has parts
            reached.append(name)


def keyboard(browser, options):
    browser.load(options.url)
    demand(focus_order(browser) == ["All visits"], "on the page the keyboard reaches", focus_order(browser))
    browser.press("Tab", 9)
    before = browser.loaded
    browser.press("Enter", 13)
    browser.wait_load(before)
    wanted = ["From", "Before", "Show", "Older", "Visit again", "CSV", "The file", "Text", "JSON"]
    reached = focus_order(browser)
    demand(reached == wanted, "on the list of visits the keyboard reaches", reached)
    browser.run("[...document.links].find(link => link.textContent === 'Older').focus()")
    before = browser.loaded
    browser.press("Enter", 13)
    browser.wait_load(before)
    demand("before=" in browser.run("location.search"), "Enter on Older leads to", browser.run("location.href"))
    print("the keyboard reaches everything")


def tree(browser):
    """The roles and names of the accessibility tree, in its order."""
    nodes = browser.ask("Accessibility.getFullAXTree")["nodes"]
    return [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes
            if not node.get("ignored") and "role" in node]


def demand_named(seen, role, pattern):
    names = [name for one, name in seen if one == role]
    demand(any(re.fullmatch(pattern, name) for name in names), "no", role, "is named", pattern, "but:", *names)


def names(browser, options):
    mark = r"(blue|orange|teal|pink|green|violet|red|grey) (circle|square|hexagon|diamond|shield) \S{1,3}"
    browser.load(options.url)
    seen = tree(browser)
    demand_named(seen, "RootWebArea", r"Visit · \S+")
    demand_named(seen, "image", mark)
    demand_named(seen, "heading", r"Visit \d+")
    demand_named(seen, "heading", "Before you")
    demand_named(seen, "link", "All visits")
    browser.load(options.url + "visits")
    seen = tree(browser)
    demand_named(seen, "image", mark)
    demand_named(seen, "heading", r"[\d,]+ visits")
    demand_named(seen, "image", r"Visits per .* from [-\d]{10} [:\d]{8} to .{19}; the most, [\d,]+, from .{19}")
    demand_named(seen, "columnheader", "Time")
    demand_named(seen, "button", "Show")
    for name in "Pages", "Downloads":
        demand_named(seen, "navigation", name)
    for name in "From", "Before":
        demand(any(name == label and role not in ("LabelText", "StaticText", "InlineTextBox") for role, label in seen),
               "no field is named", name)
    for role in "main", "banner", "term", "definition", "row":
        demand(any(one == role for one, _ in seen), "there is no", role)
    nameless = [role for role, name in seen if role in ("link", "button", "image", "heading") and not name]
    demand(not nameless, "without a name:", *nameless)
    print("all is named")


def listed(browser):
    return browser.run("[...document.querySelectorAll('tr')].map(row => row.cells[0].textContent).filter(Number).map(Number)")


def pages(browser, options):
    total = visits(options)
    browser.load(options.url + "visits")
    every, count = listed(browser), 1
    while browser.run("[...document.links].some(link => link.textContent === 'Older')"):
        browser.leave("[...document.links].find(link => link.textContent === 'Older').click()")
        every += listed(browser)
        count += 1
    demand(every == list(range(total, 0, -1)), "the pages list", len(every), "of", total, "visits")
    for _ in range(count - 1):
        browser.leave("[...document.links].find(link => link.textContent === 'Newer').click()")
    demand(listed(browser)[0] == total, "Newer does not lead back to the newest")
    titles = browser.run("[...document.querySelectorAll('.p a title')].map(title => title.textContent)")
    counts = [int(title.rsplit(": ")[-1].replace(",", "")) for title in titles]
    demand(sum(counts) == total, "the bars have", sum(counts), "of", total, "visits")
    for i in 0, len(counts) - 1:
        browser.load(options.url + "visits?tail=999999")
        browser.leave("document.querySelectorAll('.p a')[%d].dispatchEvent(new MouseEvent('click', {bubbles: true}))" % i)
        head = browser.run("document.querySelector('h1').textContent")
        demand(head.split()[0].replace(",", "") == str(counts[i]), "the bar of", counts[i], "visits leads to", head)
    print(count, "pages,", len(counts), "bars")


def pods(browser, options):
    seen = {}
    for port in options.ports:
        url = "http://127.0.0.1:%d/" % port
        browser.load(url)
        for scheme in SCHEMES:
            browser.show("desktop", scheme)
            texts = look(browser, "the page of port %d, %s," % (port, scheme))
        icon = browser.run("document.querySelector('link[rel=icon]').href")
        look_of = browser.run("""(() => { const mark = document.querySelector('header svg');
            return [mark.getAttribute('aria-label'), mark.querySelector('path').getAttribute('d'),
                    getComputedStyle(document.documentElement).borderTopColor]; })()""")
        demand(look_of[1] in icon and ">%s</text>" % look_of[0].split()[-1] in icon, "the icon is not the mark of the page")
        browser.load(url + "visits")
        demand(browser.run("document.querySelector('link[rel=icon]').href") == icon, "the list has another icon")
        seen[port] = look_of
    for what, index in ("mark", 0), ("colour", 2):
        values = [look_of[index] for look_of in seen.values()]
        demand(len(set(values)) == len(values), "the pods share a", what + ":", *values)
    one_after_another = list(seen.values())
    for one, other in zip(one_after_another, one_after_another[1:]):
        demand(one[1] != other[1], "neighbours share a shape:", one[0], "and", other[0])
    print(", ".join(look_of[0] for look_of in seen.values()))


def pictures(browser, options):
    """The pictures in README.md."""
    for name, url, width, height in ("page", options.url, 440, 470), ("visits", options.url + "visits", 700, 570):
        browser.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1.5, mobile=False)
        browser.load(url)
        browser.picture("%s/%s.png" % (options.screenshots, name), height)


def main():
    checks = {"pictures": pictures, "loads": loads, "looks": looks, "keyboard": keyboard, "names": names, "pages": pages, "pods": pods}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True, action="append", dest="ports")
    parser.add_argument("--admin-port", type=int)
    parser.add_argument("--file")
    parser.add_argument("--screenshots")
    parser.add_argument("checks", choices=checks, nargs="+")
    options = parser.parse_args()
    options.url = "http://127.0.0.1:%d/" % options.ports[0]
    browser = Browser(tuple("http://127.0.0.1:%d/" % port for port in options.ports))
    try:
        for check in options.checks:
            checks[check](browser, options)
            browser.finish()
    except Wrong as wrong:
        print(wrong)
        return 1
    finally:
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
