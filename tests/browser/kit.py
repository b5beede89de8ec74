"""A separate JupyterLab and a Chromium that displays it, for the browser tests.

    with jupyterlab(folder, env) as lab, chromium(lab) as page:
        with notebook(page, lab, "redisnb.panels.browse(...)") as cells: ...

The server listens on loopback and keeps its settings, kernels and workspaces in a folder of its
own; the page may talk to that server and to nothing else.
"""

import itertools
import json
import os
import secrets
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from playwright.sync_api import Error, Locator, Page, Route, WebSocket, sync_playwright

from redisnb.cli.lab import notebook_of
from tests.deadlines import deadline

START_SECONDS, STOP_SECONDS, WAIT_MS, LEAVE_MS = map(deadline, (60, 20, 15_000, 3_000))
CHROMIUM_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
# What JupyterLab logs when a kernel ends while requests to it are pending.
OF_A_KERNEL_GONE = (
    *("Connection lost, reconnecting", "Subshell identifier", "the debugger state"),
    "Canceled future for create_subshell_request",
)
# What anywidget says on a busy page; see `test_a_panel_that_starts_late_hears`.
OF_A_BUSY_PAGE = ("Failed to initialize model",)
# Nothing that uses the network, saves on its own, or leaves cells out of the page.
SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
    "@jupyterlab/extensionmanager-extension:plugin": {"enabled": False},
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
}


@dataclass
class Lab:
    """A running JupyterLab."""

    folder: Path
    url: str
    token: str
    log: Path


@dataclass
class Watched:
    """A page, its console messages, and its (blocked) requests to other addresses."""

    page: Page
    console: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    #: The prefixes of the addresses that it may request.
    allowed: list[str] = field(default_factory=lambda: ["data:", "blob:"])
    #: How many bytes the kernels sent.
    received: int = 0
    #: The last messages between the page and the kernels, a line each.
    traffic: deque[str] = field(default_factory=lambda: deque(maxlen=120))


@dataclass
class Kernel:
    """The kernel that the notebooks of a file use one after the other, once it is started."""

    id: str | None = None
    in_use: bool = False


def find_chromium() -> str | None:
    """Return the installed browser, not one that playwright would download."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def jupyterlab(folder: Path, env: Mapping[str, str]) -> Iterator[Lab]:
    home = Path(tempfile.mkdtemp(prefix="redisnb-lab-"))
    (home / "config/labconfig").mkdir(parents=True)
    (home / "config/labconfig/default_setting_overrides.json").write_text(json.dumps(SETTINGS))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    lab = Lab(folder, f"http://127.0.0.1:{port}", secrets.token_hex(16), home / "log")
    with lab.log.open("w") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
                *("--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"),
                *(f"--ServerApp.root_dir={folder}", "--KernelManager.shutdown_wait_time=3"),
                *("--LabApp.extension_manager=readonly", "--LabApp.expose_app_in_browser=True"),
                # It would start every language server that it finds, such as pyright's.
                "--LanguageServerManager.autodetect=False",
            ],
            env={
                **os.environ,
                "JUPYTER_CONFIG_DIR": str(home / "config"),
                "JUPYTER_DATA_DIR": str(home / "data"),
                "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
                "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
                "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
                "IPYTHONDIR": str(home / "ipython"),
                "JUPYTER_TOKEN": lab.token,
                **env,
            },
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(lab):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"JupyterLab did not start:\n{lab.log.read_text()[-3000:]}")
            time.sleep(0.1)
        yield lab
    finally:
        # This ends its kernels too.
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(home, ignore_errors=True)


def _answers(lab: Lab) -> bool:
    request = urllib.request.Request(
        f"{lab.url}/api/status", headers={"Authorization": f"token {lab.token}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=5):
            return True
    except OSError:
        return False


@contextmanager
def chromium(lab: Lab, executable: str) -> Iterator[Watched]:
    """Open a page of the lab once: each further notebook then takes one second and not five."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=CHROMIUM_FLAGS)
        try:
            context = browser.new_context(
                viewport={"width": 1100, "height": 900}, reduced_motion="reduce"
            )
            context.set_default_timeout(WAIT_MS)
            page = context.new_page()
            watched = Watched(page)
            watched.allowed.append(lab.url)

            def gate(route: Route) -> None:
                if route.request.url.startswith(tuple(watched.allowed)):
                    route.continue_()
                else:
                    watched.refused.append(route.request.url)
                    route.abort()

            context.route("**/*", gate)

            def received(data: str | bytes) -> None:
                watched.received += len(data)
                watched.traffic.append(f"{time.time():.3f} <- {_summary(data)}")

            def sent(data: str | bytes) -> None:
                watched.traffic.append(f"{time.time():.3f} -> {_summary(data)}")

            def listen(socket: WebSocket) -> None:
                socket.on("framereceived", received)
                socket.on("framesent", sent)

            page.on("websocket", listen)
            page.on(
                "pageerror",
                lambda error: (
                    any(part in str(error) for part in OF_A_KERNEL_GONE + OF_A_BUSY_PAGE)
                    or watched.console.append(f"uncaught: {error}")
                ),
            )
            page.on(
                "console",
                lambda said: (
                    said.type in ("error", "warning")
                    and not any(part in said.text for part in OF_A_KERNEL_GONE)
                    and watched.console.append(f"{said.type}: {said.text}")
                ),
            )
            page.goto(f"{lab.url}/lab?token={lab.token}&reset", wait_until="domcontentloaded")
            page.wait_for_function("() => window.jupyterapp")
            evaluate(page, "() => jupyterapp.restored")
            yield watched
        finally:
            browser.close()


def _summary(data: str | bytes) -> str:
    """Return a message to or from a kernel as a line, from its frame: parts after their offsets."""
    if isinstance(data, str):
        return data[:200]
    try:
        (n,) = struct.unpack_from("<Q", data)
        places = struct.unpack_from(f"<{n}Q", data, 8)
        parts = [data[a:b] for a, b in itertools.pairwise(places)]
        header, parent = json.loads(parts[1]), json.loads(parts[2])
    except (struct.error, ValueError, IndexError):
        return f"{len(data)} bytes"
    about = f"{parent.get('msg_type')} {parent.get('msg_id', '')[-8:]}" if parent else ""
    subshell = (header.get("subshell_id") or "")[:4]
    return (
        f"{parts[0].decode()} {header['msg_type']} {header['msg_id'][-8:]} {subshell} [{about}] "
        f"{parts[4][:150].decode(errors='replace')}"
    )


def said(watched: Watched, lab: Lab) -> str:
    """Return hints on why a test failed: the last messages, the server's log, and all threads."""
    traffic = "\n".join(watched.traffic)
    try:
        threads = evaluate(watched.page, _IN_KERNEL, _THREADS)
    except Error as error:
        threads = repr(error)
    return (
        f"messages:\n{traffic}\nlog of JupyterLab:\n{lab.log.read_text()[-3000:]}\n"
        f"threads of the kernel:\n{threads}"
    )


@contextmanager
def notebook(
    watched: Watched, lab: Lab, name: str, *cells: str, kernel: Kernel | None = None
) -> Iterator[Locator]:
    """Write a notebook, open it, run its cells, and return the part below its toolbar.

    A kernel that another notebook has is not taken; one that was left is as good as new.
    """
    if kernel is None or kernel.in_use:
        kernel = Kernel()
    Path(lab.folder, name).write_text(json.dumps(notebook_of(*cells)))
    page = watched.page
    kernel.in_use = True
    kernel.id = evaluate(page, _OPEN, {"path": name, "kernel": kernel.id})
    watched.console.clear()
    is_clean = False
    try:
        run_all(watched)
        yield page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook")
        is_clean = evaluate(page, _IN_KERNEL, _CLEAR) == "cleared"
    finally:
        kernel.in_use = False
        if not (is_clean and evaluate(page, _LEAVE, LEAVE_MS)):
            kernel.id = None
            evaluate(page, _CLOSE)


@contextmanager
def saved_and_opened_untrusted(watched: Watched, lab: Lab) -> Iterator[Locator]:
    """Save the open notebook, and open it as one from another machine: without a signature."""
    page = watched.page
    saved = Path(lab.folder, evaluate(page, _SAVE))
    copied = json.loads(saved.read_text())
    # Jupyter trusts notebooks by their content.
    text = {"cell_type": "markdown", "id": "text", "metadata": {}, "source": "from elsewhere"}
    copied["cells"].append(text)
    copied["metadata"].pop("widgets", None)
    name = f"untrusted-{saved.name}"
    Path(lab.folder, name).write_text(json.dumps(copied))
    evaluate(page, _OPEN, {"path": name, "kernel": None})
    try:
        yield page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook")
    finally:
        evaluate(page, _CLOSE)


def run_all(watched: Watched) -> None:
    """Run all cells of the open notebook, and wait until the last one has run."""
    ran = evaluate(watched.page, _RUN_ALL)
    assert all(count and not errors for count, errors in ran), ran


def in_kernel(watched: Watched, expression: str) -> str:
    """Evaluate an expression in the open notebook's kernel, outside its cells; return its repr."""
    return evaluate(watched.page, _IN_KERNEL, f"print(repr({expression}), end='')")


def use_theme(watched: Watched, name: str) -> None:
    """Change JupyterLab's theme, "Light" or "Dark", and wait until it is applied."""
    evaluate(watched.page, _USE_THEME, f"JupyterLab {name}")


def press_keys_of_the_notebook(cell: Any, page: Any, expect: Any) -> None:
    """Press what deletes a cell on each element of a panel; nothing may come of it."""
    for each in cell.locator(".rp-panel :is(button, input, textarea, [tabindex='0'])").all():
        if each.is_visible():
            each.focus()
            for letter in ("Escape", "d", "d"):
                page.keyboard.press(letter)
    expect(cell.locator(".jp-CodeCell")).to_have_count(1)


def check_accessibility(watched: Watched, expected: int = 1) -> None:
    """Check every panel, table and card of the open notebook with axe; it must find nothing."""
    if not watched.page.evaluate("() => Boolean(window.axe)"):
        package = find_spec("axe_playwright_python")
        assert package is not None
        [folder] = package.submodule_search_locations
        watched.page.evaluate(Path(folder, "axe.min.js").read_text())
    found, violations = evaluate(watched.page, _CHECK)
    assert found >= expected
    assert not violations, "\n".join(violations)


def evaluate(page: Page, function: str, argument: Any = None) -> Any:
    """Call a function on the page and wait for its promise, with a timeout, unlike playwright."""
    late = f"new Error('nothing within {WAIT_MS} ms')"
    return page.evaluate(
        f"""argument => Promise.race([
          ({function})(argument),
          new Promise((_, fail) => setTimeout(() => fail({late}), {WAIT_MS}))])""",
        argument,
    )


_OPEN = """async ({ path, kernel }) => {
  const wanted = kernel ? { kernel: { id: kernel } } : {};
  const widget = await jupyterapp.commands.execute(
    "docmanager:open", { path, factory: "Notebook", ...wanted });
  await widget.context.ready;
  await widget.sessionContext.ready;
  await widget.sessionContext.session.kernel.info;
  jupyterapp.shell.activateById(widget.id);
  return widget.sessionContext.session.kernel.id;
}"""
# The command's promise resolves when the last cell has run.
_RUN_ALL = """async () => {
  await jupyterapp.commands.execute("notebook:run-all-cells");
  return jupyterapp.shell.currentWidget.content.widgets.map(cell => [
    cell.model.executionCount,
    cell.model.outputs.toJSON().filter(output => output.output_type === "error")
      .map(output => output.ename + ": " + output.evalue)]);
}"""
_IN_KERNEL = """async code => {
  const kernel = jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const request = kernel.requestExecute({ code, store_history: false });
  let said = "";
  request.onIOPub = message => {
    if (message.header.msg_type === "stream") said += message.content.text;
    if (message.header.msg_type === "error") said += message.content.evalue;
  };
  await request.done;
  return said;
}"""
_THREADS = """
import sys, threading, traceback
for _thread in threading.enumerate():
    _stack = traceback.format_stack(sys._current_frames()[_thread.ident])[-8:]
    print(_thread.name, *_stack, sep="\\n")
"""
_SAVE = """async () => {
  const { context } = jupyterapp.shell.currentWidget;
  await context.save();
  return context.path;
}"""
_USE_THEME = """async name => {
  await jupyterapp.commands.execute("apputils:change-theme", { theme: name });
  const isLight = String(name.endsWith("Light"));
  // It covers the page meanwhile.
  const isCovered = () => document.body.dataset.jpThemeLight !== isLight
    || document.getElementById("jupyterlab-splash");
  while (isCovered()) await new Promise(requestAnimationFrame);
}"""
_CHECK = """async () => {
  const seen = [...document.querySelectorAll(
    ".jp-NotebookPanel:not(.lm-mod-hidden) :is(.rp-panel, .rnb-card)")];
  if (!seen.length) return [0, []];
  const { violations } = await axe.run(seen, { resultTypes: ["violations"] });
  return [seen.length, violations.flatMap(({ id, help, nodes }) =>
    nodes.map(node => `${id}: ${help}: ${node.html} (${node.failureSummary})`))];
}"""
# JupyterLab deletes the subshell of its comms when the last one is closed. A notebook that gets the
# kernel before that would send its first clicks there, and they would be lost. One comm is never
# closed: that with which a new notebook asks for the widgets of its kernel, if there is no answer
# in 4 s, as on a busy machine. Its subshell stays, and nothing tells it from one that will go.
_LEAVE = """async patience => {
  const widget = jupyterapp.shell.currentWidget;
  const kernel = widget.sessionContext.session.kernel;
  const subshells = async () => (await kernel.requestListSubshell({}).done).content.subshell_id;
  const end = performance.now() + patience;
  while (kernel.supportsSubshells && (await subshells()).length) {
    if (performance.now() > end) return false;
    await new Promise(resolve => setTimeout(resolve, 20));
  }
  widget.dispose();
  return true;
}"""
# Nothing runs, nothing is shown, no variable is left, and no connection is open.
_CLEAR = """
import gc, sys
if "redisnb" in sys.modules:
    sys.modules["redisnb"].stop_all()
if "redisnb.panels" in sys.modules:
    from redisnb.panels.parts.panel import open_parts_panels
    for each in list(open_parts_panels):
        each.close()
if "ipywidgets" in sys.modules:
    sys.modules["ipywidgets"].Widget.close_all()
get_ipython().run_line_magic("reset", "-sf")
import gc
gc.collect()
print("cleared", end="")
"""
_CLOSE = """async () => {
  const widget = jupyterapp.shell.currentWidget;
  await widget.sessionContext.shutdown();
  widget.dispose();
}"""
