"""784-128-10 in PyTorch: 5 epochs of 32 minibatches of 128, Adam."""

import numpy as np
import torch
from torch import nn

rng = np.random.default_rng(0)
labels = rng.integers(0, 10, 4096)
X = (rng.random((10, 784))[labels] + rng.normal(0, 0.3, (4096, 784))).astype(np.float32)

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
optimizer = torch.optim.Adam(model.parameters())
x, y = torch.from_numpy(X), torch.from_numpy(labels)
for _ in range(5):
    for i in range(0, 4096, 128):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x[i : i + 128]), y[i : i + 128]).backward()
        optimizer.step()
print((model(x).argmax(1) == y).float().mean().item())
