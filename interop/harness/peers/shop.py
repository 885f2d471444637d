"""Many applications that go wrong one by one, when they are told so: `../../crowd/shop.py`."""


class Shop:
    def __init__(self, bench, proxy, count, hostile=False):
        command = [*bench.tools.shop(), "--port", str(proxy.port(bench.transport)), "--count", str(count)]
        self.process = bench.start("shop", command + (["--hostile"] if hostile else []))
        self.process.find("^CONNECTED$", 120)

    def tell(self, command):
        """`break`, `slow`, `kill` or `mend`, and which one."""
        after = len(self.process.lines())
        self.process.tell(command)
        self.process.find(f"^DONE {command}$", after=after)
