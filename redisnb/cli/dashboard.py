"""`redisnb dashboard`: the dashboard alone in a browser, through Voila."""

from __future__ import annotations

import json
import os
import secrets
import socket
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from redisnb.cli.lab import notebook_of, run_jupyter, with_server
from redisnb.errors import MissingExtraError
from redisnb.wire import environment_address

__all__: list[str] = []

_FIRST_PORT, _PORTS = 8866, 50
_SETTINGS: dict[str, Any] = {
    "Voila": {
        "tornado_settings": {
            # Only under a name of this machine: a page from elsewhere that lets its own name point
            # here (DNS rebinding) is refused.
            "allow_remote_access": False,
            # Otherwise each page makes Tornado warn of the default.
            "ws_ping_timeout": 30_000,
            # Nothing leaves this machine.
            "headers": {
                "Content-Security-Policy": (
                    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob: ws:; "
                    "frame-ancestors 'self'"
                )
            },
        },
        "log_level": "ERROR",
    },
    "VoilaConfiguration": {
        "template": "redisnb",
        # A kernel that has imported everything waits for the next page.
        "preheat_kernel": True,
        "extension_allowlist": [
            "@jupyter-widgets/jupyterlab-manager",
            "@voila-dashboards/widgets-manager8",
            "anywidget",
        ],
    },
    # The next one starts when the page is painted, which it would slow down.
    "VoilaKernelManager": {"fill_delay": 4},
    # The kernel of a page that was closed, or lost: one that is open has a connection.
    # Otherwise each kernel warns that it is not encrypted.
    "KernelManager": {"transport_encryption": "auto"},
    "MappingKernelManager": {"cull_idle_timeout": 300, "cull_interval": 60},
}
_WAIT_CELL = """import redisnb.panels
from redisnb.cli.dashboard import wait_for_page

await wait_for_page()"""
_SHOW_CELL = """import redisnb as rnb

try:
    display(rnb.panels.dashboard(rnb.connect(read_only={read_only}), snapshot=False))
except rnb.RedisnbError as error:
    print(f"{{error}}\\n\\nReload this page to try again.")"""
# Without a grammar for addresses in JSON, which takes most of the time that Voila needs to start.
_START_VOILA = (
    "import sys; sys.modules['rfc3987_syntax'] = None; from voila.app import main; sys.exit(main())"
)
# The browser is given a file with the address: other users of this machine may see what is opened.
# After a second, for a page that comes before the first kernel has begun would get another one.
_REDIRECT = '<!DOCTYPE html><meta http-equiv="refresh" content="1;url={address}">'


def open_dashboard(
    url: str | None = None,
    *,
    read_only: bool = False,
    port: int | None = None,
    browser: bool = True,
) -> int:
    """Open the dashboard alone, through Voila, on loopback and with a token.

    The page is dark where the system is. What a page has started ends five minutes after it was
    closed.

    Parameters
    ----------
    url : str, optional
        The server; by default that of the environment, as `connect` finds it, or a private one.
    read_only : bool
        Let no panel write.
    port : int, optional
        Voila's port; by default 8866 or the next one that is free.
    browser : bool, default True
        Open a browser; the address is printed in any case.

    Returns
    -------
    int
        Voila's exit code.

    Raises
    ------
    MissingExtraError
        If Voila is not installed.
    ConnectError
        If the server cannot be reached or started.
    OSError
        If the port is taken.
    """
    if find_spec("voila") is None:
        raise MissingExtraError("voila", "dashboard")
    if not url and (address_there := environment_address()):
        url, _ = address_there
    port = _free_port(port)
    token = secrets.token_hex(24)
    address = f"http://127.0.0.1:{port}/?token={token}"
    with tempfile.TemporaryDirectory(prefix="redisnb-") as folder:
        notebook = Path(folder, "redisnb.ipynb")
        notebook.write_text(
            json.dumps(notebook_of(_WAIT_CELL, _SHOW_CELL.format(read_only=read_only)))
        )
        _write_template(Path(folder), address)
        # In a file: others see the arguments of a command.
        settings = {**_SETTINGS, "Voila": {**_SETTINGS["Voila"], "token": token}}
        Path(folder, "voila.json").write_text(json.dumps(settings))
        command = ["-c", _START_VOILA, str(notebook), "--Voila.ip=127.0.0.1"]
        command += [f"--Voila.port={port}", "--Voila.port_retries=0"]
        found = {
            name: _with_first(name, folder) for name in ("JUPYTER_CONFIG_PATH", "JUPYTER_PATH")
        }

        def run(url: str) -> int:
            print(f"redisnb: the dashboard is at {address}", flush=True)
            return run_jupyter(command, browser, {**found, "REDISNB_URL": url})

        return with_server(url, run)


async def wait_for_page() -> None:
    """Wait until a page takes the kernel, if Voila started it in advance.

    Until then it asks nothing of the server. Voila's own function would import all of Voila, which
    takes longer than everything else.
    """
    kernel = os.environ.get("VOILA_KERNEL_ID")
    if os.environ.get("VOILA_PREHEAT") != "True" or kernel is None:
        return
    from tornado.websocket import websocket_connect

    port = os.environ["VOILA_APP_PORT"]
    page = await websocket_connect(f"ws://127.0.0.1:{port}/voila/query/{kernel}")
    await page.read_message()
    page.close()


def _write_template(folder: Path, address: str) -> None:
    template = folder / "nbconvert" / "templates" / "redisnb"
    template.mkdir(parents=True)
    (template / "conf.json").write_text('{"base_template": "lab"}')
    page = Path(__file__).with_name("dashboard.html.j2").read_text()
    (template / "index.html.j2").write_text(page)
    (template / "browser-open.html").write_text(_REDIRECT.format(address=address))


def _with_first(name: str, folder: str) -> str:
    """Return the search path of a variable, with one more folder at its start."""
    return os.pathsep.join([folder, *filter(None, [os.environ.get(name)])])


def _free_port(port: int | None) -> int:
    """Return a port that is free: the waiting kernel has to know it before Voila listens."""
    for each in [port] if port is not None else range(_FIRST_PORT, _FIRST_PORT + _PORTS):
        with socket.socket() as probe:
            # As Voila does; else a port that was in use a moment ago would not be free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", each))
            except OSError as error:
                failed = error
            else:
                return each
    raise OSError(f"port {each} is taken: choose another with --port") from failed
