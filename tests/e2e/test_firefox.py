"""The page in a stock Firefox, where there is one: live, still and problem tests, by puppeteer-core over BiDi."""

import os
import shutil
import subprocess

import pytest

from scripts.dev import node
from tests.e2e.pages import WEB
from tests.service.running import Running

FIREFOX = next(filter(None, map(shutil.which, ("firefox-esr", "firefox"))), None)


@pytest.mark.skipif(FIREFOX is None, reason="no Firefox here; apt-get install firefox-esr")
def test_live_still_and_problems_in_firefox(service: Running) -> None:
    env = {**os.environ, **node.env(), "SERVICE": service.url, "FIREFOX": FIREFOX or ""}
    command = ["node", "node_modules/vitest/vitest.mjs", "run", "--config", "e2e/vitest.config.ts"]
    run = subprocess.run(command, cwd=WEB, env=env, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
