"""An MCP server of an older protocol, without the SDK, so that it can break the protocol. Its arguments say how:

`silent` never answers; `garbage` writes other things to stdout first; `only-garbage` nothing else; `stay` does not end
when it is asked to; `crash` ends at once; `grow` has one tool more after each call, and says so; `mute` lists no tools;
`broken` also lists some whose schemas are;
`big` answers a call with 20 MB of text, `many` with 3 million lists, and `long` with 3 MB of text that looks like them;
`pid=FILE` writes its process id there.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

HOW = sys.argv[1:]
BROKEN = ({"type": "array"}, {}, {"type": "object", "properties": [1]}, {"type": "object", "required": "a"})


def say(message):
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


def main():
    for each in HOW:
        if each.startswith("pid="):
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], stdin=subprocess.DEVNULL)
            Path(each[4:]).write_text(f"{os.getpid()} {child.pid}")
    if "crash" in HOW:
        print("\x1b]0;title\x07no licence\u202e", file=sys.stderr)
        sys.exit(3)
    if "stay" in HOW:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "garbage" in HOW or "only-garbage" in HOW:
        print("Starting server…\x1b[31m\n{}\n[]\n{", flush=True)

    tools = 1
    for line in sys.stdin:
        if "silent" in HOW or "only-garbage" in HOW:
            continue
        request = json.loads(line)
        if "id" not in request:
            continue
        match request["method"]:
            case "initialize":
                version = request["params"]["protocolVersion"]
                info = {"name": "rude", "version": "1"}
                result = {
                    "protocolVersion": version,
                    "capabilities": {"tools": {"listChanged": True}},
                    "serverInfo": info,
                }
            case "tools/list":
                if "mute" in HOW:
                    continue
                result = {"tools": [{"name": f"t{n}", "inputSchema": {"type": "object"}} for n in range(tools)]}
                if "broken" in HOW:
                    result["tools"] += [{"name": f"b{n}", "inputSchema": schema} for n, schema in enumerate(BROKEN)]
            case "tools/call":
                text = {"big": "x" * 20_000_000, "long": "[]," * 1_000_000}.get(HOW[0] if HOW else "", "called")
                result = {"content": [{"type": "text", "text": text}]}
                if "many" in HOW:
                    result["structuredContent"] = {"a": [[]] * 3_000_000}
                if "grow" in HOW:
                    tools += 1
                    say({"method": "notifications/tools/list_changed"})
            case _:
                say({"id": request["id"], "error": {"code": -32601, "message": "no such method"}})
                continue
        say({"id": request["id"], "result": result})
    while "stay" in HOW:
        time.sleep(1)


if __name__ == "__main__":
    main()
