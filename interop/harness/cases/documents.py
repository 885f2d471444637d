"""The Java code of the documents, as it stands there."""

import os
import re

from case import case
from peers.java import java
from process import check
from variant import TCP

ROOT = os.path.join(os.path.dirname(__file__), "..", "..", "..")
DOCUMENTS = ("README.md", "docs/applications.md")
# Around the block, what its reader has: an ID, a registry unless the block makes one, and a metric.
PROGRAM = """
import io.micrometer.prometheus.*;
import io.micrometer.prometheus.rsocket.PrometheusRSocketClient;
import io.rsocket.transport.netty.client.*;

public class Block {
  public static void main(String[] arguments) throws Exception {
    String id = "one";
    %s
  }
}
"""
REGISTRY = "PrometheusMeterRegistry registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);"
WORK = "// at the end of a short-lived job:\n"


@case("java-client/documents", ("our_proxy", "java_client"), java_passes=False, transports=TCP)
def documents(bench):
    """Each block of Java in the documents compiles, connects, and pushes what the application has."""
    proxy = bench.proxy()
    blocks = [(name, block) for name in DOCUMENTS for block in java_blocks(name)]
    check(len(blocks) == len(DOCUMENTS), f"each document has one block: there are {len(blocks)}")
    for number, (name, block) in enumerate(blocks):
        check(WORK in block, f"the block of {name} says where the work ends")
        code = block.replace(WORK, f'registry.counter("documented_{number}_total").increment(42);\n')
        code = code.replace('"proxy.example.org", 7001', f'"127.0.0.1", {proxy.tcp}')
        if "registry = " not in code:
            code = REGISTRY + code
        file = os.path.join(bench.folder, f"block-{number}", "Block.java")
        os.mkdir(os.path.dirname(file))
        with open(file, "w", encoding="utf-8") as program:
            program.write(PROGRAM % code)
        # Given a file, the launcher compiles it.
        process = bench.start(f"java-block-{number}", java(bench.tools.java_client(), file))
        check(process.wait(60) == 0, f"the block of {name} ends well")
        text = proxy.scrape()
        check(re.search(rf"^documented_{number}_total\b.* 42\.0$", text, re.M), f"what the block of {name} pushed is served")


def java_blocks(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as document:
        return re.findall(r"^```java\n(.*?)^```$", document.read(), re.M | re.S)
