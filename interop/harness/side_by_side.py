"""Runs functions beside each other, each in a process of its own."""

import contextlib
import io
import multiprocessing

waiting = None


def side_by_side(function, calls, jobs, prepare=None):
    """Calls `function` with each of these lists of arguments, `jobs` at a time, and gives what it returned, in the order in which the calls ended.

    The processes are forks of this one, so that arguments may be what cannot be handed over; each calls `prepare` first. What a call prints appears when it
    has ended. One at a time needs no other process, and prints at once.
    """
    if jobs == 1:
        return [function(*arguments) for arguments in calls]
    global waiting
    waiting = function, calls
    results = []
    with multiprocessing.get_context("fork").Pool(jobs, prepare) as pool:
        for result, report in pool.imap_unordered(call, range(len(calls))):
            print(report, end="", flush=True)
            results.append(result)
        pool.close()
        pool.join()
    return results


def call(index):
    """Makes a call of `waiting`, and gives its result and what it has printed."""
    function, calls = waiting
    report = io.StringIO()
    with contextlib.redirect_stdout(report), contextlib.redirect_stderr(report):
        result = function(*calls[index])
    return result, report.getvalue()
