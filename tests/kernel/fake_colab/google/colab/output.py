"""Widgets that are not Colab's own are loaded only once `enable_custom_widget_manager` was called."""

from types import SimpleNamespace

enabled = 0
_widgets = SimpleNamespace(_installed_url=None)
"""anywidget reads from it where the page loads the code of widgets."""


def enable_custom_widget_manager() -> None:
    global enabled
    enabled += 1
    _widgets._installed_url = "https://manager.example/manager.js"
