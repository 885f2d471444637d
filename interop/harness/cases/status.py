"""The status page: what an operator finds on it, and what a browser makes of it."""

import json
import os
import time
import urllib.request

from case import case
from peers.shop import Shop
from process import check, until
from variant import TCP


@case("status/three-of-500", ("our_proxy", "shop"), java_passes=False, transports=TCP)
def three_of_500(bench):
    """Of 500 applications one is missing, one sends broken text and one is slow: these three are on top, with the reason and since when."""
    proxy = bench.proxy()
    shop = Shop(bench, proxy, 500)
    proxy.scrape()
    check(status(proxy)["counts"]["ok"] == 500, "all are well at first")
    began = time.monotonic()
    for command in ("kill shop-042", "break shop-123", "slow shop-333"):
        shop.tell(command)
    proxy.await_connections(499)
    proxy.scrape()
    found = status(proxy, "?state=troubled")
    lasted = time.monotonic() - began
    rows = {row["labels"]["instance"]: row for row in found["applications"]}
    states = {name: row["status"] for name, row in rows.items()}
    check(states == {"shop-042": "gone", "shop-123": "failing", "shop-333": "slow"}, f"three are in trouble: {states}")
    check(rows["shop-123"]["why"].startswith("line 11, byte "), rows["shop-123"]["why"])
    check("transport" in rows["shop-042"]["why"] or "closed" in rows["shop-042"]["why"], rows["shop-042"]["why"])
    check(all(row["for_seconds"] <= lasted for row in rows.values()), "each says since when")
    top = [row["labels"]["instance"] for row in status(proxy)["applications"][:3]]
    check(set(top) == set(rows), f"these are on top: {top}")
    missing = lambda: {entry["id"] for entry in status(proxy)["rounds"][0]["missing_first"]}
    until("the round says who was missing", lambda: missing() == {"shop~shop-042", "shop~shop-123"})
    page = get(proxy, "/")
    check(all(page.index(f"/app/shop~{name}") < page.index("/app/shop~shop-000") for name in rows), "and so it is on the page")
    shop.tell("mend shop-123")
    proxy.scrape()
    check("well again for" in get(proxy, "/?q=shop-123"), "one that is well again says what it had")


@case("status/browser", ("our_proxy", "shop", "browser"), java_passes=False, transports=TCP)
def browser(bench):
    """Chromium with axe-core: no fault in either colour scheme, hostile names included; nothing in the console; updates, and all without JavaScript."""
    proxy = bench.proxy(["--push-ttl", "60s"])
    shop = Shop(bench, proxy, 120, hostile=True)
    for command in ("kill shop-042", "break shop-017", "slow shop-099"):
        shop.tell(command)
    proxy.await_connections(125)
    proxy.scrape()
    command = [*bench.tools.browser(), f"http://127.0.0.1:{proxy.http}", "shop~shop-005"]
    if folder := os.environ.get("SCREENSHOTS"):
        command.append(os.path.abspath(folder))
    looks = bench.start("browser", command)
    looks.find("^(LIVE|FAILED)", 300)
    shop.tell("break shop-005")
    proxy.scrape()
    until("the browser is done", lambda: any(line.startswith(("PASSED", "FAILED")) for line in looks.lines()), 120)
    time.sleep(0.2)
    faults = [line for line in looks.lines() if line.startswith("FAILED")]
    check(not faults, "; ".join(faults))


def status(proxy, query=""):
    return json.loads(get(proxy, f"/status.json{query}"))


def get(proxy, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{proxy.http}{path}", timeout=20) as answer:
        return answer.read().decode()


@case("status/ten-thousand", ("our_proxy", "shop"), java_passes=False, transports=TCP, usual=False)
def ten_thousand(bench):
    """With 10,000 applications that were scraped, the page, its JSON and a search take less than 200 ms, half of the times at least."""
    proxy = bench.proxy(["--max-connections", "10100", "--scrape-timeout-max", "120s"])
    bench.start("shop", [*bench.tools.shop(), "--port", str(proxy.tcp), "--count", "10000"]).find("^CONNECTED$", 300)
    proxy.scrape(100)
    check(status(proxy)["counts"]["ok"] >= 9_000, "most are well")
    for path in ("/", "/status.json", "/?q=shop-7", "/?sort=-took&page=50"):
        took = []
        for _ in range(21):
            began = time.monotonic()
            get(proxy, path)
            took.append(1000 * (time.monotonic() - began))
        took.sort()
        print(f"# {path}: {took[10]:.0f} ms median, {took[0]:.0f} to {took[-1]:.0f} ms")
        check(took[10] < 200, f"{path} takes {took[10]:.0f} ms")
