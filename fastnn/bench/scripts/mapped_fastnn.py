"""An epoch over rows in a file, memory-mapped: ``mapped_fastnn.py FILE SAMPLES FEATURES``; prints memory in bytes.

What counts is anonymous memory, the process' own: pages of the file are the system's to keep or to drop. It is read
from Linux' ``/proc`` every few milliseconds, before the epoch for the least and during it for the most.
"""

import json
import sys
import threading
import time

import numpy as np

from fastnn import Dense, Sequential


def own_memory():
    with open("/proc/self/status") as status:
        lines = dict(line.split(":", 1) for line in status)
    return {name: 1024 * int(lines[name].split()[0]) for name in ("RssAnon", "RssFile")}


def watch():
    while not done.wait(0.003):
        now = own_memory()
        for name, size in now.items():
            most[name] = max(most[name], size)


path, samples, features = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
X = np.memmap(path, np.float32, "r", shape=(samples, features))
labels = np.random.default_rng(0).integers(0, 10, samples)

model = Sequential([Dense(128, activation="relu"), Dense(10, activation="softmax")], seed=0)
model.compile("sgd", "sparse_categorical_crossentropy")
model.fit(X[:1024], labels[:1024], batch_size=128, verbose=0)  # compiled, and the workers' memory taken

before = own_memory()
most, done = dict(before), threading.Event()
watcher = threading.Thread(target=watch)
watcher.start()
start = time.perf_counter()
model.fit(X, labels, epochs=1, batch_size=128, verbose=0)
seconds = time.perf_counter() - start
done.set()
watcher.join()
print(json.dumps({"before": before["RssAnon"], "most": most["RssAnon"], "file": most["RssFile"], "seconds": seconds}))
