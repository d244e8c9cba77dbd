"""What the demo assumes of jupyter_client."""

from __future__ import annotations

from jupyter_client.client import KernelClient

from mm_magics.demo import send_cell_id


def test_each_request_has_the_id_of_the_cell_that_runs() -> None:
    client = KernelClient()
    send_cell_id(client, "a")
    first = client.session.msg("execute_request", {})
    send_cell_id(client, "b")
    second = client.session.msg("execute_request", {})
    assert (first["metadata"], second["metadata"]) == ({"cellId": "a"}, {"cellId": "b"})
