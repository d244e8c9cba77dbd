"""An MCP server whose tools are what the file in its first argument says: a JSON list of names and descriptions.

It uses no SDK: it is started dozens of times, and the SDK takes a second to import.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

CAMEL_CASE = {"input_schema": "inputSchema"}


def answer(method: str, params: dict[str, Any]) -> dict[str, Any] | None:
    match method:
        case "initialize":
            info = {"name": "changing", "version": "1"}
            return {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": info}
        case "tools/list":
            tools = json.loads(Path(sys.argv[1]).read_text("utf-8"))
            named = [{CAMEL_CASE.get(key, key): value for key, value in tool.items()} for tool in tools]
            return {"tools": [{"inputSchema": {"type": "object"}, **each} for each in named]}
        case "tools/call":
            return {"content": [{"type": "text", "text": f"ran {params['name']}"}]}
    return None


def main() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        if "id" not in request:
            continue
        result = answer(request["method"], request.get("params", {}))
        unknown = {"error": {"code": -32601, "message": "no such method"}}
        reply = {"jsonrpc": "2.0", "id": request["id"], **(unknown if result is None else {"result": result})}
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
