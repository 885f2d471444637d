"""Pushes that outlive the proxy: `--push-dir`, crashes, and disks that fail."""

import os
import random
import shutil
import stat
import time

from case import case
from peers.jobs import Jobs, Scraper
from process import Failure, check
from variant import TCP

NEEDS = ("our_proxy", "jobs")
# Pushes of each life of the proxy, over how many seconds, and how much later than the last one it is killed at most.
PUSHES, SPREAD, LATER = 20, 0.4, 0.1
# One life in so many ends while it still reads what the one before has left.
EARLY = 4


@case("disk/killed", NEEDS, java_passes=False, transports=TCP)
def killed(bench):
    """A proxy is killed again and again while applications push. After each start a scraper has every push that was ever acknowledged, once."""
    seed = random.randrange(1 << 32)
    try:
        kill_again_and_again(bench, random.Random(seed))
    except Failure as error:
        raise Failure(f"{error} (the moments were chosen by seed {seed})") from error


def kill_again_and_again(bench, moments):
    proxy = stored(bench, "--max-held-pushes", "100000", "--push-ttl", "1h", comes_back=True)
    jobs = Jobs(bench, proxy.tcp)
    for life in range(bench.tools.kill_count):
        # The marks of what it has had are those of one life.
        scraper = Scraper(proxy.http, "a")
        pushed = jobs.begin_push(life * PUSHES, (life + 1) * PUSHES, SPREAD)
        end = time.monotonic() + moments.uniform(0, SPREAD + LATER)
        while (left := end - time.monotonic()) > 0:
            scraper.scrape()
            time.sleep(min(left, moments.uniform(0, 0.1)))
        proxy.process.kill()
        pushed()
        scraper.close()
        scraper.has_none_again()
        if life % EARLY == EARLY - 1:
            proxy.launch()
            time.sleep(moments.uniform(0, 0.1))
            proxy.process.kill()
        proxy.start()
        after_start(proxy, jobs)
    acknowledged, all_pushes = len(jobs.acknowledged()), bench.tools.kill_count * PUSHES
    check(all_pushes / 10 < acknowledged < all_pushes, f"{acknowledged} of {all_pushes} pushes were acknowledged: the proxy was killed too soon or too late")
    check(not jobs.refused(), f"none is refused: {jobs.refused()}")


def stored(bench, *flags, **how):
    """A proxy with a directory for pushes."""
    return bench.proxy(["--push-dir", directory(bench), *flags], **how)


def directory(bench):
    return os.path.join(bench.folder, "pushes")


def after_start(proxy, jobs):
    """What was acknowledged before is served to each scraper, once."""
    acknowledged = jobs.acknowledged()
    for name in ("a", "b"):
        scraper = Scraper(proxy.http, name)
        scraper.scrape()
        missing = acknowledged - scraper.had.keys()
        check(not missing, f"{len(missing)} of {len(acknowledged)} acknowledged pushes are not served after a crash: {sorted(missing)[:5]}")
        scraper.scrape()
        scraper.has_none_again()
        scraper.close()


@case("disk/files-put-aside", NEEDS, java_passes=False, transports=TCP)
def files_put_aside(bench):
    """Files of pushes that are torn, changed or of another version are put aside with a line each; foreign files are left; the others are served."""
    proxy = stored(bench, comes_back=True)
    jobs = Jobs(bench, proxy.tcp)
    jobs.push(0, 20)
    check(jobs.acknowledged() == set(range(20)), f"all are acknowledged: {jobs.refused()}")
    proxy.process.kill()
    folder = directory(bench)
    private(folder)
    files = sorted(name for name in os.listdir(folder) if name.endswith(".push"))
    check(len(files) == 20, f"there is a file for each push: {os.listdir(folder)}")
    torn, changed, older, empty = files[:4]
    edit(folder, torn, lambda data: data[: len(data) // 2])
    edit(folder, changed, lambda data: data[:-20] + bytes([data[-20] ^ 1]) + data[-19:])
    edit(folder, older, lambda data: data.replace(data[:16], bytes(16), 1))
    edit(folder, empty, lambda data: b"")
    write(folder, "notes.txt", b"not a push\n")
    write(folder, files[5] + ".unfinished", b"half of one")
    proxy.start()
    scraper = Scraper(proxy.http, "a")
    for _ in range(2):
        scraper.scrape()
    check(len(scraper.had) == 16, f"the 16 whole pushes are served, and not {len(scraper.had)}")
    scraper.has_none_again()
    for name in (torn, changed, older, empty):
        lines = [line for line in proxy.process.lines() if name in line]
        check(len(lines) == 1 and "aside" in lines[0], f"{name} is named in one line: {lines}")
        check(os.path.exists(os.path.join(folder, f"{name}.aside")), f"{name} is kept aside")
    check(os.path.exists(os.path.join(folder, "notes.txt")), "a foreign file is left where it is")
    check(sum("notes.txt" in line for line in proxy.process.lines()) == 1, "the foreign file is named in one line")
    check(not any(name.endswith(".unfinished") for name in os.listdir(folder)), "an unfinished file is removed")


def private(folder):
    """Fails unless only the owner can read what is in a folder."""
    for name in os.listdir(folder):
        mode = stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode)
        check(mode == 0o600, f"{name} has mode {mode:o}")


def edit(folder, name, change):
    with open(os.path.join(folder, name), "rb") as file:
        data = file.read()
    changed = change(data)
    check(changed != data, f"{name} is changed")
    write(folder, name, changed)


def write(folder, name, data):
    with open(os.path.join(folder, name), "wb") as file:
        file.write(data)


@case("disk/away", NEEDS, java_passes=False, transports=TCP)
def away(bench):
    """While the directory is gone, pushes are refused with the reason, and scrapes go on; once it is back, pushes are taken."""
    proxy = stored(bench)
    jobs = Jobs(bench, proxy.tcp)
    jobs.live(100, 101)
    jobs.push(0, 10)
    moved = directory(bench) + ".moved"
    os.rename(directory(bench), moved)
    jobs.push(10, 20)
    refused_for_the_disk(jobs, range(10, 20), "No such file")
    goes_on(proxy, range(10))
    shutil.move(moved, directory(bench))
    jobs.push(20, 30)
    check(jobs.acknowledged() == {*range(10), *range(20, 30)}, f"pushes are taken again: {jobs.acknowledged()}")
    goes_on(proxy, {*range(10), *range(20, 30)}, "b")


@case("disk/no-room", NEEDS, java_passes=False, transports=TCP)
def no_room(bench):
    """Where a file cannot be written to its end, that push is refused with the reason, nothing of it is left, and smaller ones are taken."""
    limit = 200_000
    # A limit for each file, as there is no small disk at hand. The signal that comes with it would end the proxy.
    wrapper = ["prlimit", f"--fsize={limit}", "env", "--ignore-signal=XFSZ"]
    proxy = stored(bench, wrapper=wrapper)
    jobs, large = Jobs(bench, proxy.tcp), Jobs(bench, proxy.tcp, "--filler", str(4 * limit))
    jobs.live(100, 101)
    jobs.push(0, 10)
    large.push(10, 20)
    refused_for_the_disk(large, range(10, 20), "File too large")
    jobs.push(20, 30)
    check(jobs.acknowledged() == {*range(10), *range(20, 30)}, f"smaller pushes are taken: {jobs.refused()}")
    goes_on(proxy, {*range(10), *range(20, 30)})
    files = [name for name in os.listdir(directory(bench)) if name.endswith((".push", ".unfinished"))]
    check(len(files) == 20, f"there are files of the 20 pushes, and no others: {len(files)}")


@case("disk/unusable", NEEDS, java_passes=False, transports=TCP)
def unusable(bench):
    """A file in the place of the directory, or another proxy's directory, ends the program at start, with a line that names it."""
    with open(directory(bench), "wb"):
        pass
    ends_at_start(bench, "File exists|Not a directory")
    os.remove(directory(bench))
    stored(bench)
    ends_at_start(bench, "another process uses it")


def ends_at_start(bench, why):
    command = [bench.tools.our_proxy(), *bench.variant.runtime_flags, "--push-dir", directory(bench)]
    command += ["--listen-tcp", "127.0.0.1:0", "--listen-http", "127.0.0.1:0", "--listen-websocket", "off"]
    process = bench.start("our-proxy", command)
    process.find(f"{directory(bench)}.*({why})", 10)
    status = process.wait()
    check(status == 2, f"it ends with status 2, and not {status}")


def refused_for_the_disk(jobs, numbers, why):
    refused = jobs.refused()
    check(refused.keys() == set(numbers), f"these pushes are refused, and not {sorted(refused)}; {jobs.lost()}")
    check(all(why in reason for reason in refused.values()), f"{why!r} is the reason, and not {set(refused.values())}")


def goes_on(proxy, pushes, name="a"):
    """A scrape has the application that lives, and these pushes."""
    scraper = Scraper(proxy.http, name)
    text = scraper.scrape()
    check('job_alive{app="job-100"} 1' in text, "the living application is scraped")
    scraper.scrape()
    scraper.has_each_once(pushes)
    check(scraper.had.keys() == set(pushes), f"these pushes are served, and not {sorted(scraper.had)}")
