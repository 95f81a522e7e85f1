"""Evaluate JavaScript: with node, or else with Chromium."""

import html
import json
import re
import shutil
import subprocess

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--virtual-time-budget=5000",
)


def evaluate(code, tmp_path):
    """What an expression behind some code gives, through JSON; NaN comes back as None."""
    node = shutil.which("node")
    if node:
        # through a file, for a study's numbers may be longer than a command line
        path = tmp_path / "code.js"
        path.write_text(f"console.log(JSON.stringify(eval({json.dumps(code)})))")
        done = subprocess.run([node, path], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
    script = f"answer.textContent = JSON.stringify(eval({json.dumps(code)}))"
    page = f"<pre id=answer></pre><script>{script}</script>"
    return json.loads(element(dom(page, tmp_path), "answer"))


def dom(page, tmp_path):
    """A page after its scripts have run; skips the test where there is no browser."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip("neither node nor a browser is here")
    path = tmp_path / "page.html"
    path.write_text(page)
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    command = [browser, *QUIET, profile, "--dump-dom", path.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if "<html" not in done.stdout:
        pytest.skip(f"the browser does not run here: {done.stderr[-200:]}")
    return done.stdout


def element(page, name):
    """Text of the element with an id."""
    return html.unescape(re.search(f'id="?{name}"?[^>]*>(.*?)<', page, re.S)[1])
