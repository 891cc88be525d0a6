"""The page's types are those of the service's OpenAPI document."""

import re
import subprocess
import sys
from pathlib import Path

from service.http.middleware import POLICY

ROOT = Path(__file__).parents[2]


def test_types_have_not_drifted(tmp_path: Path) -> None:
    made = tmp_path / "api.gen.ts"
    command = [sys.executable, "-m", "scripts.dev.openapi", str(made)]  # by itself: it sets up metrics of its own
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert made.read_text() == (ROOT / "web/src/api.gen.ts").read_text(), "run `make web-api`"


def test_the_page_without_a_service_has_the_policy_of_the_service() -> None:
    """Less what a page can't say of itself: who may frame it, and forms, of which it has none that send."""
    config = (ROOT / "web/vite.config.ts").read_text(encoding="utf-8")
    listed = re.findall(r'"([^"]+)"', config.partition("const POLICY = [")[2].partition("]")[0])
    assert [*listed, "form-action 'self'", "frame-ancestors 'none'"] == POLICY.split("; ")
