"""Take the README's picture anew: the running demo in Chromium, both pages in one frame.

python -m workshop.picture          needs .[dev] and Debian's chromium, and the demo's two ports free
"""

from __future__ import annotations

import base64
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from example_project.demo import ISSUER_PORT, SITE_PORT, running

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "images" / "demo.png"
_CHROMIUM = "/usr/bin/chromium"
_SWITCHES = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]

_FRAME = """<!doctype html><meta charset="utf-8"><style>
  body { margin: 0; width: 1600px; height: 900px; position: relative; overflow: hidden;
         background: #dfe8e4; font: 500 15px "Liberation Sans", sans-serif; }
  figure { position: absolute; margin: 0; background: #fff; border-radius: 12px; overflow: hidden;
           box-shadow: 0 0 0 1px rgb(16 38 47 / 14%), 0 24px 48px -12px rgb(16 38 47 / 34%); }
  figcaption { display: flex; align-items: center; gap: 8px; height: 38px; padding: 0 14px;
               background: #eceef0; color: #3d4a50; }
  i { width: 11px; height: 11px; border-radius: 50%; background: #c3c9cd; }
  span { margin-left: 12px; }
  img { display: block; width: 100%; }
  .site { left: 610px; top: 40px; width: 930px; }
  .issuer { left: 60px; top: 316px; width: 830px; }
</style>
<figure class="site">
<figcaption><i></i><i></i><i></i><span>localhost:8000/dashboard/</span></figcaption><img src="SITE"></figure>
<figure class="issuer">
<figcaption><i></i><i></i><i></i><span>127.0.0.1:9400</span></figcaption><img src="ISSUER"></figure>
"""


def take() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        Path(folder, "log").open("wb") as log,
        running(Path(folder), site_port=SITE_PORT, issuer_port=ISSUER_PORT, output=log) as demo,
        sync_playwright() as playwright,
    ):
        chromium = playwright.chromium.launch(executable_path=_CHROMIUM, args=_SWITCHES)
        page = chromium.new_page(viewport={"width": 1240, "height": 860}, color_scheme="light")
        page.goto(demo.site.origin)
        page.click("#sign-in")
        issuer = _shot(page, 770)
        page.get_by_text("Olivia Owens").first.click()
        site = _shot(page, 860)
        frame = chromium.new_page(viewport={"width": 1600, "height": 900})
        frame.set_content(_FRAME.replace("SITE", site).replace("ISSUER", issuer))
        PICTURE.parent.mkdir(parents=True, exist_ok=True)
        frame.screenshot(path=PICTURE)
        chromium.close()


def _shot(page: Page, height: int) -> str:
    page.wait_for_load_state()
    page.set_viewport_size({"width": 1240, "height": height})
    return "data:image/png;base64," + base64.b64encode(page.screenshot()).decode()


if __name__ == "__main__":
    take()
