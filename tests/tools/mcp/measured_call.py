"""Call a tool of an MCP server from a process of its own, and print as JSON its errors, and its time and memory.

python -m tests.tools.mcp.measured_call TOOL CALLS SMALL URL_OR_COMMAND...

SMALL is a tool that is called before and after, or "".
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from mm_magics.tools.mcp.servers import MCPServers
from tests.endpoint.measured_call import peak_mb
from tests.tools.mcp.conftest import call


def main(tool: str, calls: int, small: str, server: list[str]) -> dict[str, Any]:
    servers = MCPServers()
    try:
        servers.add("measured", server[0] if server[0].startswith("http") else server)
        servers.tools("measured")
        texts = [call(servers, f"measured__{small}").text] if small else []
        before, began = peak_mb(), time.monotonic()
        outputs = [call(servers, f"measured__{tool}") for _ in range(calls)]
        seconds, after = time.monotonic() - began, peak_mb()
        texts += [call(servers, f"measured__{small}").text] if small else []
    finally:
        servers.close()
    errors = [each.text for each in outputs if each.is_error]
    return {"mb": after - before, "seconds": seconds, "errors": errors, "small": texts}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4:])), flush=True)
