"""Widgets that are not Colab's own are loaded only once this was called."""

enabled = 0


def enable_custom_widget_manager() -> None:
    global enabled
    enabled += 1
