"""That the search at the end of a test run, `_no_key_is_left`, would find a key."""

from __future__ import annotations

import base64
from pathlib import Path

from mm_magics.simulator import Simulator
from tests.canary import in_files, places


def test_a_simulators_key_is_found_in_a_file_as_it_is_and_in_base64(tmp_path: Path) -> None:
    key = Simulator().key
    for name, text in (("plain", f"key={key}."), ("coded", base64.b64encode(b"Bearer " + key.encode()).decode())):
        file = tmp_path / name
        file.write_text(text)
        assert in_files([file], simulators=True)
        file.unlink()
    assert places("simulator-key-", simulators=True) == []


def test_a_simulator_stores_no_key_of_a_request() -> None:
    import httpx2

    with Simulator() as endpoint:
        for headers in ({"Authorization": f"Bearer {endpoint.key}"}, {"X-Api-Key": endpoint.key}):
            httpx2.get(f"{endpoint.base_url}/v1/models", headers=headers)
        assert len(endpoint.log) == 2
        assert places(repr(endpoint.log), simulators=True) == []
        assert places(repr([record.as_json() for record in endpoint.log]), simulators=True) == []
