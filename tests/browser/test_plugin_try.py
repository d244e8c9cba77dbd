import json, time
from playwright.sync_api import expect
LOAD = "%load_ext mm_magics"
CODE = "%%minimax\nShow python code."
LISTEN = """
import threading
got = []
def opened(comm, message):
    def take(m): got.append(m["content"]["data"])
    comm.on_msg(take)
    take(message)
get_ipython().kernel.comm_manager.register_target("mm_magics.document", opened)
"""
def test_pictures(open_notebook):
    for theme in (None, "JupyterLab Dark"):
        nb = open_notebook(LOAD, CODE, "%%minimax\nMore. [[simulator: fault=close after=20]]", "print('x')\n1", theme=theme, height=1100, width=1000)
        nb.page.on("console", lambda m: print("CONSOLE", m.type, m.text[:300]))
        for i in range(4):
            nb.run(i)
        nb.page.wait_for_timeout(1500)
        nb.screenshot(f"/tmp/shot-{theme and 'dark' or 'light'}.png")
        nb.save()
        nb.page.reload(); nb.page.wait_for_timeout(6000)
        nb.page.locator(".mm-settings-button").click()
        nb.page.wait_for_timeout(500)
        nb.screenshot(f"/tmp/shot2-{theme and 'dark' or 'light'}.png")
        nb.page.keyboard.press("ArrowDown"); nb.page.keyboard.press("ArrowDown"); nb.page.keyboard.press("ArrowDown"); nb.page.keyboard.press("Enter")
        nb.page.wait_for_timeout(300)
        print(nb.evaluate("() => JSON.stringify(window.jupyterapp.shell.currentWidget.content.model.getMetadata('minimax'))"), nb.evaluate("() => document.activeElement.className"))
        nb.page.get_by_role("button", name="Insert this code").first.click()
        nb.page.wait_for_timeout(300)
        nb.evaluate("() => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = 1; window.jupyterapp.commands.execute('mm-magics:fork-here') }")
        nb.page.wait_for_timeout(800)
        nb.screenshot(f"/tmp/shot3-{theme and 'dark' or 'light'}.png")
