"""``keygw serve``: the gateway under uvicorn, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import sys
import threading
from collections.abc import Sequence

import structlog
import uvicorn

from keygw.app.addresses import is_loopback
from keygw.app.exposition import exposed, metrics_listener
from keygw.app.gateway import Gateway, gateway
from keygw.app.listen import address, fill_standard_files, listen, loop_factory, open_stdout, say
from keygw.app.logs import log_to_stderr
from keygw.app.server import Server, api_config, reload_on_hangup
from keygw.app.settings import Settings
from keygw.app.tls import tls_context
from keygw.model.errors import KeygwError

EXIT_OK, EXIT_ENVIRONMENT = 0, 3

log = structlog.get_logger(__name__)


def serve(
    settings: Settings, *, json_ready: bool = False, follow_stdin: bool = False, doubts: Sequence[str] = ()
) -> int:
    """Run until SIGINT or SIGTERM. Returns 0, or 3 with one line on stderr if it cannot start.

    ``json_ready``: say readiness as one JSON line. ``follow_stdin``: end when stdin ends, for a supervisor that may die
    without a goodbye. ``doubts``: what may be a mistake in the settings, for the log.
    """
    fill_standard_files()
    log_to_stderr(settings)
    try:
        open_stdout()
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            return runner.run(_serve(settings, json_ready, follow_stdin, doubts))
    except KeygwError as error:
        sys.stderr.write(f"keygw cannot start: {error} [{error.code}]\n")
        return EXIT_ENVIRONMENT
    except KeyboardInterrupt:
        return EXIT_OK


async def _serve(settings: Settings, json_ready: bool, follow_stdin: bool, doubts: Sequence[str]) -> int:
    tls = tls_context(settings)
    with contextlib.ExitStack() as sockets:
        listener = sockets.enter_context(listen(settings.host, settings.port))
        for_metrics = metrics_listener(settings.metrics)
        if for_metrics is not None:
            sockets.enter_context(for_metrics)
        url = address(listener, "http" if tls is None else "https")
        async with gateway(settings, url) as running, exposed(running.metrics, for_metrics) as metrics:
            _warn(settings, doubts)
            server = Server(
                api_config(running.http, tls),
                on_ready=lambda: _say_ready(settings, url, running, metrics, json_ready),
                on_stop=running.hub.close,
            )
            if follow_stdin:
                _follow_stdin(server)
            _settle()
            with reload_on_hangup(tls, settings):
                await server.serve(sockets=[listener])
    return EXIT_OK


def _settle() -> None:
    """Let the garbage collector leave alone what has been built by now: it stays until the end.

    A look through all of it takes a tenth of a second, in which nobody is answered, and comes every few hundred
    requests.
    """
    gc.collect()
    gc.freeze()


def _warn(settings: Settings, doubts: Sequence[str]) -> None:
    for doubt in doubts:
        log.warning("doubtful_setting", doubt=doubt)
    if settings.webhooks_allow_loopback:
        log.warning("webhooks_to_loopback", advice="a webhook reaches what listens on this machine; for tests alone")
    if settings.tls_cert is None and not is_loopback(settings.host):
        log.warning("clear_text", host=settings.host, advice="everybody on the way can read the tokens; set tls_cert")


def _follow_stdin(server: uvicorn.Server) -> None:
    """Let the server end when stdin does. A thread, because asyncio has no portable way to a pipe."""

    def wait() -> None:
        while os.read(0, 4096):
            pass
        server.should_exit = True

    threading.Thread(target=wait, name="stdin", daemon=True).start()


def _say_ready(settings: Settings, url: str, running: Gateway, metrics: str | None, as_json: bool) -> None:
    operator = str(running.operator_token_file)
    if as_json:
        ready = {
            "ready": True,
            "url": url,
            "data": str(settings.data),
            "operator_token_file": operator,
            "radio": settings.radio,
            "public_url": settings.public_url,
            "metrics": metrics,
        }
        say(json.dumps(ready))
        return
    radio = "\nno radio: this gateway reaches no vehicle" if settings.radio == "none" else ""
    say(f"keygw is up at {url}   API page: {url}/docs\noperator's token: {operator}   stop with Ctrl-C{radio}")
